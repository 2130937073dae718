/* kern/simd/wkv4_tmpl.h - RWKV-4's recurrence, VF_N channels at a time.
 *
 * The mathematics and the meaning of ex are in ref/wkv4_ref.c.  Of the two exponentials
 * of a step one is always e^0, so one exp() and two selections do. */

typedef struct sums4 {
    vf a, b, p;
} sums4;

/* What a step multiplies the old sums and the new term with. */
typedef struct factors {
    vf old, add, max;
} factors;

WKV_INLINE factors factors_of(vf old_exponent, vf new_exponent)
{
    vf one = vf_set1(1), d = vf_sub(old_exponent, new_exponent);
    vf e = vf_exp(vf_neg(vf_abs(d)));
    vf zero = vf_zero();
    return (factors){vf_select_ge(d, zero, one, e), vf_select_ge(d, zero, e, one),
                     vf_select_ge(d, zero, old_exponent, new_exponent)};
}

WKV_INLINE sums4 advance(sums4 s, vf w, vf k, vf v)
{
    factors f = factors_of(vf_add(s.p, w), k);
    return (sums4){vf_fma(f.old, s.a, vf_mul(f.add, v)), vf_fma(f.old, s.b, f.add), f.max};
}

WKV_INLINE sums4 load_sums(const real *p, size_t ss, size_t lanes)
{
    return (sums4){load_some(p, lanes), load_some(p + ss, lanes), load_some(p + 2 * ss, lanes)};
}

WKV_INLINE void store_sums(real *p, size_t ss, sums4 s, size_t lanes)
{
    store_some(p, s.a, lanes);
    store_some(p + ss, s.b, lanes);
    store_some(p + 2 * ss, s.p, lanes);
}

WKV_INLINE void wkv4_block(real *y, real *state, size_t ss, const real *decay, const real *u,
                           const real *k, const real *v, int T, size_t stride, size_t lanes)
{
    sums4 s = load_sums(state, ss, lanes);
    vf w = vf_neg(vf_exp(load_some(decay, lanes))), bonus = load_some(u, lanes);
    for (int t = 0; t < T; t++, y += stride, k += stride, v += stride) {
        vf key = load_some(k, lanes), value = load_some(v, lanes);
        factors f = factors_of(s.p, vf_add(bonus, key));
        vf num = vf_fma(f.old, s.a, vf_mul(f.add, value)), den = vf_fma(f.old, s.b, f.add);
        store_some(y, vf_div(num, den), lanes);
        s = advance(s, w, key, value);
    }
    store_sums(state, ss, s, lanes);
}

static void wkv4(real *y, real *state, size_t ss, const real *decay, const real *u, const real *k,
                 const real *v, int T, int stride, int n)
{
    size_t i = 0, cols = (size_t)n, step = (size_t)stride;
    for (; i + VF_N <= cols; i += VF_N)
        wkv4_block(y + i, state + i, ss, decay + i, u + i, k + i, v + i, T, step, VF_N);
    if (i < cols)
        wkv4_block(y + i, state + i, ss, decay + i, u + i, k + i, v + i, T, step, cols - i);
}

typedef struct carried {
    vf da, db, ex, dw, du;
} carried;

