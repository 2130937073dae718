/* kern/ref/vec_ref.c - elementwise kernels, as plainly as C allows.
 *
 * These define what every faster version must give.  Outputs may be the same array
 * as inputs, so each element is read before it is written.  NaN goes through: the
 * comparisons are written so that a NaN takes the branch that keeps it. */
#include <tgmath.h>

#include "base/half.h"
#include "kern/kern.h"

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

void wkv_add_ref(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

void wkv_exp_ref(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp(x[i]);
}

void wkv_tanh_ref(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = tanh(x[i]);
}

void wkv_tanh_bwd_ref(real *dx, const real *dy, const real *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * (1 - y[i] * y[i]);
}

void wkv_sigmoid_ref(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = sigmoid(x[i]);
}

void wkv_sigmoid_bwd_ref(real *dx, const real *dy, const real *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * (y[i] * (1 - y[i]));
}

void wkv_relu2_ref(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real m = x[i] < 0 ? 0 : x[i];
        y[i] = m * m;
    }
}

void wkv_relu2_bwd_ref(real *dx, const real *dy, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real m = x[i] < 0 ? 0 : x[i];
        dx[i] = 2 * dy[i] * m;
    }
}

void wkv_gate_ref(real *y, const real *r, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = sigmoid(r[i]) * x[i];
}

void wkv_gate_bwd_ref(real *dr, real *dx, const real *dy, const real *r, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real s = sigmoid(r[i]);
        real g = dy[i];
        dr[i] = g * x[i] * (s * (1 - s));
        dx[i] = g * s;
    }
}

void wkv_to_bf16_ref(uint16_t *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = wkv_f32_to_bf16((float)x[i]);
}

void wkv_from_bf16_ref(real *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = wkv_bf16_to_f32(x[i]);
}

void wkv_from_f16_ref(real *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = wkv_f16_to_f32(x[i]);
}
