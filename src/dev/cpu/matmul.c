/* dev/cpu/matmul.c - products of activations with weight matrices.
 *
 * Few rows (a step of a chat): matrix-vector kernels, which read each weight once in
 * the type it is stored in.  Many rows (a prompt, a training batch): dense products
 * over tiles of the output, a stored type other than real being widened tile by tile.
 * Backward works on reals only: trained weights are reals. */
#include <assert.h>
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/gemm.h"

enum {
    FEW_ROWS = 4,     /* up to here the matrix-vector kernels win */
    WIDEN_ROWS = 64,  /* weight rows that are widened to reals at a time */
    VECTOR_GRAIN = 16 /* outputs of a matrix-vector product start at multiples of this */
};

static size_t row_bytes(const wkv_weight *W)
{
    const wkv_dtype_info *t = wkv_dtype_of(W->dtype);
    return (size_t)W->cols / (size_t)t->block * (size_t)t->bytes;
}

/* ---- few rows -------------------------------------------------------------------- */

/* n outputs of one row, from weight row `begin` on; wide holds one widened weight row. */
static void vector_part(const wkv_exec *x, real *y, const real *in, const wkv_weight *W,
                        size_t begin, size_t n, real *wide)
{
    const wkv_kern *k = x->dev->kern;
    if (W->in_out) {
        k->gemv_t(y + begin, (const real *)W->data + begin, in, W->rows, W->cols, (int)n);
        return;
    }
    const unsigned char *rows = (const unsigned char *)W->data + begin * row_bytes(W);
    switch (W->dtype) {
    case WKV_DTYPE_REAL:
        k->gemv(y + begin, (const real *)(const void *)rows, in, (int)n, W->cols);
        break;
    case WKV_DTYPE_F16:
        k->gemv_f16(y + begin, (const uint16_t *)(const void *)rows, in, (int)n, W->cols);
        break;
    case WKV_DTYPE_BF16:
        k->gemv_bf16(y + begin, (const uint16_t *)(const void *)rows, in, (int)n, W->cols);
        break;
    default:
        for (size_t o = 0; o < n; o++) {
            wkv_dtype_to_real(wide, rows + o * row_bytes(W), W->dtype, (size_t)W->cols);
            k->gemv(y + begin + o, wide, in, 1, W->cols);
        }
    }
}

static void few_rows(wkv_exec *x, real *y, const real *in, const wkv_weight *W, int rows,
                     bool accumulate)
{
    size_t n_in = (size_t)(W->in_out ? W->rows : W->cols);
    size_t n_out = (size_t)(W->in_out ? W->cols : W->rows);
    size_t mark = wkv_arena_mark(x->scratch);
    size_t threads = (size_t)x->dev->threads;
    real *wide = wkv_arena_reals(x->scratch, threads * (size_t)W->cols);
    real *sum = accumulate ? wkv_arena_reals(x->scratch, (size_t)rows * n_out) : y;
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, n_out / VECTOR_GRAIN, n_in * n_out / 4);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(n_out, parts, i, VECTOR_GRAIN);
            for (size_t r = 0; r < (size_t)rows && s.n > 0; r++)
                vector_part(x, sum + r * n_out, in + r * n_in, W, s.begin, s.n,
                            wide + (size_t)i * (size_t)W->cols);
        }
        if (accumulate)
            x->dev->kern->add(y, sum, (size_t)rows * n_out);
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- many rows ---------------------------------------------------------------------- */

/* y = in W^T for a W that is stored in another type: each tile of weight rows is widened
 * by the thread that multiplies it. */
static void widened(wkv_exec *x, const wkv_gemm_args *g, const wkv_weight *W)
{
    size_t cols = (size_t)W->cols;
    size_t mark = wkv_arena_mark(x->scratch);
    size_t threads = (size_t)x->dev->threads;
    real *wide = wkv_arena_reals(x->scratch, threads * WIDEN_ROWS * cols);
    if (!wkv_exec_measuring(x)) {
        size_t tiles = ((size_t)W->rows + WIDEN_ROWS - 1) / WIDEN_ROWS;
        int parts = wkv_cpu_parts(x, tiles, (size_t)g->m * (size_t)W->rows * cols / 16);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            real *mine = wide + (size_t)i * WIDEN_ROWS * cols;
            wkv_span s = wkv_span_of((size_t)W->rows, parts, i, WIDEN_ROWS);
            for (size_t o = s.begin; o < s.begin + s.n; o += WIDEN_ROWS) {
                size_t n = (size_t)W->rows - o < WIDEN_ROWS ? (size_t)W->rows - o : WIDEN_ROWS;
                wkv_dtype_to_real(mine, (const unsigned char *)W->data + o * row_bytes(W), W->dtype,
                                  n * cols);
                wkv_gemm_args t = *g;
                t.C += o;
                t.B = mine;
                t.n = (int)n;
                wkv_gemm(x->dev->kern, &t);
            }
        }
    }
    wkv_arena_reset(x->scratch, mark);
}

