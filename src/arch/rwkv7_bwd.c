/* arch/rwkv7_bwd.c - RWKV-7 backward: rwkv7_fwd.c in reverse.
 * Gradient rule: parameters +=, activations =, the residual stream dx +=. */
#include "arch/rwkv7.h"

/* Gradients that meet in the row-wise parts; (rows, A) each. */
typedef struct gradients {
    real *dr, *dk, *dv, *dg; /* of r, g, and the recurrence's k, v, bonus included */
    real *dw, *da, *db;      /* of its other inputs */
    real *dk_in, *dv_in, *dw_raw, *da_raw, *dv_raw;
} gradients;

/* Through the gate, bonus and norm, then the recurrence. */
static void recur_bwd(wkv_pass *p, const rwkv7_layer *w, const rwkv7_saved *s, gradients *g,
                      const real *dz, int l)
{
    const wkv_dev *d = p->exec.dev;
    int A = p->cfg->dim[WKV_DIM_A], N = p->cfg->dim[WKV_DIM_N];
    size_t size = wkv_pass_size(p, WKV_DIM_A);
    g->dr = wkv_temp(p, WKV_DIM_A);
    g->dk = wkv_temp(p, WKV_DIM_A);
    g->dv = wkv_temp(p, WKV_DIM_A);
    g->dg = wkv_temp(p, WKV_DIM_A);
    g->dw = wkv_temp(p, WKV_DIM_A);
    g->da = wkv_temp(p, WKV_DIM_A);
    g->db = wkv_temp(p, WKV_DIM_A);

    size_t mark = wkv_arena_mark(p->exec.scratch);
    real *dy = wkv_temp(p, WKV_DIM_A);
    wkv_rwkv7_out out = rwkv7_out_of(p, s);
    wkv_rwkv7_out_weights ow = rwkv7_out_weights(w);
    wkv_rwkv7_out_grad og = {
        .dz = dz, .dy = dy, .dr = g->dr, .dk = g->dk, .dv = g->dv, .dg = g->dg};
    d->rwkv7_out_bwd(&p->exec, &og, &out, &ow, wkv_pass_rows(p), A, N);

    wkv_wkv7_in in = rwkv7_recurrence(p, s);
    wkv_wkv7_grad wg = {wkv_temp(p, WKV_DIM_A), g->dw, wkv_temp(p, WKV_DIM_A),
                        wkv_temp(p, WKV_DIM_A), g->da, g->db};
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_MEMORY);
    d->wkv7_bwd(&p->exec, &wg, dy, s->keep, &in, &p->seqs, &dslot);
    d->add(&p->exec, g->dr, wg.dr, size);
    d->add(&p->exec, g->dk, wg.dk, size);
    d->add(&p->exec, g->dv, wg.dv, size);
    wkv_arena_reset(p->exec.scratch, mark);
}

/* p->dfirst gathers what the later layers give to layer 0's v. */
static void prepare_bwd(wkv_pass *p, const rwkv7_layer *w, const rwkv7_saved *s, gradients *g,
                        bool first)
{
    int A = p->cfg->dim[WKV_DIM_A], N = p->cfg->dim[WKV_DIM_N];
    g->dk_in = wkv_temp(p, WKV_DIM_A);
    g->dv_in = wkv_temp(p, WKV_DIM_A);
    g->dw_raw = wkv_temp(p, WKV_DIM_A);
    g->da_raw = wkv_temp(p, WKV_DIM_A);
    g->dv_raw = first ? NULL : wkv_temp(p, WKV_DIM_A);
    wkv_rwkv7_prep prep = rwkv7_prep_of(s, first ? NULL : p->first);
    wkv_rwkv7_prep_weights pw = rwkv7_prep_weights(w);
    wkv_rwkv7_prep_grad pg = {
        .dw = g->dw,
        .dk = g->dk,
        .dv = g->dv,
        .da = g->da,
        .db = g->db,
        .dk_in = g->dk_in,
        .dv_in = g->dv_in,
        .dw_raw = g->dw_raw,
        .da_raw = g->da_raw,
        .dv_raw = g->dv_raw,
        .dv_first = first ? NULL : p->dfirst,
    };
    p->exec.dev->rwkv7_prep_bwd(&p->exec, &pg, &prep, &pw, wkv_pass_rows(p), A, N);
    if (first)
        p->exec.dev->add(&p->exec, g->dv_in, p->dfirst, wkv_pass_size(p, WKV_DIM_A));
}

