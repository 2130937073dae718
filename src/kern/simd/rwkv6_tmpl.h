/* kern/simd/rwkv6_tmpl.h - the row-wise parts around the recurrence of RWKV-5 and 6: the
 * decay, the norm of a head with its gate, and the token shift by weights of the token's
 * own.  The formulas are in kern.h and kern.def, the gradients in ref/rwkv6_ref.c. */
#include <float.h>

#include "kern/simd/heads.h"

/* ---- the decay ---------------------------------------------------------------------------- */

/* e^(base + raw), the rate of the decay */
WKV_INLINE vf rate_of(const real *raw, const real *base, size_t lanes)
{
    return vf_exp(vf_add(load_some(base, lanes), load_some(raw, lanes)));
}

static void decay(real *w, const real *raw, const real *base, int rows, int n)
{
    size_t cols = (size_t)n;
    for (size_t t = 0; t < (size_t)rows; t++, w += cols, raw += cols)
        for (size_t i = 0; i < cols; i += VF_N)
            store_some(w + i, vf_exp(vf_neg(rate_of(raw + i, base + i, cols - i))), cols - i);
}

static void decay_bwd(real *draw, const real *dw, const real *w, const real *raw, const real *base,
                      int rows, int n)
{
    size_t cols = (size_t)n;
    for (size_t t = 0; t < (size_t)rows; t++, draw += cols, dw += cols, w += cols, raw += cols)
        for (size_t i = 0; i < cols; i += VF_N) {
            size_t lanes = cols - i;
            vf rate = vf_min(vf_set1(FLT_MAX), rate_of(raw + i, base + i, lanes));
            vf through_w = vf_mul(vf_neg(load_some(dw + i, lanes)), load_some(w + i, lanes));
            store_some(draw + i, vf_mul(through_w, rate), lanes);
        }
}

/* ---- group norm and gate ------------------------------------------------------------------ */

static void gn_gate_head(const wkv_gn_gate *o, real *stat, size_t at, size_t c, size_t N)
{
    moments q = moments_of(o->y + at, N, o->eps, stat);
    for (size_t i = 0; i < N; i += VF_N) {
        size_t lanes = N - i;
        vf z = vf_fma(normed(q, o->y + at + i, lanes), load_some(o->ln_w + c + i, lanes),
                      load_some(o->ln_b + c + i, lanes));
        if (o->g != NULL) {
            vf g = load_some(o->g + at + i, lanes);
            z = vf_mul(vf_mul(z, g), vf_sigmoid(g));
        }
        store_some(o->z + at + i, z, lanes);
    }
}

static void gn_gate(const wkv_gn_gate *o, int rows, int C, int N)
{
    real *stat = o->stat;
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += (size_t)N) {
            gn_gate_head(o, stat, t * (size_t)C + c, c, (size_t)N);
            if (stat != NULL)
                stat += 2;
        }
}

/* The gradient of the normed, weighted value x before its gate; dg, when there is a gate. */
WKV_INLINE vf through_gate(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, vf x, size_t at,
                           size_t lanes)
{
    vf dz = load_some(g->dz + at, lanes);
    if (o->g == NULL)
        return dz;
    vf gate = load_some(o->g + at, lanes), s = vf_sigmoid(gate);
    vf slope = vf_mul(s, vf_fma(gate, vf_one_minus(s), vf_set1(1)));
    store_some(g->dg + at, vf_mul(vf_mul(dz, x), slope), lanes);
    return vf_mul(vf_mul(dz, gate), s);
}

