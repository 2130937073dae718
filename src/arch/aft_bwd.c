/* arch/aft_bwd.c - AFT backward: aft_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/aft.h"

/* From the gradient dy of the mean to those of keys, values and positions. */
static void mean_bwd(wkv_pass *p, const aft_saved *s, real *dk, real *dv, const real *dy, int l)
{
    wkv_aft in = wkv_aft_inputs(p, s);
    size_t biases = (size_t)wkv_pass_rows(p) * (size_t)in.H * (size_t)in.window;
    real *dbias = in.window > 0 ? wkv_pass_temp(p, biases) : NULL;
    wkv_aft_grad g = {.y = s->y, .keep = s->keep, .dy = dy, .dk = dk, .dv = dv, .dbias = dbias};
    wkv_slot dslot = aft_slot(p->cfg, p->dstate, l, AFT_MEMORY);
    p->exec.dev->aft_bwd(&p->exec, &g, s->state0, &in, &p->seqs, &dslot);
    wkv_aft_bias_bwd(p, s, dbias, l);
}

/* From the gradients d of q, k and v, through their products, the token shift where there is
 * one, and the norm, into dx. */
static void inputs_bwd(wkv_pass *p, const aft_saved *s, const aft_layer *w, real *dx,
                       const real *const d[AFT_INPUTS], int l)
{
    const wkv_dev *dev = p->exec.dev;
    const wkv_weight *in[AFT_INPUTS] = {&w->query, &w->key, &w->value};
    const bool shifted = p->cfg->token_shift;
    const real *dmix[AFT_INPUTS];
    real *dnormed = NULL;
    for (int j = 0; j < AFT_INPUTS; j++) {
        const bool first = shifted || j == 0;
        dnormed = first ? wkv_temp(p, WKV_DIM_C) : dnormed;
        dmix[j] = dnormed;
        dev->matmul_bwd(&p->exec, dnormed, d[j], s->x[j], in[j], wkv_pass_rows(p), !first);
    }
    const wkv_weight *mu[AFT_INPUTS] = {&w->mix_q, &w->mix_k, &w->mix_v};
    wkv_slot dslot = aft_slot(p->cfg, p->dstate, l, AFT_ATT_SHIFT);
    if (shifted)
        wkv_shift_mixes_bwd(p, dx, dmix, s->prev, &s->ln1, &w->ln1_w, &w->ln1_b, mu, AFT_INPUTS,
                            &dslot, WKV_SHIFT_CURRENT);
    else
        wkv_norm_bwd(p, &s->ln1, dx, dnormed, &w->ln1_w, &w->ln1_b);
}

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const aft_layer *w = wkv_layer_at(p, l);
    const aft_saved *s = wkv_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    size_t mark = wkv_arena_mark(p->exec.scratch);

    real *dz = wkv_temp(p, WKV_DIM_A), *dy = wkv_temp(p, WKV_DIM_A);
    real *dq = wkv_temp(p, WKV_DIM_A), *dk = wkv_temp(p, WKV_DIM_A);
    real *dv = wkv_temp(p, WKV_DIM_A);
    d->matmul_bwd(&p->exec, dz, dx, s->z, &w->output, rows, false);
    d->gate_bwd(&p->exec, dq, dy, dz, s->q, s->y, wkv_pass_size(p, WKV_DIM_A));
    mean_bwd(p, s, dk, dv, dy, l);
    const real *const dqkv[AFT_INPUTS] = {dq, dk, dv};
    inputs_bwd(p, s, w, dx, dqkv, l);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_aft_backward(wkv_pass *p, int l, real *dx)
{
    wkv_gated_mix ffn = aft_channel_mix(wkv_layer_at(p, l));
    wkv_slot dslot = aft_slot(p->cfg, p->dstate, l, AFT_FFN_SHIFT);
    const aft_saved *s = wkv_saved_at(p, l);
    wkv_gated_mix_bwd(p, &s->ffn, &ffn, &dslot, dx);
    time_mix_bwd(p, l, dx);
}
