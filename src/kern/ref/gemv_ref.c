/* kern/ref/gemv_ref.c - matrix times vector, for rows of one weight type or another. */
#include <tgmath.h>

#include "base/half.h"
#include "kern/kern.h"

static real same_real(real w)
{
    return w;
}

#define GEMV(name, type, widen) \
    void wkv_gemv##name##_ref(real *y, const type *W, const real *x, int rows, int n) \
    { \
        for (int o = 0; o < rows; o++, W += n) { \
            double sum = 0; \
            for (int i = 0; i < n; i++) \
                sum += (double)widen(W[i]) * (double)x[i]; \
            y[o] = (real)sum; \
        } \
    }

GEMV(, real, same_real)
GEMV(_f16, uint16_t, wkv_f16_to_f32)
GEMV(_bf16, uint16_t, wkv_bf16_to_f32)

#define GEMV_ROWS(name, type) \
    void wkv_gemv_rows##name##_ref(real *y, int ldy, const type *W, const real *x, int x_rows, \
                                   int rows, int n) \
    { \
        for (size_t r = 0; r < (size_t)x_rows; r++) \
            wkv_gemv##name##_ref(y + r * (size_t)ldy, W, x + r * (size_t)n, rows, n); \
    }

GEMV_ROWS(, real)
GEMV_ROWS(_f16, uint16_t)
GEMV_ROWS(_bf16, uint16_t)

#define GEMV_ROWS_T(name, type, widen) \
    void wkv_gemv_rows_t##name##_ref(real *y, int ldy, const type *M, const real *x, int x_rows, \
                                     int rows, int stride, int n) \
    { \
        for (int r = 0; r < x_rows; r++, y += ldy, x += rows) \
            for (int c = 0; c < n; c++) { \
                double sum = 0; \
                for (int i = 0; i < rows; i++) { \
                    const size_t at = (size_t)i * (size_t)stride + (size_t)c; \
                    sum += (double)x[i] * (double)widen(M[at]); \
                } \
                y[c] = (real)sum; \
            } \
    }

GEMV_ROWS_T(, real, same_real)
GEMV_ROWS_T(_f16, uint16_t, wkv_f16_to_f32)
GEMV_ROWS_T(_bf16, uint16_t, wkv_bf16_to_f32)

void wkv_gemv_t_ref(real *y, const real *M, const real *x, int rows, int stride, int n)
{
    wkv_gemv_rows_t_ref(y, 0, M, x, 1, rows, stride, n);
}

#define GEMV_AT(name, type, widen) \
    void wkv_gemv_at##name##_ref(real *y, const type *W, const real *x, const uint32_t *at, \
                                 int n_at, int n_out, bool add) \
    { \
        for (int c = 0; c < n_out; c++) { \
            real sum = 0; \
            for (int j = 0; j < n_at; j++) { \
                const real w = (real)widen(W[(size_t)at[j] * WKV_COLUMNS + (size_t)c]); \
                sum = fma(w, x[at[j]], sum); \
            } \
            sum += 0; /* never -0 */ \
            y[c] = add ? y[c] + sum : sum; \
        } \
    }

GEMV_AT(, real, same_real)
GEMV_AT(_f16, uint16_t, wkv_f16_to_f32)
GEMV_AT(_bf16, uint16_t, wkv_bf16_to_f32)
