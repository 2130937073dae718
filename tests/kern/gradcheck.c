/* tests/kern/gradcheck.c - the pool and the differences of gradcheck.h. */
#include "gradcheck.h"

#include <math.h>

#include "base/rng.h"

enum { POOL = 1 << 16 };

static real pool[POOL];
static size_t used;
static wkv_rng rng;

int fresh_pool(void **state)
{
    used = 0;
    wkv_rng_seed(&rng, 7);
    return 0;
}

real *zeros(size_t n)
{
    real *p = pool + used;
    used += n;
    assert_true(used <= POOL);
    memset(p, 0, n * sizeof *p);
    return p;
}

real *normals(size_t n, double scale)
{
    real *p = zeros(n);
    for (size_t i = 0; i < n; i++)
        p[i] = scale * wkv_rng_normal(&rng);
    return p;
}

real *copy_of(const real *x, size_t n)
{
    real *p = zeros(n);
    memcpy(p, x, n * sizeof *p);
    return p;
}

double uniform(void)
{
    return wkv_rng_uniform(&rng);
}

double dot(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double difference(double (*loss)(const void *), const void *ctx, real *x)
{
    const double h = 1e-3, at = *x;
    double f[4], step[4] = {-2, -1, 1, 2};
    for (int i = 0; i < 4; i++) {
        *x = at + step[i] * h;
        f[i] = loss(ctx);
    }
    *x = at;
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
}

void check_grad(double (*loss)(const void *), const void *ctx, const var *vars, int n_vars)
{
    for (int j = 0; j < n_vars; j++) {
        const var *v = &vars[j];
        double largest = 0;
        for (size_t i = 0; i < v->n; i++)
            largest = fmax(largest, fabs(v->grad[i]));
        assert_true(largest > 1e-6); /* a gradient of zeros would check nothing */
        for (size_t i = 0; i < v->n; i++) {
            double d = difference(loss, ctx, &v->x[i]);
            if (!(fabs(d - v->grad[i]) <= 1e-8 * largest))
                fail_msg("%s[%zu]: gradient %.12g, difference %.12g", v->name, i, v->grad[i], d);
        }
    }
}
