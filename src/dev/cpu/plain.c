/* dev/cpu/plain.c - matrix-vector kernels by the weight's type and the way it lies. */
#include "dev/cpu/plain.h"

#include "dev/cpu/cpu.h"

void wkv_plain_widen(const wkv_kern *k, real *wide, const unsigned char *from, wkv_dtype t,
                     size_t n)
{
    if (t == WKV_DTYPE_F16)
        k->from_f16(wide, (const uint16_t *)(const void *)from, n);
    else if (t == WKV_DTYPE_BF16)
        k->from_bf16(wide, (const uint16_t *)(const void *)from, n);
    else
        wkv_dtype_to_real(wide, from, t, n);
}

/* A weight of another type than the kernels know, widened row by row. */
static void multiply_widened(const wkv_kern *k, real *y, const real *in, const wkv_weight *W,
                             const unsigned char *weights, size_t n, int rows, real *wide)
{
    for (size_t o = 0; o < n; o++) {
        wkv_plain_widen(k, wide, weights + o * wkv_weight_row_bytes(W), W->dtype, (size_t)W->cols);
        k->gemv_rows(y + o, W->rows, wide, in, rows, 1, W->cols);
    }
}

/* So many outputs, those of an input at M and from one input to the next `stride`. */
static void multiply_by_inputs(const wkv_kern *k, real *y, const real *in, const wkv_weight *W,
                               const void *M, int stride, int outputs, int rows)
{
    const int ldy = wkv_weight_outputs(W), inputs = wkv_weight_inputs(W);
    if (W->dtype == WKV_DTYPE_F16)
        k->gemv_rows_t_f16(y, ldy, M, in, rows, inputs, stride, outputs);
    else if (W->dtype == WKV_DTYPE_BF16)
        k->gemv_rows_t_bf16(y, ldy, M, in, rows, inputs, stride, outputs);
    else
        k->gemv_rows_t(y, ldy, M, in, rows, inputs, stride, outputs);
}

/* The same of groups by inputs. */
static void multiply_columns(const wkv_kern *k, real *y, const real *in, const wkv_weight *W,
                             size_t begin, size_t n, int rows, unsigned char *room)
{
    for (const size_t end = begin + n; begin < end; begin += WKV_COLUMNS, y += WKV_COLUMNS) {
        size_t here = end - begin < WKV_COLUMNS ? end - begin : WKV_COLUMNS;
        const unsigned char *group = wkv_cpu_packed(k, W, begin, &here, room);
        multiply_by_inputs(k, y, in, W, group, WKV_COLUMNS, (int)here, rows);
    }
}

void wkv_plain_multiply(const wkv_kern *k, real *y, const real *in, const wkv_weight *W,
                        size_t begin, size_t n, int rows, unsigned char *own)
{
    const int outputs = (int)n;
    if (W->layout == WKV_LAYOUT_T) {
        multiply_columns(k, y, in, W, begin, n, rows, own);
        return;
    }
    if (W->in_out) {
        const size_t bytes = (size_t)wkv_dtype_of(W->dtype)->bytes;
        multiply_by_inputs(k, y, in, W, (const unsigned char *)W->data + begin * bytes, W->cols,
                           outputs, rows);
        return;
    }
    const unsigned char *weights = (const unsigned char *)W->data + begin * wkv_weight_row_bytes(W);
    const void *from = weights;
    if (W->dtype == WKV_DTYPE_REAL)
        k->gemv_rows(y, W->rows, from, in, rows, outputs, W->cols);
    else if (W->dtype == WKV_DTYPE_F16)
        k->gemv_rows_f16(y, W->rows, from, in, rows, outputs, W->cols);
    else if (W->dtype == WKV_DTYPE_BF16)
        k->gemv_rows_bf16(y, W->rows, from, in, rows, outputs, W->cols);
    else
        multiply_widened(k, y, in, W, weights, n, rows, (real *)(void *)own);
}
