/* arch/blocks.c - see blocks.h. */
#include "arch/blocks.h"

#include <string.h>

/* The statistics that a norm keeps for its backward pass, NULL when there is none. */
static real *keep_stat(wkv_pass *p)
{
    return p->tape != NULL ? wkv_pass_keep_exact(p, 2 * (size_t)wkv_pass_rows(p)) : NULL;
}

/* ---- versions with a matrix for each head ---------------------------------------------------- */

wkv_status wkv_matrix_check(const wkv_config *cfg, wkv_error *err)
{
    int H = cfg->dim[WKV_DIM_H], N = cfg->dim[WKV_DIM_N], A = cfg->dim[WKV_DIM_A];
    if ((int64_t)H * N != A)
        WKV_FAIL(err, WKV_E_SHAPE, "%s has %d heads of %d, expected %d channels in all",
                 cfg->arch->name, H, N, A);
    if (N > 4096)
        WKV_FAIL(err, WKV_E_LIMIT, "head size: expected at most 4096, found %d", N);
    return WKV_OK;
}

size_t wkv_matrix_state_size(const wkv_config *cfg)
{
    return (size_t)cfg->layers * wkv_layer_state(cfg, wkv_matrix_memory(cfg));
}

void wkv_matrix_state_init(const wkv_config *cfg, real *state)
{
    memset(state, 0, wkv_matrix_state_size(cfg) * sizeof *state);
}

/* ---- the frame --------------------------------------------------------------------- */

real *wkv_frame_in(wkv_pass *p)
{
    const wkv_frame *w = wkv_frame_of(p->weights);
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    real *x = wkv_pass_keep_exact(p, wkv_pass_size(p, WKV_DIM_C));
    d->embed(&p->exec, x, &w->emb, p->ids, rows);
    if (w->ln0_w.data == NULL)
        return x;
    real *y = wkv_pass_keep_exact(p, wkv_pass_size(p, WKV_DIM_C));
    real *stat = keep_stat(p);
    d->layernorm(&p->exec, y, stat, x, &w->ln0_w, &w->ln0_b, rows, (real)p->cfg->ln_eps);
    if (p->tape != NULL) {
        wkv_frame_saved *s = p->saved;
        s->emb = x;
        s->ln0_stat = stat;
    }
    return y;
}

void wkv_frame_out(wkv_pass *p, real *x)
{
    const wkv_frame *w = wkv_frame_of(p->weights);
    real *stat = keep_stat(p);
    p->exec.dev->layernorm(&p->exec, p->hidden, stat, x, &w->ln_out_w, &w->ln_out_b,
                           wkv_pass_rows(p), (real)p->cfg->ln_eps);
    if (p->tape != NULL) {
        wkv_frame_saved *s = p->saved;
        s->last = x;
        s->out_stat = stat;
    }
}

real *wkv_frame_out_bwd(wkv_pass *p)
{
    const wkv_frame *w = wkv_frame_of(p->weights);
    const wkv_frame_saved *s = p->saved;
    real *dx = wkv_temp(p, WKV_DIM_C);
    p->exec.dev->zero(&p->exec, dx, wkv_pass_size(p, WKV_DIM_C));
    p->exec.dev->layernorm_bwd(&p->exec, dx, p->dhidden, s->last, s->out_stat, &w->ln_out_w,
                               &w->ln_out_b, wkv_pass_rows(p));
    return dx;
}

void wkv_frame_in_bwd(wkv_pass *p, real *dx)
{
    const wkv_frame *w = wkv_frame_of(p->weights);
    const wkv_frame_saved *s = p->saved;
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    real *demb = dx;
    if (w->ln0_w.data != NULL) {
        demb = wkv_temp(p, WKV_DIM_C);
        d->zero(&p->exec, demb, wkv_pass_size(p, WKV_DIM_C));
        d->layernorm_bwd(&p->exec, demb, dx, s->emb, s->ln0_stat, &w->ln0_w, &w->ln0_b, rows);
    }
    d->embed_bwd(&p->exec, demb, &w->emb, p->ids, rows);
}

real *wkv_residual(wkv_pass *p, real *x)
{
    if (p->tape == NULL)
        return x;
    real *copy = wkv_keep(p, WKV_DIM_C);
    p->exec.dev->copy(&p->exec, copy, x, wkv_pass_size(p, WKV_DIM_C));
    return copy;
}

static size_t product_size(const wkv_pass *p, const wkv_weight *W)
{
    return (size_t)wkv_pass_rows(p) * (size_t)wkv_weight_outputs(W);
}

wkv_product wkv_kept(wkv_pass *p, real **y, const real *in, const wkv_weight *W)
{
    *y = wkv_pass_keep(p, product_size(p, W));
    return (wkv_product){*y, in, W, false};
}

