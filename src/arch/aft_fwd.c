/* arch/aft_fwd.c - AFT forward, for one token, a prompt or a training batch alike, and for
 * all variants.  The mathematics is docs/math/aft.md. */
#include "arch/aft.h"

/* x_j = x' + (x - x') mu_j for j in q, k, v, where there is a token shift; else x. */
static void mix_inputs(wkv_pass *p, const aft_layer *w, aft_saved *s, const real *x, int l)
{
    real *mixed[AFT_INPUTS];
    const wkv_weight *mu[AFT_INPUTS] = {&w->mix_q, &w->mix_k, &w->mix_v};
    if (p->cfg->token_shift) {
        wkv_slot slot = aft_slot(p->cfg, p->state, l, AFT_ATT_SHIFT);
        s->prev = wkv_shift(p, x, &slot);
        wkv_shift_mixes(p, mixed, s->prev, x, mu, AFT_INPUTS, WKV_SHIFT_CURRENT);
    }
    for (int j = 0; j < AFT_INPUTS; j++)
        s->x[j] = p->cfg->token_shift ? mixed[j] : x;
}

static real *time_mix(wkv_pass *p, aft_saved *s, int l, real *x)
{
    const aft_layer *w = wkv_layer_at(p, l);
    const wkv_dev *d = p->exec.dev;
    mix_inputs(p, w, s, wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b), l);
    wkv_product products[] = {
        wkv_kept(p, &s->q, s->x[AFT_Q], &w->query),
        wkv_kept_exact(p, &s->k, s->x[AFT_K], &w->key),
        wkv_kept(p, &s->v, s->x[AFT_V], &w->value),
    };
    wkv_products(p, products, 3);
    wkv_aft_bias(p, s, l);

    size_t size = wkv_pass_size(p, WKV_DIM_A), B = (size_t)p->seqs.n;
    wkv_aft in = wkv_aft_inputs(p, s);
    wkv_slot slot = aft_slot(p->cfg, p->state, l, AFT_MEMORY);
    s->y = wkv_keep(p, WKV_DIM_A);
    s->z = wkv_cheap(p, WKV_DIM_A);
    s->keep = p->tape != NULL ? wkv_pass_keep_exact(p, 2 * size) : NULL;
    s->state0 = p->tape != NULL ? wkv_pass_keep_exact(p, B * aft_memory(p->cfg)) : NULL;
    d->aft(&p->exec, s->y, s->keep, s->state0, &in, &p->seqs, &slot);
    d->gate(&p->exec, s->z, s->q, s->y, size);

    real *out = wkv_residual(p, x);
    d->matmul(&p->exec, out, s->z, &w->output, wkv_pass_rows(p), true);
    return out;
}

real *wkv_aft_forward(wkv_pass *p, int l, real *x)
{
    aft_saved here;
    aft_saved *s = p->tape != NULL ? wkv_saved_at(p, l) : &here;
    wkv_gated_mix ffn = aft_channel_mix(wkv_layer_at(p, l));
    wkv_slot slot = aft_slot(p->cfg, p->state, l, AFT_FFN_SHIFT);
    x = time_mix(p, s, l, x);
    return wkv_gated_mix_fwd(p, &s->ffn, &ffn, &slot, x);
}
