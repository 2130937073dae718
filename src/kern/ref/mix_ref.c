/* kern/ref/mix_ref.c - token shift: every row mixed with the row before it.
 *
 * Both modes are y = (1 - m) x + m x' written as one product; only what mu weighs
 * differs, so a mode is just which of the two rows is the base. */
#include "kern/kern.h"

void wkv_shift_mix_ref(real *const *y, const real *x, const real *prev, const real *const *mu,
                       int n_mix, int rows, int n, wkv_shift_mode mode)
{
    for (int t = 0; t < rows; t++) {
        const real *now = x + (size_t)t * (size_t)n;
        const real *before = t == 0 ? prev : now - n;
        const real *base = mode == WKV_SHIFT_PREVIOUS ? now : before;
        const real *other = mode == WKV_SHIFT_PREVIOUS ? before : now;
        for (int j = 0; j < n_mix; j++) {
            real *out = y[j] + (size_t)t * (size_t)n;
            for (int i = 0; i < n; i++)
                out[i] = base[i] + (other[i] - base[i]) * mu[j][i];
        }
    }
}

void wkv_shift_mix_bwd_ref(real *dx, const real *const *dy, const real *const *mu, const real *next,
                           int n_mix, int rows, int n, wkv_shift_mode mode)
{
    for (int t = 0; t < rows; t++) {
        bool last = t == rows - 1 && next != NULL;
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)t * (size_t)n + (size_t)i;
            double sum = last ? (double)next[i] : 0;
            for (int j = 0; j < n_mix; j++) {
                double m = (double)mu[j][i];
                double to_now = mode == WKV_SHIFT_PREVIOUS ? 1 - m : m;
                sum += (double)dy[j][at] * to_now;
                if (!last)
                    sum += (double)dy[j][at + (size_t)n] * (1 - to_now);
            }
            dx[at] = (real)sum;
        }
    }
}

void wkv_shift_mix_bwd_mu_ref(real *const *dmu, const real *const *dy, const real *x,
                              const real *prev, int n_mix, int rows, int stride, int n,
                              wkv_shift_mode mode)
{
    for (int j = 0; j < n_mix; j++)
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int t = 0; t < rows; t++) {
                size_t at = (size_t)t * (size_t)stride + (size_t)i;
                double before = (double)(t == 0 ? prev[i] : x[at - (size_t)stride]);
                double step = before - (double)x[at];
                sum += (double)dy[j][at] * (mode == WKV_SHIFT_PREVIOUS ? step : -step);
            }
            dmu[j][i] += (real)sum;
        }
}
