/* dev/cpu/rowwise.c - operations on whole arrays and on rows: embedding, norms,
 * activations, biases, the loss.  Split by rows or elements; gradients of parameters,
 * which sum over rows, are split by columns instead, each summed in row order. */
#include <string.h>

#include "dev/cpu/cpu.h"

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

/* The parameters' gradients, by columns.  A frozen one is summed into scratch. */
static void layernorm_bwd_param(wkv_exec *x, const real *dy, const real *in, const real *stat,
                                const wkv_weight *w, const wkv_weight *b, int rows)
{
    size_t C = (size_t)w->cols;
    size_t mark = wkv_arena_mark(x->scratch);
    real *unused = wkv_arena_reals(x->scratch, C);
    if (!wkv_exec_measuring(x) && (w->grad != NULL || b->grad != NULL)) {
        memset(unused, 0, C * sizeof *unused);
        real *dw = w->grad != NULL ? w->grad : unused;
        real *db = b->grad != NULL ? b->grad : unused;
        int parts = wkv_cpu_parts(x, C / WKV_COLUMN_GRAIN, 2 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(C, parts, i, WKV_COLUMN_GRAIN);
            x->dev->kern->layernorm_bwd_param(dw + s.begin, db + s.begin, dy + s.begin,
                                              in + s.begin, stat, rows, (int)C, (int)s.n);
        }
    }
    wkv_arena_reset(x->scratch, mark);
}

void wkv_cpu_layernorm_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const real *stat,
                           const wkv_weight *w, const wkv_weight *b, int rows)
{
    layernorm_bwd_param(x, dy, in, stat, w, b, rows);
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)w->cols;
    int parts = wkv_cpu_parts(x, (size_t)rows, 2 * (size_t)rows * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        x->dev->kern->layernorm_bwd(din + s.begin * C, dy + s.begin * C, in + s.begin * C,
                                    stat + 2 * s.begin, wkv_vec(w), (int)s.n, (int)C);
    }
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
