/* tests/kern/check_gemv.c - matrix times vector, against the error bound of a sum: the
 * reference run on absolute values gives what the terms add up to. */
#include <math.h>

#include "base/half.h"
#include "checkkern.h"

/* Partial sums of a row of n terms are rounded a few times each; 8 + sqrt(n) covers
 * the random walk of one long chain as well. */
static double factor(size_t n)
{
    return 8 + sqrt((double)n);
}

void check_gemv(check *c)
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 11), n = (int)c->n;
    size_t out = (size_t)rows, all = out * c->n;
    const real *W = input(c, all), *x = input_of(c, c->n, NORMAL);
    real *want = output(c, out), *got = output(c, out), *magnitude = output(c, out);
    wkv_gemv_ref(want, W, x, rows, n);
    wkv_gemv_ref(magnitude, absolute(c, W, all), absolute(c, x, c->n), rows, n);
    c->k->gemv(got, W, x, rows, n);
    within_sum("y", got, want, magnitude, out, factor(c->n));
    real *alone = output(c, 1);
    c->k->gemv(alone, W + all - c->n, x, 1, n);
    same("a row alone", alone, got + out - 1, 1);
}

typedef void (*half_gemv)(real *y, const uint16_t *W, const real *x, int rows, int n);

static void check_half(check *c, half_gemv f, half_gemv ref, uint16_t (*from)(float))
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 11), n = (int)c->n;
    size_t out = (size_t)rows, all = out * c->n;
    const real *values = input(c, all), *x = input_of(c, c->n, NORMAL);
    uint16_t *W = halves(c, all), *positive = halves(c, all);
    for (size_t i = 0; i < all; i++) {
        W[i] = from((float)values[i]);
        positive[i] = W[i] & 0x7fff;
    }
    real *want = output(c, out), *got = output(c, out), *magnitude = output(c, out);
    ref(want, W, x, rows, n);
    ref(magnitude, positive, absolute(c, x, c->n), rows, n);
    f(got, W, x, rows, n);
    within_sum("y", got, want, magnitude, out, factor(c->n));
    real *alone = output(c, 1);
    f(alone, W + all - c->n, x, 1, n);
    same("a row alone", alone, got + out - 1, 1);
}

void check_gemv_f16(check *c)
{
    check_half(c, c->k->gemv_f16, wkv_gemv_f16_ref, wkv_f32_to_f16);
}

void check_gemv_bf16(check *c)
{
    check_half(c, c->k->gemv_bf16, wkv_gemv_bf16_ref, wkv_f32_to_bf16);
}

void check_gemv_t(check *c)
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 200), n = (int)c->n, stride = n + pick(c, 0, 3);
    size_t all = (size_t)rows * (size_t)stride;
    const real *M = input(c, all), *x = input_of(c, (size_t)rows, NORMAL);
    real *want = output(c, c->n), *got = output(c, c->n), *magnitude = output(c, c->n);
    wkv_gemv_t_ref(want, M, x, rows, stride, n);
    wkv_gemv_t_ref(magnitude, absolute(c, M, all), absolute(c, x, (size_t)rows), rows, stride, n);
    c->k->gemv_t(got, M, x, rows, stride, n);
    within_sum("y", got, want, magnitude, c->n, factor((size_t)rows));
    real *alone = output(c, 1);
    c->k->gemv_t(alone, M + c->n - 1, x, rows, stride, 1);
    same("a column alone", alone, got + c->n - 1, 1);
}
