/* tests/kern/check_norm.c - layer norm and column sums.  Rows are compared on the scale
 * of the row, sums against the bound of their terms.  Each row and each column must come
 * out the same when computed alone. */
#include <math.h>

#include "checkkern.h"

static const real LN_EPS = (real)1e-5;

/* Infinities make every value of a row NaN or overflow in another place. */
static bool unsuited(const check *c)
{
    return c->kind == EXTREME;
}

void check_layernorm(check *c)
{
    if (unsuited(c))
        return;
    int rows = pick(c, 1, 4), n = (int)c->n;
    size_t cols = c->n, all = (size_t)rows * cols;
    const real *x = input(c, all), *w = input_of(c, cols, NORMAL), *b = input_of(c, cols, NORMAL);
    real *want = output(c, all), *got = output(c, all), *alone = output(c, cols);
    real *stat = output(c, 2 * (size_t)rows), *want_stat = output(c, 2 * (size_t)rows);
    wkv_layernorm_ref(want, want_stat, x, w, b, rows, n, LN_EPS);
    c->k->layernorm(got, stat, x, w, b, rows, n, LN_EPS);
    for (size_t t = 0; t < (size_t)rows; t++) {
        within_scale("y", got + t * cols, want + t * cols, cols, 1e-5);
        within_scale("rstd", stat + 2 * t + 1, want_stat + 2 * t + 1, 1, 1e-5);
        c->k->layernorm(alone, NULL, x + t * cols, w, b, 1, n, LN_EPS);
        same("a row alone", got + t * cols, alone, cols);
    }
}

void check_layernorm_bwd(check *c)
{
    if (unsuited(c))
        return;
    int rows = pick(c, 1, 4), n = (int)c->n;
    size_t cols = c->n, all = (size_t)rows * cols;
    const real *x = input(c, all), *w = input_of(c, cols, NORMAL), *dy = input_of(c, all, NORMAL);
    const real *start = input_of(c, all, NORMAL);
    real *stat = output(c, 2 * (size_t)rows), *y = output(c, all);
    real *want = inout(c, start, all), *got = inout(c, start, all);
    wkv_layernorm_ref(y, stat, x, w, w, rows, n, LN_EPS);
    wkv_layernorm_bwd_ref(want, dy, x, stat, w, rows, n);
    c->k->layernorm_bwd(got, dy, x, stat, w, rows, n);
    for (size_t t = 0; t < (size_t)rows; t++) {
        double scale = 1e-5 * fmax(1, isnan(stat[2 * t + 1]) ? 1 : (double)stat[2 * t + 1]);
        within_scale("dx", got + t * cols, want + t * cols, cols, scale);
    }
}

void check_layernorm_bwd_param(check *c)
{
    if (unsuited(c))
        return;
    int rows = pick(c, 1, 150), n = (int)c->n, stride = n + pick(c, 0, 3);
    size_t cols = c->n, all = (size_t)rows * (size_t)stride;
    const real *x = input_of(c, all, NORMAL), *dy = input(c, all);
    const real *start = input_of(c, cols, NORMAL);
    real *stat = between(c, 2 * (size_t)rows, 0.2, 1.5);
    real *dw = inout(c, start, cols), *db = inout(c, start, cols);
    real *want_dw = inout(c, start, cols), *want_db = inout(c, start, cols);
    wkv_layernorm_bwd_param_ref(want_dw, want_db, dy, x, stat, rows, stride, n);
    c->k->layernorm_bwd_param(dw, db, dy, x, stat, rows, stride, n);
    within_scale("dw", dw, want_dw, cols, 1e-5);
    within_scale("db", db, want_db, cols, 1e-5);
    real *alone_w = inout(c, start + cols - 1, 1), *alone_b = inout(c, start + cols - 1, 1);
    c->k->layernorm_bwd_param(alone_w, alone_b, dy + cols - 1, x + cols - 1, stat, rows, stride, 1);
    same("dw of a column alone", alone_w, dw + cols - 1, 1);
    same("db of a column alone", alone_b, db + cols - 1, 1);
}

void check_colsum(check *c)
{
    if (unsuited(c))
        return;
    int rows = pick(c, 1, 150), n = (int)c->n, stride = n + pick(c, 0, 3);
    size_t cols = c->n, all = (size_t)rows * (size_t)stride;
    const real *x = input(c, all), *start = input(c, cols);
    real *want = inout(c, start, cols), *got = inout(c, start, cols);
    real *magnitude = absolute(c, start, cols), *alone = inout(c, start + cols - 1, 1);
    wkv_colsum_ref(want, x, rows, stride, n);
    wkv_colsum_ref(magnitude, absolute(c, x, all), rows, stride, n);
    c->k->colsum(got, x, rows, stride, n);
    within_sum("y", got, want, magnitude, cols, 32);
    c->k->colsum(alone, x + cols - 1, rows, stride, 1);
    same("a column alone", alone, got + cols - 1, 1);
}
