/* tests/kern/check_wkv7.c - RWKV-7's recurrence: short, and 4,096 steps long, where an
 * error that grows would show.  Inputs are as the model makes them: kappa of length 1,
 * decay within (0.545, 1); or one of them holds a NaN. */
#include <math.h>

#include "checkkern.h"

/* Rows of N values of length 1, times `sign`, into (T, stride). */
static real *unit_rows(check *c, int T, int N, int stride)
{
    size_t n = (size_t)N, all = (size_t)T * (size_t)stride;
    real *x = input_of(c, all, NORMAL);
    for (size_t t = 0; t < (size_t)T; t++) {
        real *row = x + t * (size_t)stride;
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)row[i] * (double)row[i];
        for (size_t i = 0; i < n; i++)
            row[i] = (real)((double)row[i] / sqrt(sum));
    }
    return x;
}

static wkv_wkv7_in draw(check *c, int T)
{
    int N = head_size(c), stride = draw_stride(c, N);
    size_t all = (size_t)T * (size_t)stride;
    real *a = unit_rows(c, T, N, stride), *b = inout(c, a, all);
    for (size_t i = 0; i < all; i++) {
        b[i] *= (real)wkv_rng_uniform(&c->rng);
        a[i] = -a[i];
    }
    const real *w = between(c, all, 0.55, 0.999), *k = input_of(c, all, NORMAL);
    return (wkv_wkv7_in){input(c, all), w, k, input(c, all), a, b, T, N, stride};
}

void check_wkv7(check *c)
{
    if (c->kind == EXTREME)
        return;
    wkv_wkv7_in in = draw(c, draw_steps(c));
    size_t NN = (size_t)(in.N * in.N), all = (size_t)in.T * (size_t)in.stride;
    const real *start = input_of(c, NN, NORMAL);
    real *S[3], *y[3], *keep[2];
    for (int i = 0; i < 3; i++) {
        S[i] = inout(c, start, NN);
        y[i] = inout(c, in.v, all);
    }
    for (int i = 0; i < 2; i++)
        keep[i] = output(c, NN * count_chunks(in.T));
    wkv_wkv7_ref(y[0], S[0], keep[0], &in);
    c->k->wkv7(y[1], S[1], keep[1], &in);
    c->k->wkv7(y[2], S[2], NULL, &in);
    within_scale("y", y[1], y[0], all, 2e-5);
    within_scale("S", S[1], S[0], NN, 2e-5);
    within_scale("keep", keep[1], keep[0], NN * count_chunks(in.T), 2e-5);
    same("y without keep", y[2], y[1], all);
    same("S without keep", S[2], S[1], NN);
}

void check_wkv7_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    wkv_wkv7_in in = draw(c, draw_steps(c));
    size_t NN = (size_t)(in.N * in.N), all = (size_t)in.T * (size_t)in.stride;
    const real *start = input_of(c, NN, NORMAL), *end = input_of(c, NN, NORMAL);
    const real *dy = input_of(c, all, NORMAL), *zero = input_of(c, all, ZERO);
    real *S = inout(c, start, NN), *y = output(c, all), *keep = output(c, NN * count_chunks(in.T));
    wkv_wkv7_ref(y, S, keep, &in);
    real *d[2][6], *dS[2];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 6; j++)
            d[i][j] = inout(c, zero, all);
        dS[i] = inout(c, end, NN);
        wkv_wkv7_grad grad = {d[i][0], d[i][1], d[i][2], d[i][3], d[i][4], d[i][5]};
        real *scratch = output(c, WKV_WKV7_SCRATCH(in.N));
        (i == 0 ? wkv_wkv7_bwd_ref : c->k->wkv7_bwd)(&grad, dS[i], dy, keep, &in, scratch);
    }
    static const char *const names[] = {"dr", "dw", "dk", "dv", "da", "db"};
    for (int j = 0; j < 6; j++)
        within_scale(names[j], d[1][j], d[0][j], all, 1e-4);
    within_scale("dS", dS[1], dS[0], NN, 1e-4);
}
