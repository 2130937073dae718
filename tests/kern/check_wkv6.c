/* tests/kern/check_wkv6.c - the recurrence of RWKV-5 and 6: short, and 4,096 steps long,
 * where an error that grows would show; with a decay for every step, down to nearly 0, and
 * with one for all steps.  Inputs may hold outliers or a NaN. */
#include "checkkern.h"

static wkv_wkv6_in draw(check *c)
{
    int N = head_size(c), T = draw_steps(c), stride = draw_stride(c, N);
    int w_stride = pick(c, 0, 1) == 0 ? 0 : N + pick(c, 0, 2);
    size_t all = (size_t)T * (size_t)stride, cols = (size_t)N;
    size_t decays = w_stride == 0 ? cols : (size_t)T * (size_t)w_stride;
    return (wkv_wkv6_in){.r = input(c, all),
                         .w = between(c, decays, 1e-6, 0.999),
                         .k = input_of(c, all, NORMAL),
                         .v = input(c, all),
                         .u = input_of(c, cols, NORMAL),
                         .T = T,
                         .N = N,
                         .stride = stride,
                         .w_stride = w_stride};
}

void check_wkv6(check *c)
{
    if (c->kind == EXTREME)
        return;
    wkv_wkv6_in in = draw(c);
    size_t NN = (size_t)(in.N * in.N), all = (size_t)in.T * (size_t)in.stride;
    size_t kept = NN * count_chunks(in.T);
    const real *start = input_of(c, NN, NORMAL);
    real *S[3], *y[3], *keep[2];
    for (int i = 0; i < 3; i++) {
        S[i] = inout(c, start, NN);
        y[i] = inout(c, in.v, all);
    }
    for (int i = 0; i < 2; i++)
        keep[i] = output(c, kept);
    wkv_wkv6_ref(y[0], S[0], keep[0], &in);
    c->k->wkv6(y[1], S[1], keep[1], &in);
    c->k->wkv6(y[2], S[2], NULL, &in);
    within_scale("y", y[1], y[0], all, 1e-5);
    within_scale("S", S[1], S[0], NN, 1e-5);
    within_scale("keep", keep[1], keep[0], kept, 1e-5);
    same("y without keep", y[2], y[1], all);
    same("S without keep", S[2], S[1], NN);
}

void check_wkv6_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    wkv_wkv6_in in = draw(c);
    size_t N = (size_t)in.N, all = (size_t)in.T * (size_t)in.stride;
    const real *start = input_of(c, N * N, NORMAL), *end = input_of(c, N * N, NORMAL);
    const real *dy = input_of(c, all, NORMAL), *zero = input_of(c, all, ZERO);
    real *S = inout(c, start, N * N), *y = output(c, all);
    real *keep = output(c, N * N * count_chunks(in.T));
    wkv_wkv6_ref(y, S, keep, &in);
    real *d[2][4], *du[2], *dS[2];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 4; j++)
            d[i][j] = inout(c, zero, all);
        du[i] = output(c, N);
        dS[i] = inout(c, end, N * N);
        wkv_wkv6_grad grad = {d[i][0], d[i][1], d[i][2], d[i][3], du[i]};
        real *scratch = output(c, WKV_WKV6_SCRATCH(in.N));
        (i == 0 ? wkv_wkv6_bwd_ref : c->k->wkv6_bwd)(&grad, dS[i], dy, keep, &in, scratch);
    }
    static const char *const names[] = {"dr", "dw", "dk", "dv"};
    for (int j = 0; j < 4; j++)
        within_scale(names[j], d[1][j], d[0][j], all, 2e-5);
    within_scale("du", du[1], du[0], N, 2e-5);
    within_scale("dS", dS[1], dS[0], N * N, 2e-5);
}
