/* kern/simd/rwkv7_tmpl.h - the row-wise parts around RWKV-7's recurrence, a head at a
 * time.  The formulas are in kern.h, the gradients in ref/rwkv7_ref.c.
 *
 * A head is swept twice: once for its sums, once for the results; between the two it
 * stays in L1.  `at` counts within the rows, `c` within the parameters. */
#include "kern/simd/heads.h"

static const float NORM_FLOOR = 1e-12f;
static const float DECAY_SCALE = 0.60653065971263342f; /* e^{-1/2} */

/* A vector where its pointer leads, at the place of the current lanes. */
WKV_INLINE vf sigmoid_of(const real *base, size_t c, const real *raw, size_t at, size_t lanes)
{
    return vf_sigmoid(vf_add(load_some(base + c, lanes), load_some(raw + at, lanes)));
}

/* exp(-e^{-1/2} s) */
WKV_INLINE vf decay_of(vf s)
{
    return vf_exp(vf_mul(vf_set1(-DECAY_SCALE), s));
}

/* |k_in k_k|.  The squares of small keys are no floats any more: they are added up in
 * double. */
static double kappa_norm(const wkv_rwkv7_prep *p, size_t at, size_t c, size_t N)
{
    vd sum = vd_zero();
    for (size_t i = 0; i < N; i += VF_N)
        sum = vd_add_square(
            sum, vf_mul(load_some(p->k_in + at + i, N - i), load_some(p->k_k + c + i, N - i)));
    return sqrt(vd_sum(sum));
}

/* ---- prep --------------------------------------------------------------------------------- */

WKV_INLINE void prep_at(const wkv_rwkv7_prep *p, vf scale, size_t at, size_t c, size_t lanes)
{
    vf k = load_some(p->k_in + at, lanes), v = load_some(p->v_in + at, lanes);
    vf gate = sigmoid_of(p->a0, c, p->a_raw, at, lanes);
    vf kappa = vf_mul(vf_mul(k, load_some(p->k_k + c, lanes)), scale);
    if (p->v_first != NULL) {
        vf mix = sigmoid_of(p->v0, c, p->v_raw, at, lanes);
        v = vf_fma(vf_sub(load_some(p->v_first + at, lanes), v), mix, v);
    }
    vf rate = vf_fma(vf_sub(gate, vf_set1(1)), load_some(p->k_a + c, lanes), vf_set1(1));
    store_some(p->w + at, decay_of(sigmoid_of(p->w0, c, p->w_raw, at, lanes)), lanes);
    store_some(p->k + at, vf_mul(k, rate), lanes);
    store_some(p->v + at, v, lanes);
    store_some(p->a + at, vf_neg(kappa), lanes);
    store_some(p->b + at, vf_mul(kappa, gate), lanes);
}

static void prep_head(const wkv_rwkv7_prep *p, size_t at, size_t c, size_t N)
{
    double norm = kappa_norm(p, at, c, N);
    vf scale = vf_set1((float)(1 / (norm < (double)NORM_FLOOR ? (double)NORM_FLOOR : norm)));
    size_t i = 0;
    for (; i + VF_N <= N; i += VF_N)
        prep_at(p, scale, at + i, c + i, VF_N);
    if (i < N)
        prep_at(p, scale, at + i, c + i, N - i);
}

static void rwkv7_prep(const wkv_rwkv7_prep *p, int rows, int C, int N)
{
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += (size_t)N)
            prep_head(p, t * (size_t)C + c, c, (size_t)N);
}

/* ---- its backward pass ----------------------------------------------------------------------- */

/* The decay and the value residual. */
WKV_INLINE void prep_bwd_wv(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, size_t at,
                            size_t c, size_t lanes)
{
    vf s = sigmoid_of(p->w0, c, p->w_raw, at, lanes);
    vf dw = vf_mul(load_some(g->dw + at, lanes), decay_of(s));
    vf slope = vf_mul(vf_mul(vf_set1(-DECAY_SCALE), s), vf_one_minus(s));
    store_some(g->dw_raw + at, vf_mul(dw, slope), lanes);

    vf dv = load_some(g->dv + at, lanes);
    if (p->v_first == NULL) {
        store_some(g->dv_in + at, dv, lanes);
        return;
    }
    vf m = sigmoid_of(p->v0, c, p->v_raw, at, lanes);
    vf dv_first = vf_mul(dv, m), rest = vf_one_minus(m);
    vf way = vf_sub(load_some(p->v_first + at, lanes), load_some(p->v_in + at, lanes));
    store_some(g->dv_in + at, vf_mul(dv, rest), lanes);
    store_some(g->dv_raw + at, vf_mul(vf_mul(dv_first, rest), way), lanes);
    store_some(g->dv_first + at, vf_add(load_some(g->dv_first + at, lanes), dv_first), lanes);
}