wkv_product wkv_kept_exact(wkv_pass *p, real **y, const real *in, const wkv_weight *W)
{
    *y = wkv_pass_keep_exact(p, product_size(p, W));
    return (wkv_product){*y, in, W, false};
}

void wkv_products(wkv_pass *p, const wkv_product *list, int n)
{
    p->exec.dev->products(&p->exec, list, n, wkv_pass_rows(p));
}

real *wkv_project(wkv_pass *p, const real *in, const wkv_weight *W)
{
    real *y;
    wkv_product one = wkv_kept(p, &y, in, W);
    wkv_products(p, &one, 1);
    return y;
}

/* ---- norm ---------------------------------------------------------------------------- */

const real *wkv_norm(wkv_pass *p, wkv_norm_saved *s, real *x, const wkv_weight *w,
                     const wkv_weight *b)
{
    s->x = x;
    s->y = wkv_cheap(p, WKV_DIM_C);
    s->stat = keep_stat(p);
    p->exec.dev->layernorm(&p->exec, s->y, s->stat, x, w, b, wkv_pass_rows(p),
                           (real)p->cfg->ln_eps);
    return s->y;
}

void wkv_norm_bwd(wkv_pass *p, const wkv_norm_saved *s, real *dx, const real *dy,
                  const wkv_weight *w, const wkv_weight *b)
{
    p->exec.dev->layernorm_bwd(&p->exec, dx, dy, s->x, s->stat, w, b, wkv_pass_rows(p));
}

/* ---- token shift ------------------------------------------------------------------------ */

static size_t prev_size(const wkv_pass *p)
{
    return (size_t)p->seqs.n * (size_t)p->cfg->dim[WKV_DIM_C];
}

real *wkv_shift(wkv_pass *p, const real *in, const wkv_slot *slot)
{
    real *prev = wkv_pass_keep_exact(p, prev_size(p));
    p->exec.dev->shift(&p->exec, prev, in, p->cfg->dim[WKV_DIM_C], &p->seqs, slot);
    return prev;
}

void wkv_shift_mixes(wkv_pass *p, real **y, const real *prev, const real *in,
                     const wkv_weight *const *mu, int n, wkv_shift_mode mode)
{
    for (int j = 0; j < n; j++)
        y[j] = wkv_cheap(p, WKV_DIM_C);
    p->exec.dev->shift_mix(&p->exec, y, prev, in, mu, n, &p->seqs, mode);
}

void wkv_shift_mixes_bwd(wkv_pass *p, real *dx, const real *const *dy, const real *prev,
                         const wkv_norm_saved *ln, const wkv_weight *ln_w, const wkv_weight *ln_b,
                         const wkv_weight *const *mu, int n, const wkv_slot *dslot,
                         wkv_shift_mode mode)
{
    const wkv_dev *d = p->exec.dev;
    size_t mark = wkv_arena_mark(p->exec.scratch);
    real *dnormed = wkv_temp(p, WKV_DIM_C), *dprev = wkv_pass_temp(p, prev_size(p));
    d->shift_mix_bwd(&p->exec, dnormed, dprev, dy, prev, ln->y, mu, n, &p->seqs, mode);
    d->shift_bwd(&p->exec, dnormed, dprev, p->cfg->dim[WKV_DIM_C], &p->seqs, dslot);
    wkv_norm_bwd(p, ln, dx, dnormed, ln_w, ln_b);
    wkv_arena_reset(p->exec.scratch, mark);
}

/* ---- low rank --------------------------------------------------------------------------- */

void wkv_low_act(wkv_pass *p, const wkv_low *low, real *hidden)
{
    const size_t n = (size_t)wkv_pass_rows(p) * (size_t)wkv_weight_outputs(low->A);
    if (low->has_act && !p->again)
        p->exec.dev->act(&p->exec, hidden, hidden, n, low->act);
}

void wkv_low_bwd(wkv_pass *p, const wkv_low *low, real *din, const real *dout, const real *hidden,
                 const real *in, bool accumulate)
{
    const wkv_dev *d = p->exec.dev;
    size_t rows = (size_t)wkv_pass_rows(p), rank = (size_t)wkv_weight_outputs(low->A);
    real *dhidden = wkv_pass_temp(p, rows * rank);
    d->matmul_bwd(&p->exec, dhidden, dout, hidden, low->B, (int)rows, false);
    if (low->has_act)
        d->act_bwd(&p->exec, dhidden, dhidden, hidden, rows * rank, low->act);
    d->matmul_bwd(&p->exec, din, dhidden, in, low->A, (int)rows, accumulate);
}

/* ---- relu^2 -------------------------------------------------------------------------------- */

