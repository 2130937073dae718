/* arch/rwkv4_bwd.c - RWKV-4 backward: rwkv4_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/rwkv4.h"

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv4_layer *w = wkv_layer_at(p, l);
    const rwkv4_saved *s = wkv_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    size_t mark = wkv_arena_mark(p->exec.scratch);

    real *dz = wkv_temp(p, WKV_DIM_A), *dy = wkv_temp(p, WKV_DIM_A);
    real *dr = wkv_temp(p, WKV_DIM_A), *dk = wkv_temp(p, WKV_DIM_A);
    real *dv = wkv_temp(p, WKV_DIM_A);
    wkv_slot dmemory = rwkv4_slot(p, p->dstate, l, WKV_MEMORY);
    d->matmul_bwd(&p->exec, dz, dx, s->z, &w->output, rows, false);
    d->gate_bwd(&p->exec, dr, dy, dz, s->r, s->y, wkv_pass_size(p, WKV_DIM_A));
    d->wkv4_bwd(&p->exec, dk, dv, dy, s->state0, s->k, s->v, &w->decay, &w->first, &p->seqs,
                &dmemory);

    real *dmix[MIXES] = {wkv_temp(p, WKV_DIM_C), wkv_temp(p, WKV_DIM_C), wkv_temp(p, WKV_DIM_C)};
    d->matmul_bwd(&p->exec, dmix[MIX_K], dk, s->x[MIX_K], &w->key, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_V], dv, s->x[MIX_V], &w->value, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_R], dr, s->x[MIX_R], &w->receptance, rows, false);

    const real *const given[MIXES] = {dmix[MIX_K], dmix[MIX_V], dmix[MIX_R]};
    const wkv_weight *mu[MIXES] = {&w->mix_k, &w->mix_v, &w->mix_r};
    wkv_slot dshift = rwkv4_slot(p, p->dstate, l, WKV_ATT_SHIFT);
    wkv_shift_mixes_bwd(p, dx, given, s->prev, &s->ln1, &w->ln1_w, &w->ln1_b, mu, MIXES, &dshift,
                        WKV_SHIFT_CURRENT);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_rwkv4_backward(wkv_pass *p, int l, real *dx)
{
    wkv_gated_mix ffn = rwkv4_channel_mix(wkv_layer_at(p, l));
    wkv_slot dslot = rwkv4_slot(p, p->dstate, l, WKV_FFN_SHIFT);
    const rwkv4_saved *s = wkv_saved_at(p, l);
    wkv_gated_mix_bwd(p, &s->ffn, &ffn, &dslot, dx);
    time_mix_bwd(p, l, dx);
}
