/* tests/kern/gradcheck.h - backward kernels against finite differences: only in the double
 * build.
 *
 * The loss is a fixed random weighting of a kernel's outputs, so its gradient with respect
 * to them is those weights.  A five-point difference with step 1e-3 has truncation and
 * rounding errors near 1e-12; gradients must agree to 1e-8 of the largest in the same
 * array.  Arrays come from a pool and live until the end of the test. */
#ifndef WKV_TESTS_GRADCHECK_H
#define WKV_TESTS_GRADCHECK_H

#include "kern/kern.h"
#include "test.h"

/* An array that the loss depends on, and the gradient that the kernel claims. */
typedef struct var {
    const char *name;
    real *x;
    const real *grad;
    size_t n;
} var;

/* The setup of every test: an empty pool, and the same random numbers again. */
int fresh_pool(void **state);
real *zeros(size_t n);
real *normals(size_t n, double scale);
real *copy_of(const real *x, size_t n);
/* One number in [0, 1). */
double uniform(void);

double dot(const real *a, const real *b, size_t n);

/* Fails the test at the first gradient that differs. */
void check_grad(double (*loss)(const void *), const void *ctx, const var *vars, int n_vars);

#endif
