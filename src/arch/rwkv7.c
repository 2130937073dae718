/* arch/rwkv7.c - RWKV-7: its table, recognition, shape and initial values. */
#include "arch/rwkv7.h"

#include <math.h>

/* ---- initial values (docs/math/rwkv7.md); c is the channel of C, l the layer of L ------ */

/* 1 - (c/C)^(power (1 - l/L)) */
static wkv_status init_mix(real *w, const wkv_init *i, double power)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(1.0 - pow((double)c / i->cols, power * wkv_init_ratio_1_to_0(i)));
    return WKV_OK;
}

static wkv_status init_x_rg(real *w, const wkv_init *i)
{
    return init_mix(w, i, 0.2);
}

static wkv_status init_x_wa(real *w, const wkv_init *i)
{
    return init_mix(w, i, 0.9);
}

static wkv_status init_x_kv(real *w, const wkv_init *i)
{
    return init_mix(w, i, 0.7);
}

/* 1 - (c/C)^((1 - l/L)^4) */
static wkv_status init_ffn_x_k(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(1.0 - pow((double)c / i->cols, pow(wkv_init_ratio_1_to_0(i), 4.0)));
    return WKV_OK;
}

/* c/(C-1) - 1/2, from -1/2 to 1/2 */
static double linear(const wkv_init *i, int c)
{
    return i->cols > 1 ? (double)c / (i->cols - 1) - 0.5 : 0.0;
}

/* z |z| with z running from -1 to 1 inside each head */
static double zigzag(const wkv_init *i, int c)
{
    int N = i->cfg->dim[WKV_DIM_N];
    double half = (N - 1) / 2.0;
    double z = N > 1 ? (c % N - half) / half : 0.0;
    return z * fabs(z);
}

static wkv_status init_w0(real *w, const wkv_init *i)
{
    double power = 1.0 + pow(wkv_init_ratio_0_to_1(i), 0.3);
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(-6.0 + 6.0 * pow(linear(i, c) + 0.5, power) + 0.5 + 2.5 * zigzag(i, c));
    return WKV_OK;
}

static wkv_status init_a0(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(-0.19 + 0.3 * zigzag(i, c) + 0.4 * linear(i, c));
    return WKV_OK;
}

static wkv_status init_v0(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(0.73 - 0.4 * linear(i, c));
    return WKV_OK;
}

static wkv_status init_k_k(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(0.71 - 0.1 * linear(i, c));
    return WKV_OK;
}

static wkv_status fill(real *w, const wkv_init *i, double value)
{
    for (int c = 0; c < i->rows * i->cols; c++)
        w[c] = (real)value;
    return WKV_OK;
}

static wkv_status init_k_a(real *w, const wkv_init *i)
{
    return fill(w, i, 1.02);
}

static wkv_status init_r_k(real *w, const wkv_init *i)
{
    return fill(w, i, -0.04);
}

/* Orthogonal, 0.1 times the square root of rows/cols where there are more rows. */
static wkv_status init_low_b(real *w, const wkv_init *i)
{
    double ratio = (double)i->rows / i->cols;
    return wkv_init_orthogonal(w, i, 0.1 * (ratio > 1.0 ? sqrt(ratio) : 1.0));
}

/* ---- the tables --------------------------------------------------------------------------- */

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, wkv_init_emb)};
static const wkv_param layer[] = {RWKV7_LAYER(WKV_ROW)};

/* ---- recognition and shape ------------------------------------------------------------------ */

static int probe(const wkv_store *file)
{
    return wkv_store_find(file, "blocks.0.att.r_k") != NULL ? 100 : 0;
}

/* max(32, 32 round(factor sqrt(C) / 32)), ties to even as the reference rounds. */
static int rank_of(int C, double factor)
{
    int rank = 32 * (int)rint(factor * sqrt((double)C) / 32.0);
    return rank > 32 ? rank : 32;
}

static void shape(wkv_config *cfg)
{
    int C = cfg->dim[WKV_DIM_C];
    cfg->dim[WKV_DIM_F] = 4 * C;
    cfg->dim[WKV_DIM_RW] = cfg->dim[WKV_DIM_RA] = rank_of(C, 2.5);
    cfg->dim[WKV_DIM_RV] = rank_of(C, 1.7);
    cfg->dim[WKV_DIM_RG] = rank_of(C, 5.0);
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    (void)file;
    return wkv_matrix_check(cfg, err);
}

const wkv_arch wkv_arch_rwkv7 = {
    .name = "rwkv7",
    .has_heads = true,
    WKV_ARCH_PARAMS(once, layer),
    .saved_once = sizeof(wkv_frame_saved),
    .saved_layer = sizeof(rwkv7_saved),
    .probe = probe,
    .shape = shape,
    .finish = finish,
    .state_size = wkv_matrix_state_size,
    .state_init = wkv_matrix_state_init,
    .first = WKV_DIM_A, /* layer 0's v, which every later one mixes into its own */
    .forward = wkv_rwkv7_forward,
    .backward = wkv_rwkv7_backward,
};
