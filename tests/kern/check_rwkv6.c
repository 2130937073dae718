/* tests/kern/check_rwkv6.c - the row-wise parts of RWKV-5 and 6: the decay, the norm with
 * and without its gate, every head on its own scale, and the token shift by weights of the
 * token's own, with the last row followed by another or not.  Where terms cancel, the
 * scale is that of the terms. */
#include <math.h>

#include "checkkern.h"

enum { MIXES = 3 };

/* ---- the decay ---------------------------------------------------------------------------- */

void check_decay(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n;
    size_t all = (size_t)rows * c->n;
    const real *raw = input(c, all), *base = input_of(c, c->n, NORMAL);
    real *want = output(c, all), *got = output(c, all);
    wkv_decay_ref(want, raw, base, rows, n);
    c->k->decay(got, raw, base, rows, n);
    /* x e^-x < 0.4 is what an error of x = e^(base + raw) does to w. */
    within_bound("w", got, want, all, 8 * EPS);
}

void check_decay_bwd(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n;
    size_t all = (size_t)rows * c->n;
    const real *raw = input(c, all), *base = input_of(c, c->n, NORMAL);
    const real *dw = input_of(c, all, NORMAL);
    real *w = output(c, all), *want = output(c, all), *got = output(c, all);
    wkv_decay_ref(w, raw, base, rows, n);
    wkv_decay_bwd_ref(want, dw, w, raw, base, rows, n);
    c->k->decay_bwd(got, dw, w, raw, base, rows, n);
    within_ulps("draw", got, want, all, 8, 1e-37);
}

/* ---- group norm and gate ------------------------------------------------------------------ */

static wkv_gn_gate gn_inputs(check *c, shape s)
{
    const real *g = input(c, s.all);
    return (wkv_gn_gate){.y = input(c, s.all),
                         .g = pick(c, 0, 1) == 0 ? NULL : g,
                         .ln_w = input_of(c, s.cols, NORMAL),
                         .ln_b = input_of(c, s.cols, NORMAL),
                         .z = output(c, s.all),
                         .stat = output(c, 2 * s.all / (size_t)s.N),
                         .eps = (real)64e-5};
}

void check_gn_gate(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    size_t heads = s.all / (size_t)s.N;
    wkv_gn_gate o[2] = {gn_inputs(c, s)};
    o[1] = o[0];
    o[1].z = output(c, s.all);
    o[1].stat = output(c, 2 * heads);
    wkv_gn_gate_ref(&o[0], s.rows, s.C, s.N);
    c->k->gn_gate(&o[1], s.rows, s.C, s.N);
    within_heads("z", o[1].z, o[0].z, s, 1e-5);
    for (size_t i = 0; i < heads; i++)
        within_scale("rstd", o[1].stat + 2 * i + 1, o[0].stat + 2 * i + 1, 1, 1e-5);
    real *z = inout(c, o[1].z, s.all);
    o[1].stat = NULL;
    c->k->gn_gate(&o[1], s.rows, s.C, s.N);
    same("z without stat", o[1].z, z, s.all);
}

/* Of one head: where one value is far from the others, so is its gradient, and terms cancel. */
static double dy_bound(const wkv_gn_gate *o, const wkv_gn_gate_grad *g, size_t at, size_t c,
                       size_t N)
{
    double rstd = (double)o->stat[2 * (at / N) + 1];
    double terms = rstd * largest(g->ln_b_row + at, N) * largest(o->ln_w + c, N);
    return 1e-4 * largest(g->dy + at, N) + 16 * EPS * terms;
}

void check_gn_gate_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    size_t N = (size_t)s.N;
    wkv_gn_gate o = gn_inputs(c, s);
    wkv_gn_gate_ref(&o, s.rows, s.C, s.N);
    wkv_gn_gate_grad g[2];
    const real *dz = input_of(c, s.all, NORMAL);
    for (int i = 0; i < 2; i++) {
        real *dg = output(c, s.all);
        g[i] = (wkv_gn_gate_grad){.dz = dz,
                                  .dy = output(c, s.all),
                                  .dg = o.g == NULL ? NULL : dg,
                                  .ln_w_row = output(c, s.all),
                                  .ln_b_row = output(c, s.all)};
        (i == 0 ? wkv_gn_gate_bwd_ref : c->k->gn_gate_bwd)(&g[i], &o, s.rows, s.C, s.N);
    }
    /* The norm of fewer than three values has no gradient but rounding errors. */
    for (size_t at = 0; at < s.all && N > 2; at += N)
        within_bound("dy", g[1].dy + at, g[0].dy + at, N, dy_bound(&o, &g[0], at, at % s.cols, N));
    within_heads("ln_w_row", g[1].ln_w_row, g[0].ln_w_row, s, 1e-5);
    within_heads("ln_b_row", g[1].ln_b_row, g[0].ln_b_row, s, 1e-5);
    for (size_t at = 0; at < s.all && o.g != NULL; at += N) {
        size_t p = at % s.cols;
        double normed = largest(o.ln_b + p, N) + sqrt((double)N) * largest(o.ln_w + p, N);
        within_bound("dg", g[1].dg + at, g[0].dg + at, N, 1e-5 * normed * largest(dz + at, N));
    }
}

/* ---- token shift by weights of the token's own ---------------------------------------------- */

void check_shift_lerp(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n, mixes = pick(c, 1, MIXES);
    size_t cols = c->n, all = (size_t)rows * cols;
    if (c->kind == EXTREME)
        return;
    const real *x = input(c, all), *prev = input(c, cols), *mu[MIXES], *delta[MIXES];
    real *want[MIXES], *got[MIXES];
    for (int j = 0; j < mixes; j++) {
        mu[j] = input_of(c, cols, NORMAL);
        delta[j] = input_of(c, all, NORMAL);
        want[j] = output(c, all);
        got[j] = output(c, all);
    }
    wkv_shift_lerp_ref(want, x, prev, mu, delta, mixes, rows, n);
    c->k->shift_lerp(got, x, prev, mu, delta, mixes, rows, n);
    for (int j = 0; j < mixes; j++)
        within_scale("y", got[j], want[j], all, 8 * EPS);
}

void check_shift_lerp_bwd(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n, mixes = pick(c, 1, MIXES);
    size_t cols = c->n, all = (size_t)rows * cols;
    if (c->kind == EXTREME)
        return;
    const real *x = input_of(c, all, NORMAL), *prev = input_of(c, cols, NORMAL);
    const real *next = input(c, cols), *mu[MIXES], *delta[MIXES], *dy[MIXES];
    real *dx[2] = {output(c, all), output(c, all)}, *ddelta[2][MIXES];
    for (int j = 0; j < mixes; j++) {
        mu[j] = input_of(c, cols, NORMAL);
        delta[j] = input_of(c, all + cols, NORMAL);
        dy[j] = input(c, all + cols);
        ddelta[0][j] = output(c, all);
        ddelta[1][j] = output(c, all);
    }
    for (int m = 0; m < 2; m++) {
        const real *after = m == 0 ? next : NULL;
        wkv_shift_lerp_bwd_ref(dx[0], ddelta[0], dy, x, prev, mu, delta, after, mixes, rows, n);
        c->k->shift_lerp_bwd(dx[1], ddelta[1], dy, x, prev, mu, delta, after, mixes, rows, n);
        within_scale("dx", dx[1], dx[0], all, 32 * EPS);
        for (int j = 0; j < mixes; j++)
            within_ulps("ddelta", ddelta[1][j], ddelta[0][j], all, 2, 1e-37);
    }
}
