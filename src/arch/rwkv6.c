/* arch/rwkv6.c - RWKV-6: its table, recognition, shape and initial values. */
#include "arch/rwkv6.h"

/* ---- initial values: RWKV-5's mixes, counted from the other end ---------------------- */

static wkv_status one_minus(real *w, const wkv_init *i,
                            wkv_status (*fill)(real *, const wkv_init *))
{
    wkv_status s = fill(w, i);
    for (int c = 0; c < i->cols; c++)
        w[c] = 1 - w[c];
    return s;
}

static wkv_status init_maa_k(real *w, const wkv_init *i)
{
    return one_minus(w, i, wkv_init_mix_k);
}

static wkv_status init_maa_v(real *w, const wkv_init *i)
{
    return one_minus(w, i, wkv_init_mix_v);
}

static wkv_status init_maa_r(real *w, const wkv_init *i)
{
    return one_minus(w, i, wkv_init_mix_r);
}

/* U(-0.01, 0.01) */
static wkv_status init_low_b(real *w, const wkv_init *i)
{
    for (size_t j = 0; j < (size_t)i->rows * (size_t)i->cols; j++)
        w[j] = (real)(0.01 * (2.0 * wkv_rng_uniform(i->rng) - 1.0));
    return WKV_OK;
}

/* ---- the tables --------------------------------------------------------------------------- */

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, wkv_init_emb)};
static const wkv_param layer[] = {RWKV6_LAYER(WKV_ROW)};

/* ---- recognition and shape ------------------------------------------------------------------ */

static int probe(const wkv_store *file)
{
    return wkv_store_find(file, "blocks.0.att.time_maa_x") != NULL ? 100 : 0;
}

/* Ranks of the reference: 32 and 64, twice that from width 4096 on. */
static void shape(wkv_config *cfg)
{
    int C = cfg->dim[WKV_DIM_C], large = C >= 4096 ? 2 : 1;
    cfg->dim[WKV_DIM_F] = wkv_eagle_ffn(C);
    cfg->dim[WKV_DIM_M] = MIXES;
    cfg->dim[WKV_DIM_RM] = 32 * large;
    cfg->dim[WKV_DIM_MRM] = MIXES * cfg->dim[WKV_DIM_RM];
    cfg->dim[WKV_DIM_RW] = 64 * large;
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    (void)file;
    int M = cfg->dim[WKV_DIM_M], RM = cfg->dim[WKV_DIM_RM], all = cfg->dim[WKV_DIM_MRM];
    if (M != MIXES || (int64_t)M * RM != all)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "blocks.0.att.time_maa_w2 has %d mixes of rank %d, time_maa_w1 %d columns, "
                 "expected %d mixes and as many columns as ranks",
                 M, RM, all, MIXES);
    return wkv_matrix_check(cfg, err);
}

const wkv_arch wkv_arch_rwkv6 = {
    .name = "rwkv6",
    .has_heads = true,
    WKV_ARCH_PARAMS(once, layer),
    .saved_once = sizeof(wkv_frame_saved),
    .saved_layer = sizeof(rwkv6_saved),
    .probe = probe,
    .shape = shape,
    .finish = finish,
    .state_size = wkv_matrix_state_size,
    .state_init = wkv_matrix_state_init,
    .forward = wkv_rwkv6_forward,
    .backward = wkv_rwkv6_backward,
};
