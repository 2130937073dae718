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

typedef struct decay {
    real *w, *draw;      /* forward; backward */
    const real *dw, *ow; /* backward: the gradient of w, and w */
    const real *raw;
    const wkv_weight *base;
} decay;

static void decay_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const decay *d = ctx;
    const size_t C = (size_t)d->base->cols, o = s.begin * C;
    k->decay(d->w + o, d->raw + o, wkv_vec(d->base), (int)s.n, (int)C);
}

void wkv_cpu_decay(wkv_exec *x, real *w, const real *raw, const wkv_weight *base, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    const decay d = {.w = w, .raw = raw, .base = base};
    wkv_cpu_cut(x, decay_rows, &d, (size_t)rows, 1, 8 * (size_t)rows * (size_t)base->cols);
}

static void decay_bwd_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const decay *d = ctx;
    const size_t C = (size_t)d->base->cols, o = s.begin * C;
    k->decay_bwd(d->draw + o, d->dw + o, d->ow + o, d->raw + o, wkv_vec(d->base), (int)s.n, (int)C);
}

void wkv_cpu_decay_bwd(wkv_exec *x, real *draw, const real *dw, const real *w, const real *raw,
                       const wkv_weight *base, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    const decay d = {.draw = draw, .dw = dw, .ow = w, .raw = raw, .base = base};
    const size_t C = (size_t)base->cols;
    wkv_cpu_cut(x, decay_bwd_rows, &d, (size_t)rows, 1, 8 * (size_t)rows * C);
    if (base->grad != NULL)
        wkv_cpu_colsum(x, base->grad, draw, rows, C);
}

/* ---- norm and gate --------------------------------------------------------------------------- */

/* The norm and gate of all rows, and what its backward pass takes besides. */
typedef struct gating {
    const wkv_gn_gate *o;
    const wkv_weight *ln_w, *ln_b;
    int rows, C, N;
    const wkv_gn_gate_grad *g;
    wkv_sums sums;
    real *beside; /* (GATE_SUMS, WKV_SUM_ROWS, C), each a thread */
} gating;

static wkv_gn_gate gate_at(const gating *t, size_t row)
{
    const wkv_gn_gate *o = t->o;
    size_t at = row * (size_t)t->C;
    return (wkv_gn_gate){
        .y = o->y + at,
        .g = o->g != NULL ? o->g + at : NULL,
        .ln_w = wkv_vec(t->ln_w),
        .ln_b = wkv_vec(t->ln_b),
        .z = o->z + at,
        .stat = o->stat != NULL ? o->stat + row * 2 * (size_t)(t->C / t->N) : NULL,
        .eps = o->eps,
    };
}

static void gate_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const gating *t = ctx;
    wkv_gn_gate mine = gate_at(t, s.begin);
    k->gn_gate(&mine, (int)s.n, t->C, t->N);
}

void wkv_cpu_gn_gate(wkv_exec *x, const wkv_gn_gate *o, const wkv_weight *ln_w,
                     const wkv_weight *ln_b, int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    const gating t = {.o = o, .ln_w = ln_w, .ln_b = ln_b, .C = C, .N = N};
    wkv_cpu_cut(x, gate_rows, &t, (size_t)rows, 1, 8 * (size_t)rows * (size_t)C);
}

enum { GATE_W, GATE_B, GATE_SUMS };

static void gate_bwd_block(const wkv_kern *k, const gating *t, size_t block, real *beside)
{
    const wkv_gn_gate_grad *g = t->g;
    const size_t row = block * WKV_SUM_ROWS, at = row * (size_t)t->C;
    const int n = wkv_sums_rows(block, t->rows);
    wkv_gn_gate inputs = gate_at(t, row);
    wkv_gn_gate_grad mine = {g->dz + at, g->dy + at, g->dg != NULL ? g->dg + at : NULL, beside,
                             beside + WKV_SUM_ROWS * (size_t)t->C};
    k->gn_gate_bwd(&mine, &inputs, n, t->C, t->N);
    wkv_sums_set(k, &t->sums, GATE_W, block, mine.ln_w_row, n);
    wkv_sums_set(k, &t->sums, GATE_B, block, mine.ln_b_row, n);
}

static void gate_bwd_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const gating *t = ctx;
    real *beside = t->beside + (size_t)s.part * GATE_SUMS * WKV_SUM_ROWS * (size_t)t->C;
    for (size_t b = s.begin; b < s.begin + s.n; b++)
        gate_bwd_block(k, t, b, beside);
}

void wkv_cpu_gn_gate_bwd(wkv_exec *x, const wkv_gn_gate_grad *g, const wkv_gn_gate *o,
                         const wkv_weight *ln_w, const wkv_weight *ln_b, int rows, int C, int N)
{
    const size_t mark = wkv_arena_mark(x->scratch), each = GATE_SUMS * WKV_SUM_ROWS * (size_t)C;
    gating t = {.o = o, .ln_w = ln_w, .ln_b = ln_b, .rows = rows, .C = C, .N = N, .g = g};
    t.sums = wkv_sums_alloc(x, GATE_SUMS, rows, (size_t)C);
    t.beside = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        wkv_cpu_cut(x, gate_bwd_blocks, &t, t.sums.blocks, 1, 16 * (size_t)rows * (size_t)C);
        wkv_sums_finish(x, &t.sums, GATE_W, ln_w);
        wkv_sums_finish(x, &t.sums, GATE_B, ln_b);
    }
    wkv_arena_reset(x->scratch, mark);
}
