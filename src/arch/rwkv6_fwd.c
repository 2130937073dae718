/* arch/rwkv6_fwd.c - RWKV-6 forward, for one token, a prompt or a training batch alike.
 * The mathematics is docs/math/rwkv5.md; names are those of its parameters. */
#include "arch/rwkv6.h"

/* x_j = x + (x' - x)(maa_j + d_j), (d_w, d_k, d_v, d_r, d_g) = tanh(z A) B,
 * z = x + (x' - x) maa_x */
static void mix_inputs(wkv_pass *p, const rwkv6_layer *w, rwkv6_saved *s, const real *x, int l)
{
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    const wkv_weight *maa_x[] = {&w->maa_x};
    const wkv_weight *maa[MIXES] = {&w->maa_w, &w->maa_k, &w->maa_v, &w->maa_r, &w->maa_g};
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_ATT_SHIFT);
    s->prev = wkv_shift(p, x, &slot);
    wkv_shift_mixes(p, &s->z, s->prev, x, maa_x, 1, WKV_SHIFT_PREVIOUS);
    s->mix_low = wkv_keep(p, WKV_DIM_MRM);
    d->matmul(&p->exec, s->mix_low, s->z, &w->maa_w1, rows, false);
    wkv_low mixes = rwkv6_low_mixes(w);
    wkv_low_act(p, &mixes, s->mix_low);
    for (int j = 0; j < MIXES; j++) {
        s->delta[j] = wkv_keep(p, WKV_DIM_C);
        s->x[j] = wkv_cheap(p, WKV_DIM_C);
    }
    d->matmul_grouped(&p->exec, s->delta, s->mix_low, &w->maa_w2, MIXES, rows);
    const real *const delta[MIXES] = {s->delta[0], s->delta[1], s->delta[2], s->delta[3],
                                      s->delta[4]};
    d->shift_lerp(&p->exec, s->x, s->prev, x, maa, delta, MIXES, &p->seqs);
}

/* w = exp(-exp(decay + tanh(x_w decay_w1) decay_w2)), and the bonus of every channel. */
static void make_decay(wkv_pass *p, const rwkv6_layer *w, rwkv6_saved *s)
{
    wkv_low low = rwkv6_low_decay(w);
    wkv_low_act(p, &low, s->w_low);
    s->w_raw = wkv_project(p, s->w_low, low.B);
    s->w = wkv_pass_cheap_exact(p, wkv_pass_size(p, WKV_DIM_A));
    s->u = wkv_pass_keep_exact(p, (size_t)p->cfg->dim[WKV_DIM_A]);
    p->exec.dev->decay(&p->exec, s->w, s->w_raw, &w->decay, wkv_pass_rows(p));
    p->exec.dev->head_vec(&p->exec, s->u, &w->faaaa, p->cfg->dim[WKV_DIM_H], p->cfg->dim[WKV_DIM_N],
                          WKV_HEAD_RAW);
}

static real *time_mix(wkv_pass *p, rwkv6_saved *s, int l, real *x)
{
    const rwkv6_layer *w = wkv_layer_at(p, l);
    mix_inputs(p, w, s, wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b), l);
    wkv_product products[] = {
        wkv_kept(p, &s->r, s->x[MIX_R], &w->receptance),
        wkv_kept(p, &s->k, s->x[MIX_K], &w->key),
        wkv_kept(p, &s->v, s->x[MIX_V], &w->value),
        wkv_kept(p, &s->g, s->x[MIX_G], &w->gate),
        wkv_kept(p, &s->w_low, s->x[MIX_W], rwkv6_low_decay(w).A),
    };
    wkv_products(p, products, 5);
    make_decay(p, w, s);
    wkv_eagle_in in = rwkv6_recurrence(p, w, s);
    wkv_eagle_fwd(p, &s->recurrence, &in, l);
    real *out = wkv_residual(p, x);
    p->exec.dev->matmul(&p->exec, out, s->recurrence.z, &w->output, wkv_pass_rows(p), true);
    return out;
}

real *wkv_rwkv6_forward(wkv_pass *p, int l, real *x)
{
    rwkv6_saved here;
    rwkv6_saved *s = p->tape != NULL ? wkv_saved_at(p, l) : &here;
    wkv_gated_mix ffn = rwkv6_channel_mix(wkv_layer_at(p, l));
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_FFN_SHIFT);
    x = time_mix(p, s, l, x);
    return wkv_gated_mix_fwd(p, &s->ffn, &ffn, &slot, x);
}
