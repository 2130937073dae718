/* arch/rwkv6_bwd.c - RWKV-6 backward: rwkv6_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/rwkv6.h"

/* Through the mixes: x reaches them directly, and once more through their own weights. */
static void mix_inputs_bwd(wkv_pass *p, const rwkv6_layer *w, const rwkv6_saved *s, real *dx,
                           const real *const *dmix, int l)
{
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    size_t C = (size_t)p->cfg->dim[WKV_DIM_C], size = wkv_pass_size(p, WKV_DIM_C);
    size_t heads = (size_t)p->seqs.n * C;
    const wkv_weight *maa_x[] = {&w->maa_x};
    const wkv_weight *maa[MIXES] = {&w->maa_w, &w->maa_k, &w->maa_v, &w->maa_r, &w->maa_g};
    const real *const delta[MIXES] = {s->delta[0], s->delta[1], s->delta[2], s->delta[3],
                                      s->delta[4]};
    real *dnormed = wkv_temp(p, WKV_DIM_C), *dprev = wkv_pass_temp(p, heads);
    real *ddelta[MIXES];
    for (int j = 0; j < MIXES; j++)
        ddelta[j] = wkv_temp(p, WKV_DIM_C);
    d->shift_lerp_bwd(&p->exec, dnormed, dprev, ddelta, dmix, s->prev, s->ln1.y, maa, delta, MIXES,
                      &p->seqs);

    real *dlow = wkv_temp(p, WKV_DIM_MRM), *dz = wkv_temp(p, WKV_DIM_C);
    const real *const dd[MIXES] = {ddelta[0], ddelta[1], ddelta[2], ddelta[3], ddelta[4]};
    d->matmul_grouped_bwd(&p->exec, dlow, dd, s->mix_low, &w->maa_w2, MIXES, rows);
    d->act_bwd(&p->exec, dlow, dlow, s->mix_low, wkv_pass_size(p, WKV_DIM_MRM), WKV_ACT_TANH);
    d->matmul_bwd(&p->exec, dz, dlow, s->z, &w->maa_w1, rows, false);

    real *dnormed_z = wkv_temp(p, WKV_DIM_C), *dprev_z = wkv_pass_temp(p, heads);
    const real *const dy[] = {dz};
    d->shift_mix_bwd(&p->exec, dnormed_z, dprev_z, dy, s->prev, s->ln1.y, maa_x, 1, &p->seqs,
                     WKV_SHIFT_PREVIOUS);
    d->add(&p->exec, dnormed, dnormed_z, size);
    d->add(&p->exec, dprev, dprev_z, heads);
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_ATT_SHIFT);
    d->shift_bwd(&p->exec, dnormed, dprev, (int)C, &p->seqs, &dslot);
    wkv_norm_bwd(p, &s->ln1, dx, dnormed, &w->ln1_w, &w->ln1_b);
}

static void decay_bwd(wkv_pass *p, const rwkv6_layer *w, const rwkv6_saved *s,
                      const wkv_eagle_grad *g, real *dx_w)
{
    wkv_low low = rwkv6_low_decay(w);
    real *draw = wkv_temp(p, WKV_DIM_A);
    p->exec.dev->decay_bwd(&p->exec, draw, g->dw, s->w, s->w_raw, &w->decay, wkv_pass_rows(p));
    wkv_low_bwd(p, &low, dx_w, draw, s->w_low, s->x[MIX_W], false);
    p->exec.dev->head_vec_bwd(&p->exec, g->du, s->u, &w->faaaa, p->cfg->dim[WKV_DIM_H],
                              p->cfg->dim[WKV_DIM_N], WKV_HEAD_RAW);
}

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv6_layer *w = wkv_layer_at(p, l);
    const rwkv6_saved *s = wkv_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    size_t mark = wkv_arena_mark(p->exec.scratch);

    real *dz = wkv_temp(p, WKV_DIM_A), *dmix[MIXES];
    for (int j = 0; j < MIXES; j++)
        dmix[j] = wkv_temp(p, WKV_DIM_C);
    wkv_eagle_in in = rwkv6_recurrence(p, w, s);
    wkv_eagle_grad g;
    d->matmul_bwd(&p->exec, dz, dx, s->recurrence.z, &w->output, rows, false);
    wkv_eagle_bwd(p, &g, &s->recurrence, &in, dz, l);
    decay_bwd(p, w, s, &g, dmix[MIX_W]);
    d->matmul_bwd(&p->exec, dmix[MIX_R], g.dr, s->x[MIX_R], &w->receptance, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_K], g.dk, s->x[MIX_K], &w->key, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_V], g.dv, s->x[MIX_V], &w->value, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_G], g.dg, s->x[MIX_G], &w->gate, rows, false);
    const real *const given[MIXES] = {dmix[0], dmix[1], dmix[2], dmix[3], dmix[4]};
    mix_inputs_bwd(p, w, s, dx, given, l);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_rwkv6_backward(wkv_pass *p, int l, real *dx)
{
    wkv_gated_mix ffn = rwkv6_channel_mix(wkv_layer_at(p, l));
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_FFN_SHIFT);
    const rwkv6_saved *s = wkv_saved_at(p, l);
    wkv_gated_mix_bwd(p, &s->ffn, &ffn, &dslot, dx);
    time_mix_bwd(p, l, dx);
}
