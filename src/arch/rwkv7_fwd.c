/* arch/rwkv7_fwd.c - RWKV-7 forward, for one token, a prompt or a training batch alike.
 * The mathematics is docs/math/rwkv7.md; names are those of its parameters. */
#include "arch/rwkv7.h"

/* x_j = x + (x' - x) mu_j for j in r, w, k, v, a, g */
static void mix_inputs(wkv_pass *p, const rwkv7_layer *w, rwkv7_saved *s, const real *x, int l)
{
    const wkv_weight *mu[MIXES] = {&w->x_r, &w->x_w, &w->x_k, &w->x_v, &w->x_a, &w->x_g};
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_ATT_SHIFT);
    s->att_prev = wkv_shift(p, x, &slot);
    wkv_shift_mixes(p, s->x, s->att_prev, x, mu, MIXES, WKV_SHIFT_PREVIOUS);
}

/* r, k, v, and the low-rank decay, in-context rate, value residual and gate. */
static void project(wkv_pass *p, const rwkv7_layer *w, rwkv7_saved *s, bool first)
{
    wkv_low low_w = rwkv7_low_w(w), low_a = rwkv7_low_a(w);
    wkv_low low_v = rwkv7_low_v(w), low_g = rwkv7_low_g(w);
    wkv_product in[] = {
        wkv_kept(p, &s->w_low, s->x[MIX_W], low_w.A),
        wkv_kept(p, &s->a_low, s->x[MIX_A], low_a.A),
        wkv_kept(p, &s->g_low, s->x[MIX_G], low_g.A),
        wkv_kept(p, &s->r, s->x[MIX_R], &w->receptance),
        wkv_kept(p, &s->k_in, s->x[MIX_K], &w->key),
        first ? (wkv_product){s->v_in = p->first, s->x[MIX_V], &w->value, false}
              : wkv_kept(p, &s->v_in, s->x[MIX_V], &w->value),
        first ? (wkv_product){0} : wkv_kept(p, &s->v_low, s->x[MIX_V], low_v.A),
    };
    wkv_products(p, in, first ? 6 : 7);
    wkv_low_act(p, &low_w, s->w_low);
    wkv_low_act(p, &low_g, s->g_low);
    wkv_product out[] = {
        wkv_kept(p, &s->w_raw, s->w_low, low_w.B),
        wkv_kept(p, &s->a_raw, s->a_low, low_a.B),
        wkv_kept(p, &s->g, s->g_low, low_g.B),
        first ? (wkv_product){0} : wkv_kept(p, &s->v_raw, s->v_low, low_v.B),
    };
    wkv_products(p, out, first ? 3 : 4);
    if (first)
        s->v_raw = NULL;
}

/* w, k, v, a = -kappa, b = kappa a: what the recurrence takes. */
static void prepare(wkv_pass *p, const rwkv7_layer *w, rwkv7_saved *s, bool first)
{
    s->w = wkv_pass_cheap_exact(p, wkv_pass_size(p, WKV_DIM_A));
    s->k = wkv_cheap(p, WKV_DIM_A);
    s->v = wkv_cheap(p, WKV_DIM_A);
    s->a = wkv_cheap(p, WKV_DIM_A);
    s->b = wkv_cheap(p, WKV_DIM_A);
    wkv_rwkv7_prep prep = rwkv7_prep_of(s, first ? NULL : p->first);
    wkv_rwkv7_prep_weights pw = rwkv7_prep_weights(w);
    p->exec.dev->rwkv7_prep(&p->exec, &prep, &pw, wkv_pass_rows(p), p->cfg->dim[WKV_DIM_A],
                            p->cfg->dim[WKV_DIM_N]);
}

/* S_t = S_{t-1} (diag(w) + a b^T) + v k^T, y = S_t r; then the norm, the bonus, the gate. */
static void recur(wkv_pass *p, const rwkv7_layer *w, rwkv7_saved *s, int l)
{
    int A = p->cfg->dim[WKV_DIM_A], N = p->cfg->dim[WKV_DIM_N];
    wkv_wkv7_in in = rwkv7_recurrence(p, s);
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_MEMORY);
    bool training = p->tape != NULL;
    s->y = wkv_keep(p, WKV_DIM_A);
    s->z = wkv_cheap(p, WKV_DIM_A);
    s->keep = training ? wkv_pass_keep(p, wkv_wkv7_keep_size(&p->seqs, A / N, N)) : NULL;
    s->stat = training ? wkv_pass_keep_exact(p, 2 * wkv_pass_size(p, WKV_DIM_H)) : NULL;
    p->exec.dev->wkv7(&p->exec, s->y, s->keep, &in, &p->seqs, &slot);
    wkv_rwkv7_out out = rwkv7_out_of(p, s);
    wkv_rwkv7_out_weights ow = rwkv7_out_weights(w);
    p->exec.dev->rwkv7_out(&p->exec, &out, &ow, wkv_pass_rows(p), A, N);
}

static real *time_mix(wkv_pass *p, rwkv7_saved *s, int l, real *x)
{
    const rwkv7_layer *w = wkv_layer_at(p, l);
    const real *normed = wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b);
    mix_inputs(p, w, s, normed, l);
    project(p, w, s, l == 0);
    prepare(p, w, s, l == 0);
    recur(p, w, s, l);
    real *out = wkv_residual(p, x);
    p->exec.dev->matmul(&p->exec, out, s->z, &w->output, wkv_pass_rows(p), true);
    return out;
}

static real *channel_mix(wkv_pass *p, rwkv7_saved *s, int l, real *x)
{
    const rwkv7_layer *w = wkv_layer_at(p, l);
    const real *normed = wkv_norm(p, &s->ln2, x, &w->ln2_w, &w->ln2_b);
    const wkv_weight *mu[] = {&w->ffn_x_k};
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_FFN_SHIFT);
    s->ffn_prev = wkv_shift(p, normed, &slot);
    wkv_shift_mixes(p, &s->ffn_x, s->ffn_prev, normed, mu, 1, WKV_SHIFT_PREVIOUS);
    real *out = wkv_residual(p, x);
    wkv_relu2_mlp(p, &s->mlp, out, s->ffn_x, &w->ffn_key, &w->ffn_value, true);
    return out;
}

real *wkv_rwkv7_forward(wkv_pass *p, int l, real *x)
{
    rwkv7_saved here;
    rwkv7_saved *s = p->tape != NULL ? wkv_saved_at(p, l) : &here;
    x = time_mix(p, s, l, x);
    return channel_mix(p, s, l, x);
}
