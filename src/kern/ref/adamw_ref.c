/* kern/ref/adamw_ref.c - one AdamW step over a flat array, and the sum of squares that
 * gradient clipping needs. */
#include <tgmath.h>

#include "kern/kern.h"

void wkv_adamw_ref(real *p, real *m, real *v, const real *g, size_t n, const wkv_adamw *h)
{
    for (size_t i = 0; i < n; i++) {
        real grad = g[i] * h->grad_scale;
        m[i] = h->beta1 * m[i] + (1 - h->beta1) * grad;
        v[i] = h->beta2 * v[i] + (1 - h->beta2) * (grad * grad);
        real step = (m[i] / h->correction1) / (sqrt(v[i] / h->correction2) + h->eps);
        p[i] = p[i] - h->lr * (step + h->decay * p[i]);
    }
}

double wkv_sumsq_ref(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}
