/* tests/kern/check_rwkv7.c - the row-wise parts of RWKV-7, every head on its own scale;
 * with and without the value residual, and with a key of zeros, whose norm is the floor.
 * Where terms cancel, the scale is that of the terms. */
#include <math.h>

#include "checkkern.h"

static wkv_rwkv7_prep prep_inputs(check *c, shape s)
{
    bool first = pick(c, 0, 1) == 0;
    const real *v_first = input_of(c, s.all, NORMAL), *v_raw = input(c, s.all);
    return (wkv_rwkv7_prep){.k_in = input(c, s.all),
                            .v_in = input_of(c, s.all, NORMAL),
                            .v_first = first ? NULL : v_first,
                            .w_raw = input(c, s.all),
                            .a_raw = input(c, s.all),
                            .v_raw = first ? NULL : v_raw,
                            .w0 = input_of(c, s.cols, NORMAL),
                            .a0 = input_of(c, s.cols, NORMAL),
                            .v0 = input_of(c, s.cols, NORMAL),
                            .k_k = input_of(c, s.cols, NORMAL),
                            .k_a = input_of(c, s.cols, NORMAL)};
}

void check_rwkv7_prep(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    wkv_rwkv7_prep p[2] = {prep_inputs(c, s)};
    p[1] = p[0];
    for (int i = 0; i < 2; i++) {
        p[i].w = output(c, s.all);
        p[i].k = output(c, s.all);
        p[i].v = output(c, s.all);
        p[i].a = output(c, s.all);
        p[i].b = output(c, s.all);
    }
    wkv_rwkv7_prep_ref(&p[0], s.rows, s.C, s.N);
    c->k->rwkv7_prep(&p[1], s.rows, s.C, s.N);
    within_heads("w", p[1].w, p[0].w, s, 1e-6);
    within_heads("v", p[1].v, p[0].v, s, 2e-6);
    within_heads("a", p[1].a, p[0].a, s, 4e-6);
    within_heads("b", p[1].b, p[0].b, s, 4e-6);
    size_t N = (size_t)s.N;
    for (size_t i = 0; i < s.all; i += N) {
        double bound = 16 * EPS * largest(p[0].k_in + i, N) * (1 + largest(p[0].k_a, s.cols));
        within_bound("k", p[1].k + i, p[0].k + i, N, bound);
    }
}

/* One head of what depends on k, a and b. */
static void within_kab(const wkv_rwkv7_prep_grad g[2], const wkv_rwkv7_prep *p, size_t at, size_t c,
                       size_t N)
{
    double norm = 0, k = largest(p->k_in + at, N), k_k = largest(p->k_k + c, N);
    double k_a = largest(p->k_a + c, N), dk = largest(g->dk + at, N), db = largest(g->db + at, N);
    for (size_t i = 0; i < N; i++)
        norm += pow((double)p->k_in[at + i] * (double)p->k_k[c + i], 2);
    double dq = 64 * EPS * (largest(g->da + at, N) + db) / fmax(sqrt(norm), 1e-12);
    double terms = 16 * EPS * dk * (1 + k_a);
    within_bound("dk_in", g[1].dk_in + at, g[0].dk_in + at, N, dq * k_k + terms);
    within_bound("k_k_row", g[1].k_k_row + at, g[0].k_k_row + at, N, dq * k);
    within_bound("k_a_row", g[1].k_a_row + at, g[0].k_a_row + at, N, 16 * EPS * dk * k);
    within_bound("da_raw", g[1].da_raw + at, g[0].da_raw + at, N, terms * k + 16 * EPS * db);
}

void check_rwkv7_prep_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    wkv_rwkv7_prep p = prep_inputs(c, s);
    wkv_rwkv7_prep_grad g[2] = {{.dw = input_of(c, s.all, NORMAL),
                                 .dk = input_of(c, s.all, NORMAL),
                                 .dv = input_of(c, s.all, NORMAL),
                                 .da = input_of(c, s.all, NORMAL),
                                 .db = input_of(c, s.all, NORMAL)}};
    g[1] = g[0];
    const real *start = input_of(c, s.all, NORMAL);
    for (int i = 0; i < 2; i++) {
        g[i].dk_in = output(c, s.all);
        g[i].dv_in = output(c, s.all);
        g[i].dw_raw = output(c, s.all);
        g[i].da_raw = output(c, s.all);
        g[i].dv_raw = p.v_first == NULL ? NULL : output(c, s.all);
        g[i].dv_first = p.v_first == NULL ? NULL : inout(c, start, s.all);
        g[i].k_k_row = output(c, s.all);
        g[i].k_a_row = output(c, s.all);
    }
    wkv_rwkv7_prep_bwd_ref(&g[0], &p, s.rows, s.C, s.N);
    c->k->rwkv7_prep_bwd(&g[1], &p, s.rows, s.C, s.N);
    for (size_t at = 0; at < s.all; at += (size_t)s.N)
        within_kab(g, &p, at, at % s.cols, (size_t)s.N);
    within_heads("dv_in", g[1].dv_in, g[0].dv_in, s, 1e-5);
    within_heads("dw_raw", g[1].dw_raw, g[0].dw_raw, s, 1e-5);
    if (p.v_first != NULL) {
        within_heads("dv_raw", g[1].dv_raw, g[0].dv_raw, s, 1e-5);
        within_heads("dv_first", g[1].dv_first, g[0].dv_first, s, 1e-5);
    }
}

