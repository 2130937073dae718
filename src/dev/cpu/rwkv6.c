/* dev/cpu/rwkv6.c - the row-wise parts around the recurrence of RWKV-5 and 6, split by rows;
 * the gradients of their parameters are sums over rows. */
#include <tgmath.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/sums.h"

/* ---- parameters of each head ---------------------------------------------------------- */

void wkv_cpu_head_vec(wkv_exec *x, real *y, const wkv_weight *v, int H, int N, wkv_head_fn f)
{
    if (wkv_exec_measuring(x))
        return;
    int each = v->cols / H; /* N, or 1 */
    for (int h = 0; h < H; h++)
        for (int i = 0; i < N; i++) {
            real value = wkv_vec(v)[h * each + (each > 1 ? i : 0)];
            y[h * N + i] = f == WKV_HEAD_RAW   ? value
                           : f == WKV_HEAD_EXP ? exp(value)
                                               : exp(-exp(value));
        }
}

void wkv_cpu_head_vec_bwd(wkv_exec *x, const real *dy, const real *y, const wkv_weight *v, int H,
                          int N, wkv_head_fn f)
{
    if (wkv_exec_measuring(x) || v->grad == NULL)
        return;
    int each = v->cols / H;
    for (int h = 0; h < H; h++)
        for (int i = 0; i < N; i++) {
            int from = h * each + (each > 1 ? i : 0), at = h * N + i;
            real slope = f == WKV_HEAD_RAW   ? 1
                         : f == WKV_HEAD_EXP ? y[at]
                                             : -y[at] * exp(wkv_vec(v)[from]);
            v->grad[from] += dy[at] * slope;
        }
}

/* ---- decay ------------------------------------------------------------------------------- */

void wkv_cpu_decay(wkv_exec *x, real *w, const real *raw, const wkv_weight *base, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)base->cols;
    int parts = wkv_cpu_parts(x, (size_t)rows, 8 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        x->dev->kern->decay(w + s.begin * C, raw + s.begin * C, wkv_vec(base), (int)s.n, (int)C);
    }
}

void wkv_cpu_decay_bwd(wkv_exec *x, real *draw, const real *dw, const real *w, const real *raw,
                       const wkv_weight *base, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)base->cols;
    int parts = wkv_cpu_parts(x, (size_t)rows, 8 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        size_t o = s.begin * C;
        x->dev->kern->decay_bwd(draw + o, dw + o, w + o, raw + o, wkv_vec(base), (int)s.n, (int)C);
    }
    if (base->grad != NULL)
        wkv_cpu_colsum(x, base->grad, draw, rows, C);
}

/* ---- norm and gate --------------------------------------------------------------------------- */

static wkv_gn_gate gate_at(const wkv_gn_gate *o, const wkv_weight *ln_w, const wkv_weight *ln_b,
                           size_t row, int C, int N)
{
    size_t at = row * (size_t)C;
    return (wkv_gn_gate){
        .y = o->y + at,
        .g = o->g != NULL ? o->g + at : NULL,
        .ln_w = wkv_vec(ln_w),
        .ln_b = wkv_vec(ln_b),
        .z = o->z + at,
        .stat = o->stat != NULL ? o->stat + row * 2 * (size_t)(C / N) : NULL,
        .eps = o->eps,
    };
}

void wkv_cpu_gn_gate(wkv_exec *x, const wkv_gn_gate *o, const wkv_weight *ln_w,
                     const wkv_weight *ln_b, int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    int parts = wkv_cpu_parts(x, (size_t)rows, 8 * (size_t)rows * (size_t)C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        wkv_gn_gate mine = gate_at(o, ln_w, ln_b, s.begin, C, N);
        x->dev->kern->gn_gate(&mine, (int)s.n, C, N);
    }
}

enum { GATE_W, GATE_B, GATE_SUMS };

/* A block of rows.  beside: room for (GATE_SUMS, WKV_SUM_ROWS, C) */
static void gate_bwd_block(const wkv_kern *kern, const wkv_sums *s, size_t block, real *beside,
                           const wkv_gn_gate_grad *g, const wkv_gn_gate *o, const wkv_weight *ln_w,
                           const wkv_weight *ln_b, int rows, int N)
{
    const size_t C = s->C, at = block * WKV_SUM_ROWS * C;
    const int n = wkv_sums_rows(block, rows);
    wkv_gn_gate inputs = gate_at(o, ln_w, ln_b, block * WKV_SUM_ROWS, (int)C, N);
    wkv_gn_gate_grad mine = {g->dz + at, g->dy + at, g->dg != NULL ? g->dg + at : NULL, beside,
                             beside + WKV_SUM_ROWS * C};
    kern->gn_gate_bwd(&mine, &inputs, n, (int)C, N);
    wkv_sums_set(kern, s, GATE_W, block, mine.ln_w_row, n);
    wkv_sums_set(kern, s, GATE_B, block, mine.ln_b_row, n);
}

void wkv_cpu_gn_gate_bwd(wkv_exec *x, const wkv_gn_gate_grad *g, const wkv_gn_gate *o,
                         const wkv_weight *ln_w, const wkv_weight *ln_b, int rows, int C, int N)
{
    const size_t mark = wkv_arena_mark(x->scratch), each = GATE_SUMS * WKV_SUM_ROWS * (size_t)C;
    wkv_sums sums = wkv_sums_alloc(x, GATE_SUMS, rows, (size_t)C);
    real *beside = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, sums.blocks, 16 * (size_t)rows * (size_t)C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(sums.blocks, parts, i, 1);
            for (size_t b = s.begin; b < s.begin + s.n; b++)
                gate_bwd_block(x->dev->kern, &sums, b, beside + (size_t)i * each, g, o, ln_w, ln_b,
                               rows, N);
        }
        wkv_sums_finish(x, &sums, GATE_W, ln_w);
        wkv_sums_finish(x, &sums, GATE_B, ln_b);
    }
    wkv_arena_reset(x->scratch, mark);
}