void wkv_cpu_matmul(wkv_exec *x, real *y, const real *in, const wkv_weight *W, int rows,
                    bool accumulate)
{
    if (rows <= FEW_ROWS) {
        few_rows(x, y, in, W, rows, accumulate);
        return;
    }
    wkv_gemm_args g = {
        .C = y,
        .A = in,
        .B = W->data,
        .m = rows,
        .n = W->in_out ? W->cols : W->rows,
        .k = W->in_out ? W->rows : W->cols,
        .ldb = W->cols,
        .trans_b = !W->in_out,
        .accumulate = accumulate,
    };
    g.lda = g.k;
    g.ldc = g.n;
    if (W->dtype != WKV_DTYPE_REAL)
        widened(x, &g, W);
    else if (!wkv_exec_measuring(x))
        wkv_gemm_parallel(x, &g);
}

void wkv_cpu_matmul_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_weight *W,
                        int rows, bool accumulate)
{
    if (wkv_exec_measuring(x))
        return;
    assert(W->dtype == WKV_DTYPE_REAL);
    int n_in = W->in_out ? W->rows : W->cols;
    int n_out = W->in_out ? W->cols : W->rows;
    if (din != NULL) {
        wkv_gemm_args g = {
            .C = din,
            .A = dy,
            .B = W->data,
            .m = rows,
            .n = n_in,
            .k = n_out,
            .lda = n_out,
            .ldb = W->cols,
            .ldc = n_in,
            .trans_b = W->in_out,
            .accumulate = accumulate,
        };
        wkv_gemm_parallel(x, &g);
    }
    if (W->grad != NULL) {
        /* (out, in) += dy^T in; or (in, out) += in^T dy */
        wkv_gemm_args g = {
            .C = W->grad,
            .A = W->in_out ? in : dy,
            .B = W->in_out ? dy : in,
            .m = W->rows,
            .n = W->cols,
            .k = rows,
            .lda = W->rows,
            .ldb = W->cols,
            .ldc = W->cols,
            .trans_a = true,
            .accumulate = true,
        };
        wkv_gemm_parallel(x, &g);
    }
}

/* ---- groups ---------------------------------------------------------------------------- */

/* The part of W that group j multiplies with: `rank` of its rows. */
static wkv_weight group_of(const wkv_weight *W, int groups, int j)
{
    wkv_weight part = *W;
    part.rows = W->rows / groups;
    size_t at = (size_t)j * (size_t)part.rows * (size_t)W->cols;
    part.data = (const real *)W->data + at;
    part.grad = W->grad != NULL ? W->grad + at : NULL;
    return part;
}

void wkv_cpu_matmul_grouped(wkv_exec *x, real *const *y, const real *in, const wkv_weight *W,
                            int groups, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    for (int j = 0; j < groups; j++) {
        wkv_weight part = group_of(W, groups, j);
        const real *mine = in + (size_t)j * (size_t)part.rows;
        if (rows <= FEW_ROWS) {
            for (int r = 0; r < rows; r++)
                x->dev->kern->gemv_t(y[j] + (size_t)r * (size_t)part.cols, part.data,
                                     mine + (size_t)r * (size_t)W->rows, part.rows, part.cols,
                                     part.cols);
            continue;
        }
        wkv_gemm_args g = {.C = y[j],
                           .A = mine,
                           .B = part.data,
                           .m = rows,
                           .n = part.cols,
                           .k = part.rows,
                           .lda = W->rows,
                           .ldb = part.cols,
                           .ldc = part.cols};
        wkv_gemm_parallel(x, &g);
    }
}

void wkv_cpu_matmul_grouped_bwd(wkv_exec *x, real *din, const real *const *dy, const real *in,
                                const wkv_weight *W, int groups, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    for (int j = 0; j < groups; j++) {
        wkv_weight part = group_of(W, groups, j);
        size_t at = (size_t)j * (size_t)part.rows;
        wkv_gemm_args g = {.C = din + at,
                           .A = dy[j],
                           .B = part.data,
                           .m = rows,
                           .n = part.rows,
                           .k = part.cols,
                           .lda = part.cols,
                           .ldb = part.cols,
                           .ldc = W->rows,
                           .trans_b = true};
        wkv_gemm_parallel(x, &g);
        if (part.grad == NULL)
            continue;
        wkv_gemm_args w = {.C = part.grad,
                           .A = in + at,
                           .B = dy[j],
                           .m = part.rows,
                           .n = part.cols,
                           .k = rows,
                           .lda = W->rows,
                           .ldb = part.cols,
                           .ldc = part.cols,
                           .trans_a = true,
                           .accumulate = true};
        wkv_gemm_parallel(x, &w);
    }
}
