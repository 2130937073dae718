/* dev/cpu/rowwise.c - operations on whole arrays and on rows: embedding, norms,
 * activations, biases, the loss.  Split by rows or elements; gradients of parameters sum
 * over rows, by blocks of rows (sums.h) or by columns, each in row order. */
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/sums.h"

/* ---- embedding ------------------------------------------------------------------ */

static void read_row(real *y, const wkv_weight *table, int32_t id)
{
    size_t C = (size_t)table->cols;
    const wkv_dtype_info *t = wkv_dtype_of(table->dtype);
    size_t row_bytes = C / (size_t)t->block * (size_t)t->bytes;
    const unsigned char *row = (const unsigned char *)table->data + (size_t)id * row_bytes;
    wkv_dtype_to_real(y, row, table->dtype, C);
}

void wkv_cpu_embed(wkv_exec *x, real *y, const wkv_weight *table, const int32_t *ids, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)table->cols;
    int parts = wkv_cpu_parts(x, (size_t)rows, (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        for (size_t r = s.begin; r < s.begin + s.n; r++)
            read_row(y + r * C, table, ids[r]);
    }
}

void wkv_cpu_embed_bwd(wkv_exec *x, const real *dy, const wkv_weight *table, const int32_t *ids,
                       int rows)
{
    if (wkv_exec_measuring(x) || table->grad == NULL)
        return;
    size_t C = (size_t)table->cols;
    int parts = wkv_cpu_parts(x, C / WKV_COLUMN_GRAIN, (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(C, parts, i, WKV_COLUMN_GRAIN);
        for (size_t r = 0; r < (size_t)rows; r++)
            x->dev->kern->add(table->grad + (size_t)ids[r] * C + s.begin, dy + r * C + s.begin,
                              s.n);
    }
}

/* ---- layer norm --------------------------------------------------------------------- */

void wkv_cpu_layernorm(wkv_exec *x, real *y, real *stat, const real *in, const wkv_weight *w,
                       const wkv_weight *b, int rows, real eps)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)w->cols;
    int parts = wkv_cpu_parts(x, (size_t)rows, 2 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        x->dev->kern->layernorm(y + s.begin * C, stat != NULL ? stat + 2 * s.begin : NULL,
                                in + s.begin * C, wkv_vec(w), wkv_vec(b), (int)s.n, (int)C, eps);
    }
}

enum { NORM_W, NORM_B, NORM_SUMS };

/* A block of rows; s NULL: the norm is frozen. */
static void layernorm_bwd_block(const wkv_kern *kern, const wkv_sums *s, size_t block, real *din,
                                const real *dy, const real *in, const real *stat,
                                const wkv_weight *w, int rows)
{
    const size_t C = (size_t)w->cols, row = block * WKV_SUM_ROWS, at = row * C;
    const int n = wkv_sums_rows(block, rows);
    if (s != NULL)
        kern->layernorm_bwd_param(wkv_sums_begin(s, NORM_W, block),
                                  wkv_sums_begin(s, NORM_B, block), dy + at, in + at,
                                  stat + 2 * row, n, (int)C, (int)C);
    kern->layernorm_bwd(din + at, dy + at, in + at, stat + 2 * row, wkv_vec(w), n, (int)C);
}

void wkv_cpu_layernorm_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const real *stat,
                           const wkv_weight *w, const wkv_weight *b, int rows)
{
    const size_t mark = wkv_arena_mark(x->scratch), C = (size_t)w->cols;
    const bool live = w->grad != NULL || b->grad != NULL;
    wkv_sums sums = wkv_sums_alloc(x, NORM_SUMS, rows, C);
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, sums.blocks, 4 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(sums.blocks, parts, i, 1);
            for (size_t j = s.begin; j < s.begin + s.n; j++)
                layernorm_bwd_block(x->dev->kern, live ? &sums : NULL, j, din, dy, in, stat, w,
                                    rows);
        }
        if (live) {
            wkv_sums_finish(x, &sums, NORM_W, w);
            wkv_sums_finish(x, &sums, NORM_B, b);
        }
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- elementwise ------------------------------------------------------------------------ */

/* Runs CALL once per part, on the s.n elements from o on. */
#define ELEMENTWISE(x, count, steps, CALL) \
    do { \
        if (wkv_exec_measuring(x)) \
            return; \
        int parts = wkv_cpu_parts((x), (count), (count) * (steps)); \
        _Pragma("omp parallel for num_threads(parts) if (parts > 1)") for (int i = 0; i < parts; \
                                                                           i++) \
        { \
            wkv_span s = wkv_span_of((count), parts, i, 64); \
            size_t o = s.begin; \
            CALL; \
        } \
    } while (0)

void wkv_cpu_add(wkv_exec *x, real *y, const real *in, size_t n)
{
    ELEMENTWISE(x, n, 1, x->dev->kern->add(y + o, in + o, s.n));
}

void wkv_cpu_copy(wkv_exec *x, real *y, const real *in, size_t n)
{
    ELEMENTWISE(x, n, 1, memcpy(y + o, in + o, s.n * sizeof *y));
}

void wkv_cpu_zero(wkv_exec *x, real *y, size_t n)
{
    ELEMENTWISE(x, n, 1, memset(y + o, 0, s.n * sizeof *y));
}