void wkv_relu2_mlp(wkv_pass *p, wkv_relu2_saved *s, real *out, const real *in,
                   const wkv_weight *key, const wkv_weight *value, bool accumulate)
{
    const wkv_dev *d = p->exec.dev;
    size_t rows = (size_t)wkv_pass_rows(p), n = rows * (size_t)key->rows;
    s->key = wkv_pass_keep(p, n);
    s->act = wkv_pass_cheap(p, n);
    d->matmul(&p->exec, s->key, in, key, (int)rows, false);
    d->act(&p->exec, s->act, s->key, n, WKV_ACT_RELU2);
    d->matmul(&p->exec, out, s->act, value, (int)rows, accumulate);
}

void wkv_relu2_mlp_bwd(wkv_pass *p, const wkv_relu2_saved *s, real *din, const real *dout,
                       const real *in, const wkv_weight *key, const wkv_weight *value)
{
    const wkv_dev *d = p->exec.dev;
    size_t rows = (size_t)wkv_pass_rows(p), n = rows * (size_t)key->rows;
    real *dkey = wkv_pass_temp(p, n);
    d->matmul_bwd(&p->exec, dkey, dout, s->act, value, (int)rows, false);
    d->act_bwd(&p->exec, dkey, dkey, s->key, n, WKV_ACT_RELU2);
    d->matmul_bwd(&p->exec, din, dkey, in, key, (int)rows, false);
}

/* ---- gated channel mixing -------------------------------------------------------------------- */

enum { MIX_K, MIX_R };

real *wkv_gated_mix_fwd(wkv_pass *p, wkv_gated_saved *s, const wkv_gated_mix *w,
                        const wkv_slot *slot, real *x)
{
    const wkv_dev *d = p->exec.dev;
    size_t size = wkv_pass_size(p, WKV_DIM_C);
    const real *normed = wkv_norm(p, &s->ln, x, w->ln_w, w->ln_b);
    const wkv_weight *mu[] = {w->mix_k, w->mix_r};
    s->prev = wkv_shift(p, normed, slot);
    wkv_shift_mixes(p, s->x, s->prev, normed, mu, 2, w->mode);
    s->v = wkv_keep(p, WKV_DIM_C);
    wkv_relu2_mlp(p, &s->mlp, s->v, s->x[MIX_K], w->key, w->value, false);
    s->r = wkv_project(p, s->x[MIX_R], w->receptance);
    real *gated = wkv_temp(p, WKV_DIM_C), *out = wkv_residual(p, x);
    d->gate(&p->exec, gated, s->r, s->v, size);
    d->add(&p->exec, out, gated, size);
    return out;
}

void wkv_gated_mix_bwd(wkv_pass *p, const wkv_gated_saved *s, const wkv_gated_mix *w,
                       const wkv_slot *dslot, real *dx)
{
    const wkv_dev *d = p->exec.dev;
    size_t mark = wkv_arena_mark(p->exec.scratch);
    real *dr = wkv_temp(p, WKV_DIM_C), *dv = wkv_temp(p, WKV_DIM_C);
    real *dk = wkv_temp(p, WKV_DIM_C), *dmix_r = wkv_temp(p, WKV_DIM_C);
    d->gate_bwd(&p->exec, dr, dv, dx, s->r, s->v, wkv_pass_size(p, WKV_DIM_C));
    wkv_relu2_mlp_bwd(p, &s->mlp, dk, dv, s->x[MIX_K], w->key, w->value);
    d->matmul_bwd(&p->exec, dmix_r, dr, s->x[MIX_R], w->receptance, wkv_pass_rows(p), false);
    const real *const dmix[] = {dk, dmix_r};
    const wkv_weight *mu[] = {w->mix_k, w->mix_r};
    wkv_shift_mixes_bwd(p, dx, dmix, s->prev, &s->ln, w->ln_w, w->ln_b, mu, 2, dslot, w->mode);
    wkv_arena_reset(p->exec.scratch, mark);
}

/* ---- head ------------------------------------------------------------------------------------ */

void wkv_head(wkv_exec *x, const wkv_weights *w, real *logits, const real *hidden, int rows)
{
    const wkv_frame *f = wkv_frame_of(w);
    x->dev->matmul(x, logits, hidden, &f->head, rows, false);
    if (f->head_b.data != NULL)
        x->dev->bias(x, logits, &f->head_b, rows);
}

void wkv_head_bwd(wkv_exec *x, const wkv_weights *w, real *dhidden, const real *dlogits,
                  const real *hidden, int rows)
{
    const wkv_frame *f = wkv_frame_of(w);
    x->dev->matmul_bwd(x, dhidden, dlogits, hidden, &f->head, rows, false);
    x->dev->bias_bwd(x, dlogits, &f->head_b, rows);
}