/* Twice over the head: its sums, and what they give to each of its elements. */
static void gn_gate_bwd_head(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, const real *stat,
                             size_t at, size_t c, size_t N)
{
    moments q = {vf_set1(stat[0]), vf_set1(stat[1])};
    vf sum = vf_zero(), sum_h = vf_zero(), inverse = vf_set1(1 / (float)N);
    for (size_t i = 0; i < N; i += VF_N) {
        size_t lanes = N - i;
        vf h = normed(q, o->y + at + i, lanes), ln_w = load_some(o->ln_w + c + i, lanes);
        vf x = vf_fma(h, ln_w, load_some(o->ln_b + c + i, lanes));
        vf d = through_gate(g, o, x, at + i, lanes), dh = vf_mul(d, ln_w);
        store_some(g->ln_w_row + at + i, vf_mul(d, h), lanes);
        store_some(g->ln_b_row + at + i, d, lanes);
        sum = vf_add(sum, dh);
        sum_h = vf_fma(dh, h, sum_h);
    }
    vf mean_dh = vf_mul(vf_set1(vf_sum(sum)), inverse);
    vf mean_dhh = vf_mul(vf_set1(vf_sum(sum_h)), inverse);
    for (size_t i = 0; i < N; i += VF_N) {
        size_t lanes = N - i;
        vf dh = vf_mul(load_some(g->ln_b_row + at + i, lanes), load_some(o->ln_w + c + i, lanes));
        vf h = normed(q, o->y + at + i, lanes);
        store_some(g->dy + at + i, normed_back(q, dh, h, mean_dh, mean_dhh), lanes);
    }
}

static void gn_gate_bwd(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, int rows, int C, int N)
{
    const real *stat = o->stat;
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += (size_t)N, stat += 2)
            gn_gate_bwd_head(g, o, stat, t * (size_t)C + c, c, (size_t)N);
}

/* ---- token shift by weights of the token's own ---------------------------------------------- */

/* One row of one mix; x and the row before it stay in L1 from mix to mix. */
static void lerp_row(real *y, const real *x, const real *before, const real *mu, const real *delta,
                     size_t n)
{
    for (size_t i = 0; i < n; i += VF_N) {
        vf now = load_some(x + i, n - i), step = vf_sub(load_some(before + i, n - i), now);
        vf m = vf_add(load_some(mu + i, n - i), load_some(delta + i, n - i));
        store_some(y + i, vf_fma(step, m, now), n - i);
    }
}

static void shift_lerp(real *const *y, const real *x, const real *prev, const real *const *mu,
                       const real *const *delta, int n_mix, int rows, int n)
{
    size_t cols = (size_t)n;
    for (size_t t = 0; t < (size_t)rows; t++, prev = x, x += cols)
        for (size_t j = 0; j < (size_t)n_mix; j++)
            lerp_row(y[j] + t * cols, x, prev, mu[j], delta[j] + t * cols, cols);
}

/* What mix j adds to dx (one row), and its ddelta; `next`: a row follows. */
static void lerp_back_row(real *dx, real *ddelta, const real *dy, const real *x, const real *before,
                          const real *mu, const real *delta, size_t n, bool next)
{
    for (size_t i = 0; i < n; i += VF_N) {
        size_t lanes = n - i;
        vf g = load_some(dy + i, lanes), m = load_some(mu + i, lanes);
        vf step = vf_sub(load_some(before + i, lanes), load_some(x + i, lanes));
        vf sum = vf_add(load_some(dx + i, lanes), g);
        sum = vf_fnma(g, vf_add(m, load_some(delta + i, lanes)), sum);
        if (next)
            sum = vf_fma(load_some(dy + n + i, lanes), vf_add(m, load_some(delta + n + i, lanes)),
                         sum);
        store_some(ddelta + i, vf_mul(g, step), lanes);
        store_some(dx + i, sum, lanes);
    }
}

static void shift_lerp_bwd(real *dx, real *const *ddelta, const real *const *dy, const real *x,
                           const real *prev, const real *const *mu, const real *const *delta,
                           const real *next, int n_mix, int rows, int n)
{
    size_t cols = (size_t)n;
    for (size_t t = 0; t < (size_t)rows; t++, prev = x, x += cols, dx += cols) {
        bool last = t + 1 == (size_t)rows && next != NULL;
        for (size_t i = 0; i < cols; i++)
            dx[i] = last ? next[i] : 0;
        for (size_t j = 0; j < (size_t)n_mix; j++)
            lerp_back_row(dx, ddelta[j] + t * cols, dy[j] + t * cols, x, prev, mu[j],
                          delta[j] + t * cols, cols, !last);
    }
}

static void set_rwkv6(wkv_kern *k)
{
    k->decay = decay;
    k->decay_bwd = decay_bwd;
    k->gn_gate = gn_gate;
    k->gn_gate_bwd = gn_gate_bwd;
    k->shift_lerp = shift_lerp;
    k->shift_lerp_bwd = shift_lerp_bwd;
}