void wkv_cpu_act(wkv_exec *x, real *y, const real *in, size_t n, wkv_act_kind kind)
{
    const wkv_kern *k = x->dev->kern;
    void (*f)(real *, const real *, size_t) = kind == WKV_ACT_TANH      ? k->tanh
                                              : kind == WKV_ACT_SIGMOID ? k->sigmoid
                                                                        : k->relu2;
    ELEMENTWISE(x, n, 4, f(y + o, in + o, s.n));
}

void wkv_cpu_act_bwd(wkv_exec *x, real *din, const real *dy, const real *saved, size_t n,
                     wkv_act_kind kind)
{
    const wkv_kern *k = x->dev->kern;
    void (*f)(real *, const real *, const real *, size_t) = kind == WKV_ACT_TANH ? k->tanh_bwd
                                                            : kind == WKV_ACT_SIGMOID
                                                                ? k->sigmoid_bwd
                                                                : k->relu2_bwd;
    ELEMENTWISE(x, n, 1, f(din + o, dy + o, saved + o, s.n));
}

void wkv_cpu_gate(wkv_exec *x, real *y, const real *r, const real *in, size_t n)
{
    ELEMENTWISE(x, n, 4, x->dev->kern->gate(y + o, r + o, in + o, s.n));
}

void wkv_cpu_gate_bwd(wkv_exec *x, real *dr, real *din, const real *dy, const real *r,
                      const real *in, size_t n)
{
    ELEMENTWISE(x, n, 4, x->dev->kern->gate_bwd(dr + o, din + o, dy + o, r + o, in + o, s.n));
}

void wkv_cpu_to_bf16(wkv_exec *x, uint16_t *y, const real *in, size_t n)
{
    ELEMENTWISE(x, n, 1, x->dev->kern->to_bf16(y + o, in + o, s.n));
}

void wkv_cpu_from_bf16(wkv_exec *x, real *y, const uint16_t *in, size_t n)
{
    ELEMENTWISE(x, n, 1, x->dev->kern->from_bf16(y + o, in + o, s.n));
}

void wkv_cpu_adamw(wkv_exec *x, real *p, real *m, real *v, const real *g, size_t n,
                   const wkv_adamw *h)
{
    ELEMENTWISE(x, n, 4, x->dev->kern->adamw(p + o, m + o, v + o, g + o, s.n, h));
}

/* ---- bias ------------------------------------------------------------------------------------ */

void wkv_cpu_bias(wkv_exec *x, real *y, const wkv_weight *b, int rows)
{
    if (wkv_exec_measuring(x) || b->data == NULL)
        return;
    size_t n = (size_t)b->cols;
    for (size_t r = 0; r < (size_t)rows; r++)
        x->dev->kern->add(y + r * n, wkv_vec(b), n);
}

void wkv_cpu_bias_bwd(wkv_exec *x, const real *dy, const wkv_weight *b, int rows)
{
    if (b->grad != NULL)
        wkv_cpu_colsum(x, b->grad, dy, rows, (size_t)b->cols);
}

void wkv_cpu_colsum(wkv_exec *x, real *y, const real *in, int rows, size_t n)
{
    if (wkv_exec_measuring(x))
        return;
    int parts = wkv_cpu_parts(x, n / WKV_COLUMN_GRAIN, (size_t)rows * n);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(n, parts, i, WKV_COLUMN_GRAIN);
        x->dev->kern->colsum(y + s.begin, in + s.begin, rows, (int)n, (int)s.n);
    }
}

/* ---- loss and norm
 * -------------------------------------------------------------------------------- */

void wkv_cpu_softmax_ce(wkv_exec *x, double *loss, real *logits, const int32_t *target, int rows,
                        int V, real scale, real l2wrap)
{
    if (wkv_exec_measuring(x))
        return;
    const wkv_kern *k = x->dev->kern;
    int parts = wkv_cpu_parts(x, (size_t)rows, 8 * (size_t)rows * (size_t)V);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        for (size_t r = s.begin; r < s.begin + s.n; r++) {
            real *row = logits + r * (size_t)V;
            if (target[r] < 0) { /* nothing to learn here */
                loss[r] = 0;
                memset(row, 0, scale != 0 ? (size_t)V * sizeof *row : 0);
                continue;
            }
            loss[r] = scale != 0 ? k->softmax_ce(row, V, target[r], scale, l2wrap)
                                 : k->cross_entropy(row, V, target[r]);
        }
    }
}

double wkv_cpu_sumsq(wkv_exec *x, const real *v, size_t n)
{
    /* Blocks of fixed size, their sums added in order: the same whatever the team. */
    enum { BLOCK = 1 << 15 };
    size_t blocks = (n + BLOCK - 1) / BLOCK;
    size_t mark = wkv_arena_mark(x->scratch);
    double *sum = wkv_arena_alloc(x->scratch, blocks * sizeof *sum);
    double total = 0.0;
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, blocks, n);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(blocks, parts, i, 1);
            for (size_t j = s.begin; j < s.begin + s.n; j++) {
                size_t begin = j * BLOCK;
                sum[j] = x->dev->kern->sumsq(v + begin, n - begin < BLOCK ? n - begin : BLOCK);
            }
        }
        for (size_t j = 0; j < blocks; j++)
            total += sum[j];
    }
    wkv_arena_reset(x->scratch, mark);
    return total;
}
