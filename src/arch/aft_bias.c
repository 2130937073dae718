/* arch/aft_bias.c - AFT's weights of positions, w in aft.h: all that its variants differ in.
 * Forward and backward of each stand together. */
#include "arch/aft.h"

static bool is_full(const wkv_config *cfg)
{
    return cfg->arch == &wkv_arch_aft_full;
}

static bool is_local(const wkv_config *cfg)
{
    return cfg->arch == &wkv_arch_aft_local;
}

static bool is_conv(const wkv_config *cfg)
{
    return cfg->arch == &wkv_arch_aft_conv;
}

/* n whole numbers that live as long as wkv_pass_keep_exact's. */
static int32_t *keep_ints(wkv_pass *p, size_t n)
{
    return wkv_arena_alloc(p->tape != NULL ? p->tape : p->exec.scratch, n * sizeof(int32_t));
}

/* ---- forward ---------------------------------------------------------------------------- */

static void local_bias(wkv_pass *p, aft_saved *s, const aft_local *w)
{
    s->bias = wkv_pass_keep_exact(p, wkv_pass_size(p, WKV_DIM_S));
    p->exec.dev->embed(&p->exec, s->bias, &w->bias, s->place, wkv_pass_rows(p));
}

static void conv_bias(wkv_pass *p, aft_saved *s, const aft_conv *w)
{
    s->bias = wkv_pass_keep_exact(p, (size_t)w->kernel.cols);
    p->exec.dev->aft_kernel(&p->exec, s->bias, &w->kernel, &w->gain, &w->offset);
}

/* Row t is u_t . z_i for all i. */
static void full_bias(wkv_pass *p, aft_saved *s, const aft_full *w)
{
    s->u = wkv_keep(p, WKV_DIM_RP);
    p->exec.dev->embed(&p->exec, s->u, &w->u, s->place, wkv_pass_rows(p));
    wkv_product bias = wkv_kept_exact(p, &s->bias, s->u, &w->z);
    wkv_products(p, &bias, 1);
}

void wkv_aft_bias(wkv_pass *p, aft_saved *s, int l)
{
    const wkv_config *cfg = p->cfg;
    int last = cfg->dim[WKV_DIM_POS] - 1; /* beyond it the last position stands for all */
    wkv_slot slot = aft_slot(cfg, p->state, l, AFT_POSITION);
    s->bias = s->u = NULL;
    s->start = keep_ints(p, (size_t)p->seqs.n);
    s->place = last >= 0 ? keep_ints(p, (size_t)wkv_pass_rows(p)) : NULL;
    p->exec.dev->aft_place(&p->exec, s->start, s->place, last, aft_window(cfg), &p->seqs, &slot);
    if (is_local(cfg))
        local_bias(p, s, aft_own(p, l));
    else if (is_conv(cfg))
        conv_bias(p, s, aft_own(p, l));
    else if (is_full(cfg))
        full_bias(p, s, aft_own(p, l));
}

wkv_aft wkv_aft_inputs(const wkv_pass *p, const aft_saved *s)
{
    const wkv_config *cfg = p->cfg;
    return (wkv_aft){
        .k = s->k,
        .v = s->v,
        .bias = s->bias,
        .start = s->start,
        .C = cfg->dim[WKV_DIM_A],
        .H = is_conv(cfg) ? cfg->dim[WKV_DIM_H] : 1,
        .window = aft_window(cfg),
        .bias_rows = !is_conv(cfg),
        .by_place = is_full(cfg),
    };
}

/* ---- backward --------------------------------------------------------------------------- */

static void conv_bias_bwd(wkv_pass *p, const real *dbias, const aft_conv *w)
{
    const wkv_dev *d = p->exec.dev;
    size_t n = (size_t)w->kernel.cols;
    real *sum = wkv_pass_temp(p, n);
    d->zero(&p->exec, sum, n);
    d->colsum(&p->exec, sum, dbias, wkv_pass_rows(p), n);
    d->aft_kernel_bwd(&p->exec, sum, &w->kernel, &w->gain, &w->offset);
}

static void full_bias_bwd(wkv_pass *p, const aft_saved *s, const real *dbias, const aft_full *w)
{
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_pass_rows(p);
    real *du = wkv_temp(p, WKV_DIM_RP);
    d->matmul_bwd(&p->exec, du, dbias, s->u, &w->z, rows, false);
    d->embed_bwd(&p->exec, du, &w->u, s->place, rows);
}

void wkv_aft_bias_bwd(wkv_pass *p, const aft_saved *s, real *dbias, int l)
{
    wkv_slot dslot = aft_slot(p->cfg, p->dstate, l, AFT_POSITION);
    if (is_local(p->cfg)) {
        const aft_local *w = aft_own(p, l);
        p->exec.dev->embed_bwd(&p->exec, dbias, &w->bias, s->place, wkv_pass_rows(p));
    } else if (is_conv(p->cfg)) {
        conv_bias_bwd(p, dbias, aft_own(p, l));
    } else if (is_full(p->cfg)) {
        full_bias_bwd(p, s, dbias, aft_own(p, l));
    }
    p->exec.dev->aft_place_bwd(&p->exec, &p->seqs, &dslot);
}
