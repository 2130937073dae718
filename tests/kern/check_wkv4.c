/* tests/kern/check_wkv4.c - RWKV-4's recurrence: short and 4,096 steps long, from the
 * fresh state (p = -1e30) and from a used one. */
#include <math.h>

#include "checkkern.h"

typedef struct inputs {
    const real *decay, *u, *k, *v, *state;
    int T, stride, n;
} inputs;

/* A state as a forward pass leaves it: b > 0, or fresh. */
static const real *a_state(check *c, size_t n, bool fresh)
{
    real *s = input_of(c, 3 * n, NORMAL);
    for (size_t i = 0; i < n; i++) {
        s[n + i] = fresh ? 0 : (real)(1 + fabs((double)s[n + i]));
        if (fresh) {
            s[i] = 0;
            s[2 * n + i] = (real)-1e30;
        }
    }
    return s;
}

static inputs draw(check *c, int T)
{
    size_t n = c->n;
    inputs in = {.T = T, .n = (int)n, .stride = (int)n + pick(c, 0, 2)};
    size_t all = (size_t)T * (size_t)in.stride;
    in.decay = between(c, n, -6, 1);
    in.u = input_of(c, n, NORMAL);
    in.k = c->kind == OUTLIER ? between(c, all, -60, 60) : input(c, all);
    in.v = input(c, all);
    in.state = a_state(c, n, pick(c, 0, 1));
    return in;
}

/* Long runs only at one size. */
static int steps(check *c)
{
    return c->kind == NORMAL && c->n == 17 ? 4096 : pick(c, 1, 40);
}

void check_wkv4(check *c)
{
    if (c->kind == EXTREME)
        return;
    inputs in = draw(c, steps(c));
    size_t n = c->n, all = (size_t)in.T * (size_t)in.stride;
    real *want = inout(c, in.v, all), *got = inout(c, in.v, all);
    real *want_state = inout(c, in.state, 3 * n), *state = inout(c, in.state, 3 * n);
    wkv_wkv4_ref(want, want_state, n, in.decay, in.u, in.k, in.v, in.T, in.stride, in.n);
    c->k->wkv4(got, state, n, in.decay, in.u, in.k, in.v, in.T, in.stride, in.n);
    within_scale("y", got, want, all, 2e-5);
    within_scale("a, b", state, want_state, 2 * n, 2e-5);
    within_scale("p", state + 2 * n, want_state + 2 * n, n, 2e-5);
}

void check_wkv4_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    inputs in = draw(c, steps(c));
    size_t n = c->n, all = (size_t)in.T * (size_t)in.stride;
    const real *dy = input_of(c, all, NORMAL), *end = input_of(c, 3 * n, NORMAL);
    const real *zero = input_of(c, all, ZERO), *start = input_of(c, n, NORMAL);
    real *dk[2], *dv[2], *ddecay[2], *du[2], *dstate[2];
    real *scratch = output(c, 3 * (size_t)in.T * n);
    for (int i = 0; i < 2; i++) {
        dk[i] = inout(c, zero, all);
        dv[i] = inout(c, zero, all);
        ddecay[i] = inout(c, start, n);
        du[i] = inout(c, start, n);
        dstate[i] = inout(c, end, 3 * n);
        (i == 0 ? wkv_wkv4_bwd_ref : c->k->wkv4_bwd)(dk[i], dv[i], ddecay[i], du[i], dstate[i], dy,
                                                     in.state, n, in.decay, in.u, in.k, in.v, in.T,
                                                     in.stride, in.n, scratch);
    }
    within_scale("dk", dk[1], dk[0], all, 1e-4);
    within_scale("dv", dv[1], dv[0], all, 1e-4);
    within_scale("ddecay", ddecay[1], ddecay[0], n, 1e-4);
    within_scale("du", du[1], du[0], n, 1e-4);
    within_scale("dstate", dstate[1], dstate[0], 3 * n, 1e-4);
}
