/* tests/kern/check_adamw.c - the optimiser's step and the sum of squares. */
#include <math.h>

#include "checkkern.h"

void check_adamw(check *c)
{
    if (c->kind == EXTREME)
        return;
    size_t n = c->n;
    wkv_adamw h = {(real)1e-3, (real)0.9,  (real)0.99, (real)1e-18,
                   (real)0.1,  (real)0.19, (real)0.02, (real)0.7};
    const real *g = input(c, n), *p0 = input_of(c, n, NORMAL), *m0 = input_of(c, n, NORMAL);
    const real *v0 = c->kind == ZERO ? input(c, n) : between(c, n, 0.01, 2);
    real *p[2], *m[2], *v[2];
    for (int i = 0; i < 2; i++) {
        p[i] = inout(c, p0, n);
        m[i] = inout(c, c->kind == ZERO ? v0 : m0, n);
        v[i] = inout(c, v0, n);
        (i == 0 ? wkv_adamw_ref : c->k->adamw)(p[i], m[i], v[i], g, n, &h);
    }
    within_ulps("v", v[1], v[0], n, 3, 0);
    within_scale("m", m[1], m[0], n, 4 * EPS);
    within_scale("p", p[1], p[0], n, 4 * EPS);
}

void check_sumsq(check *c)
{
    const real *x = c->kind == EXTREME ? input_of(c, c->n, OUTLIER) : input(c, c->n);
    double want = wkv_sumsq_ref(x, c->n);
    close_to("sum", c->k->sumsq(x, c->n), want, 1e-14 * want);
}
