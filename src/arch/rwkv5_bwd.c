/* arch/rwkv5_bwd.c - RWKV-5 backward: rwkv5_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/rwkv5.h"

/* Decay and bonus: the former's gradient is summed over the rows first. */
static void expand_bwd(wkv_pass *p, const rwkv5_layer *w, const rwkv5_saved *s,
                       const wkv_eagle_grad *g)
{
    const wkv_dev *d = p->exec.dev;
    int H = p->cfg->dim[WKV_DIM_H], N = p->cfg->dim[WKV_DIM_N];
    size_t A = (size_t)p->cfg->dim[WKV_DIM_A];
    wkv_head_fn f;
    const wkv_weight *bonus = rwkv5_bonus(w, &f);
    real *dw = wkv_pass_temp(p, A);
    d->zero(&p->exec, dw, A);
    d->colsum(&p->exec, dw, g->dw, wkv_pass_rows(p), A);
    d->head_vec_bwd(&p->exec, dw, s->w, &w->decay, H, N, WKV_HEAD_DECAY);
    d->head_vec_bwd(&p->exec, g->du, s->u, bonus, H, N, f);
}

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv5_layer *w = wkv_layer_at(p, l);
    const rwkv5_saved *s = wkv_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p), mixes = rwkv5_has_gate(w) ? MIXES : MIX_G;
    size_t mark = wkv_arena_mark(p->exec.scratch);

    real *dz = wkv_temp(p, WKV_DIM_A);
    wkv_eagle_in in = rwkv5_recurrence(w, s);
    wkv_eagle_grad g;
    d->matmul_bwd(&p->exec, dz, dx, s->recurrence.z, &w->output, rows, false);
    wkv_eagle_bwd(p, &g, &s->recurrence, &in, dz, l);
    expand_bwd(p, w, s, &g);

    real *dmix[MIXES];
    for (int j = 0; j < mixes; j++)
        dmix[j] = wkv_temp(p, WKV_DIM_C);
    d->matmul_bwd(&p->exec, dmix[MIX_R], g.dr, s->x[MIX_R], &w->receptance, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_K], g.dk, s->x[MIX_K], &w->key, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_V], g.dv, s->x[MIX_V], &w->value, rows, false);
    if (rwkv5_has_gate(w))
        d->matmul_bwd(&p->exec, dmix[MIX_G], g.dg, s->x[MIX_G], &w->gate, rows, false);

    const real *given[MIXES];
    for (int j = 0; j < mixes; j++)
        given[j] = dmix[j];
    const wkv_weight *mu[MIXES] = {&w->mix_r, &w->mix_k, &w->mix_v, &w->mix_g};
    wkv_slot dshift = wkv_matrix_slot(p, p->dstate, l, WKV_ATT_SHIFT);
    wkv_shift_mixes_bwd(p, dx, given, s->prev, &s->ln1, &w->ln1_w, &w->ln1_b, mu, mixes, &dshift,
                        WKV_SHIFT_CURRENT);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_rwkv5_backward(wkv_pass *p, int l, real *dx)
{
    wkv_gated_mix ffn = rwkv5_channel_mix(wkv_layer_at(p, l));
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_FFN_SHIFT);
    const rwkv5_saved *s = wkv_saved_at(p, l);
    wkv_gated_mix_bwd(p, &s->ffn, &ffn, &dslot, dx);
    time_mix_bwd(p, l, dx);
}