/* kappa before and the gradient of its use: h = k_in k_k scale, dh = db gate - da. */
WKV_INLINE void kappa_at(vf *h, vf *dh, vf *gate, const wkv_rwkv7_prep_grad *g,
                         const wkv_rwkv7_prep *p, vf scale, size_t at, size_t c, size_t lanes)
{
    *gate = sigmoid_of(p->a0, c, p->a_raw, at, lanes);
    *h = vf_mul(vf_mul(load_some(p->k_in + at, lanes), load_some(p->k_k + c, lanes)), scale);
    *dh = vf_sub(vf_mul(load_some(g->db + at, lanes), *gate), load_some(g->da + at, lanes));
}

WKV_INLINE void prep_bwd_kab(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, vf scale,
                             vf dot, size_t at, size_t c, size_t lanes)
{
    vf h, dh, gate;
    kappa_at(&h, &dh, &gate, g, p, scale, at, c, lanes);
    vf k = load_some(p->k_in + at, lanes), dk = load_some(g->dk + at, lanes);
    vf k_a = load_some(p->k_a + c, lanes), dk_k = vf_mul(dk, k);
    vf dq = vf_mul(vf_fnma(h, dot, dh), scale);
    vf dgate = vf_fma(dk_k, k_a, vf_mul(load_some(g->db + at, lanes), h));
    vf shift = vf_sub(gate, vf_set1(1)), rate = vf_fma(shift, k_a, vf_set1(1));
    vf through_k = vf_mul(dk, rate);
    store_some(g->dk_in + at, vf_fma(dq, load_some(p->k_k + c, lanes), through_k), lanes);
    store_some(g->da_raw + at, vf_mul(dgate, vf_mul(gate, vf_one_minus(gate))), lanes);
    store_some(g->k_k_row + at, vf_mul(dq, k), lanes);
    store_some(g->k_a_row + at, vf_mul(dk_k, shift), lanes);
}

static void prep_bwd_head(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, size_t at,
                          size_t c, size_t N)
{
    double norm = kappa_norm(p, at, c, N);
    bool constant = norm < (double)NORM_FLOOR;
    vf scale = vf_set1((float)(1 / (constant ? (double)NORM_FLOOR : norm)));
    vf sum = vf_zero();
    for (size_t i = 0; i < N && !constant; i += VF_N) {
        vf h, dh, gate;
        kappa_at(&h, &dh, &gate, g, p, scale, at + i, c + i, N - i);
        sum = vf_fma(h, dh, sum);
    }
    vf dot = vf_set1(vf_sum(sum));
    for (size_t i = 0; i < N; i += VF_N) {
        prep_bwd_wv(g, p, at + i, c + i, N - i);
        prep_bwd_kab(g, p, scale, dot, at + i, c + i, N - i);
    }
}

static void rwkv7_prep_bwd(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, int rows, int C,
                           int N)
{
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += (size_t)N)
            prep_bwd_head(g, p, t * (size_t)C + c, c, (size_t)N);
}

/* ---- out
 * ----------------------------------------------------------------------------------------- */

/* sum of r k r_k */
static float bonus_of(const wkv_rwkv7_out *o, size_t at, size_t c, size_t N)
{
    vf sum = vf_zero();
    for (size_t i = 0; i < N; i += VF_N) {
        vf rk = vf_mul(load_some(o->r + at + i, N - i), load_some(o->k + at + i, N - i));
        sum = vf_fma(rk, load_some(o->r_k + c + i, N - i), sum);
    }
    return vf_sum(sum);
}

WKV_INLINE void out_at(const wkv_rwkv7_out *o, moments q, vf bonus, size_t at, size_t c,
                       size_t lanes)
{
    vf h = normed(q, o->y + at, lanes);
    vf x = vf_fma(h, load_some(o->ln_w + c, lanes), load_some(o->ln_b + c, lanes));
    x = vf_fma(load_some(o->v + at, lanes), bonus, x);
    store_some(o->z + at, vf_mul(x, load_some(o->g + at, lanes)), lanes);
}

