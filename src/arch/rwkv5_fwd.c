/* arch/rwkv5_fwd.c - RWKV-5 forward, for one token, a prompt or a training batch alike.
 * The mathematics is docs/math/rwkv5.md; names are those of its parameters. */
#include "arch/rwkv5.h"

/* Decay and bonus of every channel, from those of every head or channel. */
static void expand(wkv_pass *p, const rwkv5_layer *w, rwkv5_saved *s)
{
    int H = p->cfg->dim[WKV_DIM_H], N = p->cfg->dim[WKV_DIM_N];
    wkv_head_fn f;
    const wkv_weight *bonus = rwkv5_bonus(w, &f);
    s->w = wkv_pass_keep_exact(p, (size_t)p->cfg->dim[WKV_DIM_A]);
    s->u = wkv_pass_keep_exact(p, (size_t)p->cfg->dim[WKV_DIM_A]);
    p->exec.dev->head_vec(&p->exec, s->w, &w->decay, H, N, WKV_HEAD_DECAY);
    p->exec.dev->head_vec(&p->exec, s->u, bonus, H, N, f);
}

static real *time_mix(wkv_pass *p, rwkv5_saved *s, int l, real *x)
{
    const rwkv5_layer *w = wkv_layer_at(p, l);
    const real *normed = wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b);
    const wkv_weight *mu[MIXES] = {&w->mix_r, &w->mix_k, &w->mix_v, &w->mix_g};
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_ATT_SHIFT);
    s->prev = wkv_shift(p, normed, &slot);
    wkv_shift_mixes(p, s->x, s->prev, normed, mu, rwkv5_has_gate(w) ? MIXES : MIX_G,
                    WKV_SHIFT_CURRENT);
    const bool gate = rwkv5_has_gate(w);
    s->g = NULL;
    wkv_product products[] = {
        wkv_kept(p, &s->r, s->x[MIX_R], &w->receptance),
        wkv_kept(p, &s->k, s->x[MIX_K], &w->key),
        wkv_kept(p, &s->v, s->x[MIX_V], &w->value),
        gate ? wkv_kept(p, &s->g, s->x[MIX_G], &w->gate) : (wkv_product){0},
    };
    wkv_products(p, products, gate ? 4 : 3);
    expand(p, w, s);
    wkv_eagle_in in = rwkv5_recurrence(w, s);
    wkv_eagle_fwd(p, &s->recurrence, &in, l);
    real *out = wkv_residual(p, x);
    p->exec.dev->matmul(&p->exec, out, s->recurrence.z, &w->output, wkv_pass_rows(p), true);
    return out;
}

real *wkv_rwkv5_forward(wkv_pass *p, int l, real *x)
{
    rwkv5_saved here;
    rwkv5_saved *s = p->tape != NULL ? wkv_saved_at(p, l) : &here;
    wkv_gated_mix ffn = rwkv5_channel_mix(wkv_layer_at(p, l));
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_FFN_SHIFT);
    x = time_mix(p, s, l, x);
    return wkv_gated_mix_fwd(p, &s->ffn, &ffn, &slot, x);
}
