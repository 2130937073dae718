/* arch/rwkv4_fwd.c - RWKV-4 forward, for one token, a prompt or a training batch alike.
 * The mathematics is docs/math/rwkv4.md; names are those of its parameters. */
#include "arch/rwkv4.h"

/* x_j = x' + (x - x') mu_j for j in k, v, r */
static void mix_inputs(wkv_pass *p, const rwkv4_layer *w, rwkv4_saved *s, const real *x, int l)
{
    const wkv_weight *mu[MIXES] = {&w->mix_k, &w->mix_v, &w->mix_r};
    wkv_slot slot = rwkv4_slot(p, p->state, l, WKV_ATT_SHIFT);
    s->prev = wkv_shift(p, x, &slot);
    wkv_shift_mixes(p, s->x, s->prev, x, mu, MIXES, WKV_SHIFT_CURRENT);
}

static real *time_mix(wkv_pass *p, rwkv4_saved *s, int l, real *x)
{
    const rwkv4_layer *w = wkv_layer_at(p, l);
    const wkv_dev *d = p->exec.dev;
    mix_inputs(p, w, s, wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b), l);
    wkv_product in[] = {
        wkv_kept_exact(p, &s->k, s->x[MIX_K], &w->key),
        wkv_kept(p, &s->v, s->x[MIX_V], &w->value),
        wkv_kept(p, &s->r, s->x[MIX_R], &w->receptance),
    };
    wkv_products(p, in, 3);

    size_t state0 = (size_t)p->seqs.n * rwkv4_memory(p->cfg);
    wkv_slot slot = rwkv4_slot(p, p->state, l, WKV_MEMORY);
    s->y = wkv_keep(p, WKV_DIM_A);
    s->z = wkv_cheap(p, WKV_DIM_A);
    s->state0 = p->tape != NULL ? wkv_pass_keep_exact(p, state0) : NULL;
    d->wkv4(&p->exec, s->y, s->state0, s->k, s->v, &w->decay, &w->first, &p->seqs, &slot);
    d->gate(&p->exec, s->z, s->r, s->y, wkv_pass_size(p, WKV_DIM_A));

    real *out = wkv_residual(p, x);
    d->matmul(&p->exec, out, s->z, &w->output, wkv_pass_rows(p), true);
    return out;
}

real *wkv_rwkv4_forward(wkv_pass *p, int l, real *x)
{
    rwkv4_saved here;
    rwkv4_saved *s = p->tape != NULL ? wkv_saved_at(p, l) : &here;
    wkv_gated_mix ffn = rwkv4_channel_mix(wkv_layer_at(p, l));
    wkv_slot slot = rwkv4_slot(p, p->state, l, WKV_FFN_SHIFT);
    x = time_mix(p, s, l, x);
    return wkv_gated_mix_fwd(p, &s->ffn, &ffn, &slot, x);
}