/* Through the products to the gradients of the six mixed inputs. */
static void project_bwd(wkv_pass *p, const rwkv7_layer *w, const rwkv7_saved *s, const gradients *g,
                        real *dx[MIXES])
{
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    wkv_low low_w = rwkv7_low_w(w), low_a = rwkv7_low_a(w);
    wkv_low low_v = rwkv7_low_v(w), low_g = rwkv7_low_g(w);
    d->matmul_bwd(&p->exec, dx[MIX_R], g->dr, s->x[MIX_R], &w->receptance, rows, false);
    d->matmul_bwd(&p->exec, dx[MIX_K], g->dk_in, s->x[MIX_K], &w->key, rows, false);
    d->matmul_bwd(&p->exec, dx[MIX_V], g->dv_in, s->x[MIX_V], &w->value, rows, false);
    wkv_low_bwd(p, &low_w, dx[MIX_W], g->dw_raw, s->w_low, s->x[MIX_W], false);
    wkv_low_bwd(p, &low_a, dx[MIX_A], g->da_raw, s->a_low, s->x[MIX_A], false);
    wkv_low_bwd(p, &low_g, dx[MIX_G], g->dg, s->g_low, s->x[MIX_G], false);
    if (g->dv_raw != NULL)
        wkv_low_bwd(p, &low_v, dx[MIX_V], g->dv_raw, s->v_low, s->x[MIX_V], true);
}

static void time_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv7_layer *w = wkv_layer_at(p, l);
    const rwkv7_saved *s = wkv_saved_at(p, l);
    const wkv_dev *d = p->exec.dev;
    size_t mark = wkv_arena_mark(p->exec.scratch);

    gradients g;
    real *dz = wkv_temp(p, WKV_DIM_A);
    d->matmul_bwd(&p->exec, dz, dx, s->z, &w->output, wkv_pass_rows(p), false);
    recur_bwd(p, w, s, &g, dz, l);
    prepare_bwd(p, w, s, &g, l == 0);

    real *dmix[MIXES];
    for (int j = 0; j < MIXES; j++)
        dmix[j] = wkv_temp(p, WKV_DIM_C);
    project_bwd(p, w, s, &g, dmix);

    const real *const dy[MIXES] = {dmix[0], dmix[1], dmix[2], dmix[3], dmix[4], dmix[5]};
    const wkv_weight *mu[MIXES] = {&w->x_r, &w->x_w, &w->x_k, &w->x_v, &w->x_a, &w->x_g};
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_ATT_SHIFT);
    wkv_shift_mixes_bwd(p, dx, dy, s->att_prev, &s->ln1, &w->ln1_w, &w->ln1_b, mu, MIXES, &dslot,
                        WKV_SHIFT_PREVIOUS);
    wkv_arena_reset(p->exec.scratch, mark);
}

static void channel_mix_bwd(wkv_pass *p, int l, real *dx)
{
    const rwkv7_layer *w = wkv_layer_at(p, l);
    const rwkv7_saved *s = wkv_saved_at(p, l);
    size_t mark = wkv_arena_mark(p->exec.scratch);
    real *dmix = wkv_temp(p, WKV_DIM_C);
    wkv_relu2_mlp_bwd(p, &s->mlp, dmix, dx, s->ffn_x, &w->ffn_key, &w->ffn_value);
    const real *const dy[] = {dmix};
    const wkv_weight *mu[] = {&w->ffn_x_k};
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_FFN_SHIFT);
    wkv_shift_mixes_bwd(p, dx, dy, s->ffn_prev, &s->ln2, &w->ln2_w, &w->ln2_b, mu, 1, &dslot,
                        WKV_SHIFT_PREVIOUS);
    wkv_arena_reset(p->exec.scratch, mark);
}

void wkv_rwkv7_backward(wkv_pass *p, int l, real *dx)
{
    channel_mix_bwd(p, l, dx);
    time_mix_bwd(p, l, dx);
}
