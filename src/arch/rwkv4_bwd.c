/* arch/rwkv4_bwd.c - RWKV-4 backward: rwkv4_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/rwkv4.h"

static size_t rows_of(const wkv_pass *p)
{
    return (size_t)wkv_seqs_rows(&p->seqs);
}

static real *temp(wkv_pass *p, wkv_dim columns)
{
    return wkv_pass_temp(p, rows_of(p) * (size_t)p->cfg->dim[columns]);
}

/* Through the mixes and the norm into dx. */
static void mix_bwd(wkv_pass *p, real *dx, const real *const *dmix, const real *prev,
                    const wkv_norm_saved *ln, const wkv_weight *const *mu, int n,
                    const wkv_slot *dslot, const wkv_weight *ln_w, const wkv_weight *ln_b)
{
    real *dnormed = temp(p, WKV_DIM_C);
    p->exec.dev->shift_mix_bwd(&p->exec, dnormed, dmix, prev, ln->y, mu, n, &p->seqs, dslot,
                               WKV_SHIFT_CURRENT);
    wkv_norm_bwd(p, ln, dx, dnormed, ln_w, ln_b);
}

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv4_layer *w = rwkv4_layer_at(p, l);
    const rwkv4_saved *s = rwkv4_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    int rows = (int)rows_of(p);
    size_t mark = wkv_arena_mark(p->exec.scratch);
    size_t size = rows_of(p) * (size_t)p->cfg->dim[WKV_DIM_A];

    real *dz = temp(p, WKV_DIM_A), *dy = temp(p, WKV_DIM_A), *dr = temp(p, WKV_DIM_A);
    real *dk = temp(p, WKV_DIM_A), *dv = temp(p, WKV_DIM_A);
    d->matmul_bwd(&p->exec, dz, dx, s->z, &w->output, rows, false);
    d->gate_bwd(&p->exec, dr, dy, dz, s->r, s->y, size);
    wkv_slot dwkv = rwkv4_slot(p->cfg, p->dstate, l, SLOT_WKV);
    d->wkv4_bwd(&p->exec, dk, dv, dy, s->state0, s->k, s->v, &w->decay, &w->first, &p->seqs, &dwkv);

    real *dmix[MIXES] = {temp(p, WKV_DIM_C), temp(p, WKV_DIM_C), temp(p, WKV_DIM_C)};
    d->matmul_bwd(&p->exec, dmix[MIX_K], dk, s->x[MIX_K], &w->key, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_V], dv, s->x[MIX_V], &w->value, rows, false);
    d->matmul_bwd(&p->exec, dmix[MIX_R], dr, s->x[MIX_R], &w->receptance, rows, false);

    const real *const given[MIXES] = {dmix[0], dmix[1], dmix[2]};
    const wkv_weight *mu[MIXES] = {&w->mix_k, &w->mix_v, &w->mix_r};
    wkv_slot dshift = rwkv4_slot(p->cfg, p->dstate, l, SLOT_ATT_SHIFT);
    mix_bwd(p, dx, given, s->att_prev, &s->ln1, mu, MIXES, &dshift, &w->ln1_w, &w->ln1_b);
    wkv_arena_reset(p->exec.scratch, mark);
}

static void channel_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv4_layer *w = rwkv4_layer_at(p, l);
    const rwkv4_saved *s = rwkv4_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    size_t mark = wkv_arena_mark(p->exec.scratch);
    size_t size = rows_of(p) * (size_t)p->cfg->dim[WKV_DIM_C];

    real *dr = temp(p, WKV_DIM_C), *dv = temp(p, WKV_DIM_C);
    real *dmix[FFN_MIXES] = {temp(p, WKV_DIM_C), temp(p, WKV_DIM_C)};
    d->gate_bwd(&p->exec, dr, dv, dx, s->ffn_r, s->ffn_v, size);
    wkv_relu2_mlp_bwd(p, &s->mlp, dmix[FFN_MIX_K], dv, s->ffn_x[FFN_MIX_K], &w->ffn_key,
                      &w->ffn_value);
    d->matmul_bwd(&p->exec, dmix[FFN_MIX_R], dr, s->ffn_x[FFN_MIX_R], &w->ffn_receptance,
                  (int)rows_of(p), false);

    const real *const given[FFN_MIXES] = {dmix[0], dmix[1]};
    const wkv_weight *mu[FFN_MIXES] = {&w->ffn_mix_k, &w->ffn_mix_r};
    wkv_slot dshift = rwkv4_slot(p->cfg, p->dstate, l, SLOT_FFN_SHIFT);
    mix_bwd(p, dx, given, s->ffn_prev, &s->ln2, mu, FFN_MIXES, &dshift, &w->ln2_w, &w->ln2_b);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_rwkv4_backward(wkv_pass *p)
{
    real *dx = wkv_frame_out_bwd(p);
    for (int l = p->cfg->layers - 1; l >= 0; l--) {
        channel_mix_bwd(p, l, dx);
        time_mix_bwd(p, l, dx);
    }
    wkv_frame_in_bwd(p, dx);
}
