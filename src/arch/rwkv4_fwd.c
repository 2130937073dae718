/* arch/rwkv4_fwd.c - RWKV-4 forward, for one token, a prompt or a training batch alike.
 * The mathematics is docs/math/rwkv4.md; names are those of its parameters. */
#include "arch/rwkv4.h"

static size_t rows_of(const wkv_pass *p)
{
    return (size_t)wkv_seqs_rows(&p->seqs);
}

/* n mixes of the normed rows with those before them, kept in x. */
static real *mix_inputs(wkv_pass *p, real **x, const real *normed, const wkv_weight *const *mu,
                        int n, const wkv_slot *slot)
{
    size_t C = (size_t)p->cfg->dim[WKV_DIM_C];
    for (int j = 0; j < n; j++)
        x[j] = wkv_pass_keep(p, rows_of(p) * C);
    real *prev = wkv_pass_keep(p, (size_t)p->seqs.n * C);
    p->exec.dev->shift_mix(&p->exec, x, prev, normed, mu, n, &p->seqs, slot, WKV_SHIFT_CURRENT);
    return prev;
}

static real *product(wkv_pass *p, const real *in, const wkv_weight *W)
{
    real *y = wkv_pass_keep(p, rows_of(p) * (size_t)W->rows);
    p->exec.dev->matmul(&p->exec, y, in, W, (int)rows_of(p), false);
    return y;
}

static real *time_mix(wkv_pass *p, rwkv4_saved *s, int l, real *x)
{
    const rwkv4_layer *w = rwkv4_layer_at(p, l);
    const wkv_dev *d = p->exec.dev;
    size_t A = (size_t)p->cfg->dim[WKV_DIM_A], size = rows_of(p) * A;
    const real *normed = wkv_norm(p, &s->ln1, x, &w->ln1_w, &w->ln1_b);
    const wkv_weight *mu[MIXES] = {&w->mix_k, &w->mix_v, &w->mix_r};
    wkv_slot shift = rwkv4_slot(p->cfg, p->state, l, SLOT_ATT_SHIFT);
    s->att_prev = mix_inputs(p, s->x, normed, mu, MIXES, &shift);
    s->k = product(p, s->x[MIX_K], &w->key);
    s->v = product(p, s->x[MIX_V], &w->value);
    s->r = product(p, s->x[MIX_R], &w->receptance);

    s->y = wkv_pass_keep(p, size);
    s->z = wkv_pass_keep(p, size);
    s->state0 = p->tape != NULL ? wkv_pass_keep(p, 3 * A * (size_t)p->seqs.n) : NULL;
    wkv_slot slot = rwkv4_slot(p->cfg, p->state, l, SLOT_WKV);
    d->wkv4(&p->exec, s->y, s->state0, s->k, s->v, &w->decay, &w->first, &p->seqs, &slot);
    d->gate(&p->exec, s->z, s->r, s->y, size);

    real *out = wkv_residual(p, x);
    d->matmul(&p->exec, out, s->z, &w->output, (int)rows_of(p), true);
    return out;
}

static real *channel_mix(wkv_pass *p, rwkv4_saved *s, int l, real *x)
{
    const rwkv4_layer *w = rwkv4_layer_at(p, l);
    size_t size = rows_of(p) * (size_t)p->cfg->dim[WKV_DIM_C];
    const real *normed = wkv_norm(p, &s->ln2, x, &w->ln2_w, &w->ln2_b);
    const wkv_weight *mu[FFN_MIXES] = {&w->ffn_mix_k, &w->ffn_mix_r};
    wkv_slot shift = rwkv4_slot(p->cfg, p->state, l, SLOT_FFN_SHIFT);
    s->ffn_prev = mix_inputs(p, s->ffn_x, normed, mu, FFN_MIXES, &shift);
    s->ffn_v = wkv_pass_keep(p, size);
    wkv_relu2_mlp(p, &s->mlp, s->ffn_v, s->ffn_x[FFN_MIX_K], &w->ffn_key, &w->ffn_value, false);
    s->ffn_r = product(p, s->ffn_x[FFN_MIX_R], &w->ffn_receptance);

    real *gated = wkv_pass_temp(p, size);
    real *out = wkv_residual(p, x);
    p->exec.dev->gate(&p->exec, gated, s->ffn_r, s->ffn_v, size);
    p->exec.dev->add(&p->exec, out, gated, size);
    return out;
}

void wkv_rwkv4_forward(wkv_pass *p)
{
    real *x = wkv_frame_in(p);
    for (int l = 0; l < p->cfg->layers; l++) {
        size_t mark = wkv_arena_mark(p->exec.scratch);
        rwkv4_saved here;
        rwkv4_saved *s = p->tape != NULL ? rwkv4_saved_at(p, l) : &here;
        x = time_mix(p, s, l, x);
        x = channel_mix(p, s, l, x);
        wkv_arena_reset(p->exec.scratch, mark);
    }
    wkv_frame_out(p, x);
}