static void out_head(const wkv_rwkv7_out *o, real *stat, size_t at, size_t c, size_t N)
{
    moments q = moments_of(o->y + at, N, o->eps, stat);
    vf bonus = vf_set1(bonus_of(o, at, c, N));
    for (size_t i = 0; i < N; i += VF_N)
        out_at(o, q, bonus, at + i, c + i, N - i);
}

static void rwkv7_out(const wkv_rwkv7_out *o, int rows, int C, int N)
{
    real *stat = o->stat;
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += (size_t)N) {
            out_head(o, stat, t * (size_t)C + c, c, (size_t)N);
            if (stat != NULL)
                stat += 2;
        }
}

/* What a head's sums give to each of its elements. */
typedef struct head_sums {
    moments norm;
    vf bonus, dbonus;     /* the bonus and its own gradient */
    vf mean_dh, mean_dhh; /* of dh and of dh h */
} head_sums;

static head_sums out_bwd_sums(const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o, const real *stat,
                              size_t at, size_t c, size_t N)
{
    head_sums q = {.norm = {vf_set1(stat[0]), vf_set1(stat[1])}};
    vf sum = vf_zero(), sum_h = vf_zero(), sum_v = vf_zero(), inverse = vf_set1(1 / (float)N);
    for (size_t i = 0; i < N; i += VF_N) {
        size_t lanes = N - i;
        vf d = vf_mul(load_some(g->dz + at + i, lanes), load_some(o->g + at + i, lanes));
        vf dh = vf_mul(d, load_some(o->ln_w + c + i, lanes));
        vf h = normed(q.norm, o->y + at + i, lanes);
        sum = vf_add(sum, dh);
        sum_h = vf_fma(dh, h, sum_h);
        sum_v = vf_fma(d, load_some(o->v + at + i, lanes), sum_v);
    }
    q.mean_dh = vf_mul(vf_set1(vf_sum(sum)), inverse);
    q.mean_dhh = vf_mul(vf_set1(vf_sum(sum_h)), inverse);
    q.dbonus = vf_set1(vf_sum(sum_v));
    q.bonus = vf_set1(bonus_of(o, at, c, N));
    return q;
}

WKV_INLINE void out_bwd_at(const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o, const head_sums *q,
                           size_t at, size_t c, size_t lanes)
{
    vf r = load_some(o->r + at, lanes), k = load_some(o->k + at, lanes);
    vf v = load_some(o->v + at, lanes), r_k = load_some(o->r_k + c, lanes);
    vf ln_w = load_some(o->ln_w + c, lanes), dz = load_some(g->dz + at, lanes);
    vf h = normed(q->norm, o->y + at, lanes);
    vf d = vf_mul(dz, load_some(o->g + at, lanes));
    vf inner = vf_fma(v, q->bonus, vf_fma(h, ln_w, load_some(o->ln_b + c, lanes)));
    vf dy = normed_back(q->norm, vf_mul(d, ln_w), h, q->mean_dh, q->mean_dhh);
    vf dr = vf_mul(q->dbonus, r);
    store_some(g->dg + at, vf_mul(dz, inner), lanes);
    store_some(g->dy + at, dy, lanes);
    store_some(g->dr + at, vf_mul(vf_mul(q->dbonus, k), r_k), lanes);
    store_some(g->dk + at, vf_mul(dr, r_k), lanes);
    store_some(g->dv + at, vf_mul(q->bonus, d), lanes);
    store_some(g->ln_w_row + at, vf_mul(d, h), lanes);
    store_some(g->ln_b_row + at, d, lanes);
    store_some(g->r_k_row + at, vf_mul(dr, k), lanes);
}

static void rwkv7_out_bwd(const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o, int rows, int C,
                          int N)
{
    const real *stat = o->stat;
    size_t n = (size_t)N;
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t c = 0; c < (size_t)C; c += n, stat += 2) {
            size_t at = t * (size_t)C + c;
            head_sums q = out_bwd_sums(g, o, stat, at, c, n);
            for (size_t i = 0; i < n; i += VF_N)
                out_bwd_at(g, o, &q, at + i, c + i, n - i);
        }
}

static void set_rwkv7(wkv_kern *k)
{
    k->rwkv7_prep = rwkv7_prep;
    k->rwkv7_prep_bwd = rwkv7_prep_bwd;
    k->rwkv7_out = rwkv7_out;
    k->rwkv7_out_bwd = rwkv7_out_bwd;
}
