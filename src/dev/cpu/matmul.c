/* dev/cpu/matmul.c - the backward pass of products, on reals only: trained weights are
 * reals; and products of groups.  Forward products are in product.c. */
#include <assert.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/gemm.h"

/* din = dy W, or added to it; `stride` from a row of din to the next. */
static wkv_gemm_args input_gradient(real *din, const real *dy, const wkv_weight *W, int rows,
                                    int stride, bool accumulate)
{
    return (wkv_gemm_args){.C = din,
                           .A = dy,
                           .B = W->data,
                           .m = rows,
                           .n = wkv_weight_inputs(W),
                           .k = wkv_weight_outputs(W),
                           .lda = wkv_weight_outputs(W),
                           .ldb = W->cols,
                           .ldc = stride,
                           .trans_b = W->in_out,
                           .accumulate = accumulate};
}

/* W.grad (out, in) += dy^T in; or (in, out) += in^T dy; `stride` from a row of in to the next. */
static wkv_gemm_args weight_gradient(const real *dy, const real *in, const wkv_weight *W, int rows,
                                     int stride)
{
    return (wkv_gemm_args){.C = W->grad,
                           .A = W->in_out ? in : dy,
                           .B = W->in_out ? dy : in,
                           .m = W->rows,
                           .n = W->cols,
                           .k = rows,
                           .lda = W->in_out ? stride : W->rows,
                           .ldb = W->in_out ? W->cols : stride,
                           .ldc = W->cols,
                           .trans_a = true,
                           .accumulate = true};
}

/* Both products at once, where rows of in and of din may be a part of longer ones.  The weight's
 * gradient has the fewest and largest tiles and so comes first: the small ones of the other then
 * fill what a faster thread has left. */
static void strided_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_weight *W,
                        int rows, int stride, bool accumulate)
{
    assert(W->dtype == WKV_DTYPE_REAL);
    wkv_gemm_args g[2];
    int n = 0;
    if (W->grad != NULL)
        g[n++] = weight_gradient(dy, in, W, rows, stride);
    if (din != NULL)
        g[n++] = input_gradient(din, dy, W, rows, stride, accumulate);
    wkv_gemm_parallel(x, g, n);
}

static void plain_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_weight *W,
                      int rows, bool accumulate)
{
    strided_bwd(x, din, dy, in, W, rows, wkv_weight_inputs(W), accumulate);
}

/* With low = scale in A^T: B.grad += dy^T low, dlow = scale dy B, A.grad += dlow^T in, din +=
 * dlow A.  low is computed again: it is narrow. */
static void change_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_lora *l,
                       int rows)
{
    const size_t mark = wkv_arena_mark(x->scratch), n = (size_t)rows * (size_t)l->A.rows;
    real *low = wkv_arena_reals(x->scratch, n), *dlow = wkv_arena_reals(x->scratch, n);
    wkv_cpu_matmul(x, low, in, &l->A, rows, false);
    wkv_cpu_scale(x, low, n, l->scale);
    plain_bwd(x, dlow, dy, low, &l->B, rows, false);
    wkv_cpu_scale(x, dlow, n, l->scale);
    plain_bwd(x, din, dlow, in, &l->A, rows, true);
    wkv_arena_reset(x->scratch, mark);
}

void wkv_cpu_matmul_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_weight *W,
                        int rows, bool accumulate)
{
    plain_bwd(x, din, dy, in, W, rows, accumulate);
    if (W->lora != NULL)
        change_bwd(x, din, dy, in, W->lora, rows);
}

/* ---- groups ---------------------------------------------------------------------------- */

/* The part of W that group j multiplies with: `rank` of its rows. */
static wkv_weight group_of(const wkv_weight *W, int groups, int j)
{
    assert(W->in_out);
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
    for (int j = 0; j < groups; j++) {
        wkv_weight part = group_of(W, groups, j);
        const real *mine = in + (size_t)j * (size_t)part.rows;
        if (rows <= WKV_FEW_ROWS || x->row_by_row) {
            for (int r = 0; r < rows && !wkv_exec_measuring(x); r++)
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
        wkv_gemm_parallel(x, &g, 1);
    }
}

void wkv_cpu_matmul_grouped_bwd(wkv_exec *x, real *din, const real *const *dy, const real *in,
                                const wkv_weight *W, int groups, int rows)
{
    for (int j = 0; j < groups; j++) {
        const wkv_weight part = group_of(W, groups, j);
        const size_t at = (size_t)j * (size_t)part.rows;
        strided_bwd(x, din + at, dy[j], in + at, &part, rows, W->rows, false);
    }
}
