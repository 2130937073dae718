/* kern/ref/norm_ref.c - layer norm with its gradients, and column sums.
 *
 * With m the mean and s = 1/sqrt(var + eps) of a row, h = (x - m) s, y = h w + b:
 *   dx += s (g - mean(g) - h mean(g h)),  g = dy w;   dw += dy h;   db += dy. */
#include <tgmath.h>

#include "kern/kern.h"
#include "kern/ref/spread.h"

void wkv_layernorm_ref(real *y, real *stat, const real *x, const real *w, const real *b, int rows,
                       int n, real eps)
{
    for (int t = 0; t < rows; t++, x += n, y += n) {
        const spread s = spread_of(x, n, eps, stat != NULL ? stat + 2 * (size_t)t : NULL);
        for (int i = 0; i < n; i++)
            y[i] = (real)(((double)x[i] - s.mean) * s.rstd) * w[i] + b[i];
    }
}

void wkv_layernorm_bwd_ref(real *dx, const real *dy, const real *x, const real *stat, const real *w,
                           int rows, int n)
{
    for (int t = 0; t < rows; t++, x += n, dy += n, dx += n, stat += 2) {
        real mean = stat[0], rstd = stat[1];
        double sum_g = 0, sum_gh = 0;
        for (int i = 0; i < n; i++) {
            double g = (double)dy[i] * (double)w[i];
            sum_g += g;
            sum_gh += g * (double)((x[i] - mean) * rstd);
        }
        real mean_g = (real)(sum_g / n), mean_gh = (real)(sum_gh / n);
        for (int i = 0; i < n; i++) {
            real h = (x[i] - mean) * rstd;
            dx[i] += rstd * (dy[i] * w[i] - mean_g - h * mean_gh);
        }
    }
}

void wkv_layernorm_bwd_param_ref(real *dw, real *db, const real *dy, const real *x,
                                 const real *stat, int rows, int stride, int n)
{
    for (int i = 0; i < n; i++) {
        double sum_w = 0, sum_b = 0;
        for (int t = 0; t < rows; t++) {
            size_t at = (size_t)t * (size_t)stride + (size_t)i;
            real h = (x[at] - stat[2 * (size_t)t]) * stat[2 * (size_t)t + 1];
            sum_w += (double)dy[at] * (double)h;
            sum_b += (double)dy[at];
        }
        dw[i] += (real)sum_w;
        db[i] += (real)sum_b;
    }
}

void wkv_colsum_ref(real *y, const real *x, int rows, int stride, int n)
{
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int t = 0; t < rows; t++)
            sum += (double)x[(size_t)t * (size_t)stride + (size_t)i];
        y[i] += (real)sum;
    }
}
