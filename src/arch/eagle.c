/* arch/eagle.c - see eagle.h. */
#include "arch/eagle.h"

#include <math.h>

static wkv_wkv6_in recurrence_of(const wkv_pass *p, const wkv_eagle_in *in)
{
    return (wkv_wkv6_in){
        .r = in->r,
        .w = in->w,
        .k = in->k,
        .v = in->v,
        .u = in->u,
        .N = p->cfg->dim[WKV_DIM_N],
        .stride = p->cfg->dim[WKV_DIM_A],
        .w_stride = in->w_stride,
    };
}

static wkv_gn_gate gate_of(const wkv_pass *p, const wkv_eagle_saved *s, const wkv_eagle_in *in)
{
    return (wkv_gn_gate){
        .y = s->y, .g = in->g, .z = s->z, .stat = s->stat, .eps = (real)p->cfg->gn_eps};
}

void wkv_eagle_fwd(wkv_pass *p, wkv_eagle_saved *s, const wkv_eagle_in *in, int l)
{
    int rows = wkv_pass_rows(p), A = p->cfg->dim[WKV_DIM_A], N = p->cfg->dim[WKV_DIM_N];
    bool training = p->tape != NULL;
    s->y = wkv_keep(p, WKV_DIM_A);
    s->z = wkv_cheap(p, WKV_DIM_A);
    s->keep = training ? wkv_pass_keep(p, wkv_wkv7_keep_size(&p->seqs, A / N, N)) : NULL;
    s->stat = training ? wkv_pass_keep_exact(p, 2 * (size_t)rows * (size_t)(A / N)) : NULL;
    wkv_wkv6_in recurrence = recurrence_of(p, in);
    wkv_gn_gate gate = gate_of(p, s, in);
    wkv_slot slot = wkv_matrix_slot(p, p->state, l, WKV_MEMORY);
    p->exec.dev->wkv6(&p->exec, s->y, s->keep, &recurrence, &p->seqs, &slot);
    p->exec.dev->gn_gate(&p->exec, &gate, in->ln_w, in->ln_b, rows, A, N);
}

void wkv_eagle_bwd(wkv_pass *p, wkv_eagle_grad *g, const wkv_eagle_saved *s, const wkv_eagle_in *in,
                   const real *dz, int l)
{
    int rows = wkv_pass_rows(p), A = p->cfg->dim[WKV_DIM_A], N = p->cfg->dim[WKV_DIM_N];
    g->dr = wkv_temp(p, WKV_DIM_A);
    g->dk = wkv_temp(p, WKV_DIM_A);
    g->dv = wkv_temp(p, WKV_DIM_A);
    g->dw = wkv_temp(p, WKV_DIM_A);
    g->du = wkv_pass_temp(p, (size_t)A);
    g->dg = in->g != NULL ? wkv_temp(p, WKV_DIM_A) : NULL;
    real *dy = wkv_temp(p, WKV_DIM_A);
    wkv_gn_gate gate = gate_of(p, s, in);
    wkv_gn_gate_grad gate_grad = {.dz = dz, .dy = dy, .dg = g->dg};
    p->exec.dev->gn_gate_bwd(&p->exec, &gate_grad, &gate, in->ln_w, in->ln_b, rows, A, N);
    wkv_wkv6_in recurrence = recurrence_of(p, in);
    wkv_wkv6_grad grad = {g->dr, g->dw, g->dk, g->dv, g->du};
    wkv_slot dslot = wkv_matrix_slot(p, p->dstate, l, WKV_MEMORY);
    p->exec.dev->wkv6_bwd(&p->exec, &grad, dy, s->keep, &recurrence, &p->seqs, &dslot);
}

/* ---- initial values ------------------------------------------------------------------ */

/* c/(C-1) */
static double place(const wkv_init *i, int c)
{
    return i->cols > 1 ? (double)c / (i->cols - 1) : 0.0;
}

wkv_status wkv_init_eagle_decay(real *w, const wkv_init *i)
{
    double power = 0.7 + 1.3 * wkv_init_ratio_0_to_1(i);
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(-6.0 + 5.0 * pow(place(i, c), power));
    return WKV_OK;
}

wkv_status wkv_init_eagle_bonus(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(wkv_init_ratio_0_to_1(i) * (1.0 - place(i, c)) + 0.1 * ((c + 1) % 3 - 1));
    return WKV_OK;
}

int wkv_eagle_ffn(int C)
{
    int F = (int)(3.5 * C) / 32 * 32;
    return F > 0 ? F : 32;
}