/* One step back, s the state before it: adds to c, gives dk and dv. */
WKV_INLINE void step_back(carried *c, vf *dk, vf *dv, sums4 s, vf w, vf u, vf k, vf v, vf dy)
{
    vf old_exponent = vf_add(s.p, w), zero = vf_zero();
    factors g = factors_of(old_exponent, k);
    vf ex_old = vf_select_ge(old_exponent, k, c->ex, zero);
    vf ex_new = vf_select_ge(old_exponent, k, zero, c->ex);
    vf grad_k = vf_fma(g.add, vf_fma(v, c->da, c->db), ex_new);
    vf grad_v = vf_mul(g.add, c->da);
    vf decayed = vf_fma(s.a, c->da, vf_mul(s.b, c->db));
    c->dw = vf_add(c->dw, vf_fma(g.old, decayed, ex_old));
    c->ex = ex_old;

    factors f = factors_of(s.p, vf_add(u, k));
    vf den = vf_fma(f.old, s.b, f.add);
    vf y = vf_div(vf_fma(f.old, s.a, vf_mul(f.add, v)), den), q = vf_div(dy, den);
    vf q_add = vf_mul(q, f.add), q_old = vf_mul(q, f.old);
    vf grad_u = vf_mul(q_add, vf_sub(v, y));
    c->da = vf_fma(g.old, c->da, q_old);
    c->db = vf_fnma(q_old, y, vf_mul(g.old, c->db));
    c->du = vf_add(c->du, grad_u);
    *dk = vf_add(grad_k, grad_u);
    *dv = vf_add(grad_v, q_add);
}

/* What wkv4_bwd is given, moved on to one block of channels. */
typedef struct wkv4_args {
    real *dk, *dv, *ddecay, *du, *dstate;
    const real *dy, *state, *decay, *u, *k, *v;
    size_t ss, stride;
    int T;
    real *scratch;
} wkv4_args;

WKV_INLINE void wkv4_bwd_block(const wkv4_args *p, size_t lanes)
{
    vf w = vf_neg(vf_exp(load_some(p->decay, lanes))), u = load_some(p->u, lanes);
    sums4 s = load_sums(p->state, p->ss, lanes);
    for (size_t t = 0; t < (size_t)p->T; t++) {
        store_sums(p->scratch + 3 * t * lanes, lanes, s, lanes);
        size_t at = t * p->stride;
        s = advance(s, w, load_some(p->k + at, lanes), load_some(p->v + at, lanes));
    }
    sums4 d = load_sums(p->dstate, p->ss, lanes);
    carried c = {d.a, d.b, vf_fnma(s.b, d.b, vf_fnma(s.a, d.a, d.p)), vf_zero(), vf_zero()};
    for (size_t t = (size_t)p->T; t-- > 0;) {
        size_t at = t * p->stride;
        vf dk, dv;
        s = load_sums(p->scratch + 3 * t * lanes, lanes, lanes);
        step_back(&c, &dk, &dv, s, w, u, load_some(p->k + at, lanes), load_some(p->v + at, lanes),
                  load_some(p->dy + at, lanes));
        store_some(p->dk + at, dk, lanes);
        store_some(p->dv + at, dv, lanes);
    }
    s = load_sums(p->state, p->ss, lanes);
    vf dp = vf_fma(s.a, c.da, vf_fma(s.b, c.db, c.ex));
    store_sums(p->dstate, p->ss, (sums4){c.da, c.db, dp}, lanes);
    store_some(p->ddecay, vf_fma(c.dw, w, load_some(p->ddecay, lanes)), lanes);
    store_some(p->du, vf_add(c.du, load_some(p->du, lanes)), lanes);
}

static void wkv4_bwd(real *dk, real *dv, real *ddecay, real *du, real *dstate, const real *dy,
                     const real *state, size_t ss, const real *decay, const real *u, const real *k,
                     const real *v, int T, int stride, int n, real *scratch)
{
    for (size_t i = 0, cols = (size_t)n; i < cols; i += VF_N) {
        wkv4_args p = {dk + i, dv + i,    ddecay + i,     du + i, dstate + i,
                       dy + i, state + i, decay + i,      u + i,  k + i,
                       v + i,  ss,        (size_t)stride, T,      scratch};
        if (cols - i >= VF_N)
            wkv4_bwd_block(&p, VF_N);
        else
            wkv4_bwd_block(&p, cols - i);
    }
}

static void set_wkv4(wkv_kern *k)
{
    k->wkv4 = wkv4;
    k->wkv4_bwd = wkv4_bwd;
}