static wkv_rwkv7_out out_inputs(check *c, shape s)
{
    return (wkv_rwkv7_out){.y = input(c, s.all),
                           .r = input(c, s.all),
                           .k = input_of(c, s.all, NORMAL),
                           .v = input_of(c, s.all, NORMAL),
                           .g = input_of(c, s.all, NORMAL),
                           .ln_w = input_of(c, s.cols, NORMAL),
                           .ln_b = input_of(c, s.cols, NORMAL),
                           .r_k = input_of(c, s.cols, NORMAL),
                           .eps = (real)64e-5};
}

void check_rwkv7_out(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    size_t heads = s.all / (size_t)s.N;
    wkv_rwkv7_out o[2] = {out_inputs(c, s)};
    o[1] = o[0];
    for (int i = 0; i < 2; i++) {
        o[i].z = output(c, s.all);
        o[i].stat = output(c, 2 * heads);
    }
    wkv_rwkv7_out_ref(&o[0], s.rows, s.C, s.N);
    c->k->rwkv7_out(&o[1], s.rows, s.C, s.N);
    within_heads("z", o[1].z, o[0].z, s, 1e-5);
    for (size_t i = 0; i < heads; i++)
        within_scale("rstd", o[1].stat + 2 * i + 1, o[0].stat + 2 * i + 1, 1, 1e-5);
    real *z = inout(c, o[1].z, s.all);
    o[1].stat = NULL;
    c->k->rwkv7_out(&o[1], s.rows, s.C, s.N);
    same("z without stat", o[1].z, z, s.all);
}

/* One head of what depends on the bonus and on its gradient. */
static void within_bonus(const wkv_rwkv7_out_grad g[2], const wkv_rwkv7_out *o, size_t at, size_t c,
                         size_t N)
{
    double bonus = 0, dbonus = 0, r = largest(o->r + at, N), k = largest(o->k + at, N);
    double r_k = largest(o->r_k + c, N), dz = largest(g->dz + at, N), gate = largest(o->g + at, N);
    for (size_t i = at; i < at + N; i++) {
        bonus += fabs((double)o->r[i] * (double)o->k[i] * (double)o->r_k[i - at + c]);
        dbonus += fabs((double)g->dz[i] * (double)o->g[i] * (double)o->v[i]);
    }
    bonus *= 16 * EPS;
    dbonus *= 16 * EPS;
    double inner = bonus * largest(o->v + at, N) +
                   1e-5 * (largest(o->ln_b + c, N) + sqrt((double)N) * largest(o->ln_w + c, N));
    within_bound("dr", g[1].dr + at, g[0].dr + at, N, dbonus * k * r_k);
    within_bound("dk", g[1].dk + at, g[0].dk + at, N, dbonus * r * r_k);
    within_bound("r_k_row", g[1].r_k_row + at, g[0].r_k_row + at, N, dbonus * r * k);
    within_bound("dv", g[1].dv + at, g[0].dv + at, N, bonus * dz * gate);
    within_bound("dg", g[1].dg + at, g[0].dg + at, N, inner * dz);
}

void check_rwkv7_out_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    shape s = draw_shape(c);
    wkv_rwkv7_out o = out_inputs(c, s);
    o.z = output(c, s.all);
    o.stat = output(c, 2 * s.all / (size_t)s.N);
    wkv_rwkv7_out_ref(&o, s.rows, s.C, s.N);
    wkv_rwkv7_out_grad g[2];
    const real *dz = input_of(c, s.all, NORMAL);
    for (int i = 0; i < 2; i++) {
        real *d[8];
        for (int j = 0; j < 8; j++)
            d[j] = output(c, s.all);
        g[i] = (wkv_rwkv7_out_grad){dz, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]};
        (i == 0 ? wkv_rwkv7_out_bwd_ref : c->k->rwkv7_out_bwd)(&g[i], &o, s.rows, s.C, s.N);
    }
    if (s.N > 2) /* the norm of fewer values has no gradient but rounding errors */
        within_heads("dy", g[1].dy, g[0].dy, s, 1e-4);
    for (size_t at = 0; at < s.all; at += (size_t)s.N)
        within_bonus(g, &o, at, at % s.cols, (size_t)s.N);
    within_heads("ln_w_row", g[1].ln_w_row, g[0].ln_w_row, s, 1e-5);
    within_heads("ln_b_row", g[1].ln_b_row, g[0].ln_b_row, s, 1e-5);
}
