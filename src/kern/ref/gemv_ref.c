/* kern/ref/gemv_ref.c - matrix times vector, for rows of one weight type or another. */
#include "base/half.h"
#include "kern/kern.h"

void wkv_gemv_ref(real *y, const real *W, const real *x, int rows, int n)
{
    for (int o = 0; o < rows; o++, W += n) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += (double)W[i] * (double)x[i];
        y[o] = (real)sum;
    }
}

void wkv_gemv_f16_ref(real *y, const uint16_t *W, const real *x, int rows, int n)
{
    for (int o = 0; o < rows; o++, W += n) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += (double)wkv_f16_to_f32(W[i]) * (double)x[i];
        y[o] = (real)sum;
    }
}

void wkv_gemv_bf16_ref(real *y, const uint16_t *W, const real *x, int rows, int n)
{
    for (int o = 0; o < rows; o++, W += n) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += (double)wkv_bf16_to_f32(W[i]) * (double)x[i];
        y[o] = (real)sum;
    }
}

void wkv_gemv_t_ref(real *y, const real *M, const real *x, int rows, int stride, int n)
{
    for (int c = 0; c < n; c++) {
        double sum = 0;
        for (int i = 0; i < rows; i++)
            sum += (double)x[i] * (double)M[(size_t)i * (size_t)stride + (size_t)c];
        y[c] = (real)sum;
    }
}
