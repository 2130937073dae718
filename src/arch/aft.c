/* arch/aft.c - AFT: the tables of its four variants, recognition, shape, state and initial
 * values. */
#include "arch/aft.h"

#include <string.h>

/* ---- initial values (docs/math/aft.md) ---------------------------------------------- */

/* Of the factors of positions: their products start as good as 0. */
static const double position_deviation = 0.01;

enum { POSITION_RANK = 128 };

static wkv_status fill_normal(real *w, const wkv_init *i, double deviation)
{
    for (size_t j = 0; j < (size_t)i->rows * (size_t)i->cols; j++)
        w[j] = (real)(deviation * wkv_rng_normal(i->rng));
    return WKV_OK;
}

static wkv_status init_position(real *w, const wkv_init *i)
{
    return fill_normal(w, i, position_deviation);
}

static wkv_status init_normal(real *w, const wkv_init *i)
{
    return fill_normal(w, i, 1.0);
}

/* Orthogonal, of RWKV-4's size for F = 4 C. */
static wkv_status init_ffn_key(real *w, const wkv_init *i)
{
    return wkv_init_orthogonal(w, i, 2.0);
}

/* ---- the tables ------------------------------------------------------------------------ */

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, wkv_init_emb)};
static const wkv_param simple_layer[] = {AFT_LAYER(WKV_ROW)};
static const wkv_param local_layer[] = {AFT_LAYER(WKV_ROW) AFT_LOCAL(WKV_ROW)};
static const wkv_param conv_layer[] = {AFT_LAYER(WKV_ROW) AFT_CONV(WKV_ROW)};
static const wkv_param full_layer[] = {AFT_LAYER(WKV_ROW) AFT_FULL(WKV_ROW)};

/* ---- recognition ----------------------------------------------------------------------- */

/* The parameters that only one variant has; aft-simple has none. */
static const char *const marks[] = {"blocks.0.att.position_bias", "blocks.0.att.position_kernel",
                                    "blocks.0.att.position_u"};

static int probe_mark(const wkv_store *file, const char *mark)
{
    if (wkv_store_find(file, "blocks.0.att.query.weight") == NULL)
        return 0;
    for (size_t i = 0; mark == NULL && i < sizeof marks / sizeof marks[0]; i++)
        if (wkv_store_find(file, marks[i]) != NULL)
            return 0;
    return mark == NULL || wkv_store_find(file, mark) != NULL ? 100 : 0;
}

static int probe_simple(const wkv_store *file)
{
    return probe_mark(file, NULL);
}

static int probe_local(const wkv_store *file)
{
    return probe_mark(file, marks[0]);
}

static int probe_conv(const wkv_store *file)
{
    return probe_mark(file, marks[1]);
}

static int probe_full(const wkv_store *file)
{
    return probe_mark(file, marks[2]);
}

/* ---- shape ------------------------------------------------------------------------------ */

static void shape(wkv_config *cfg)
{
    cfg->dim[WKV_DIM_F] = 4 * cfg->dim[WKV_DIM_C];
    if (cfg->arch == &wkv_arch_aft_full)
        cfg->dim[WKV_DIM_RP] = POSITION_RANK;
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    (void)file;
    const int A = cfg->dim[WKV_DIM_A], H = cfg->dim[WKV_DIM_H];
    if (cfg->dim[WKV_DIM_S] > WKV_MAX_REACH || cfg->dim[WKV_DIM_POS] > WKV_MAX_REACH)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "a window of %d and %d positions: more than %d of either are not supported",
                 cfg->dim[WKV_DIM_S], cfg->dim[WKV_DIM_POS], WKV_MAX_REACH);
    if (!cfg->arch->has_heads)
        return WKV_OK;
    if (A % H != 0)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "%d heads (position_gain) do not divide the width %d of att.key.weight", H, A);
    cfg->dim[WKV_DIM_N] = A / H;
    return WKV_OK;
}

/* ---- state ------------------------------------------------------------------------------ */

static size_t state_size(const wkv_config *cfg)
{
    return aft_slot(cfg, NULL, cfg->layers, AFT_MEMORY).offset;
}

/* p is an exponent: the empty sum is e^-1e30, not e^0. */
static void state_init(const wkv_config *cfg, real *state)
{
    memset(state, 0, state_size(cfg) * sizeof *state);
    size_t A = (size_t)cfg->dim[WKV_DIM_A];
    for (int l = 0; l < cfg->layers; l++)
        for (size_t c = 0; c < A; c++)
            state[aft_slot(cfg, NULL, l, AFT_MEMORY).offset + 2 * A + c] = REAL_C(-1e30);
}

/* ---- the variants ----------------------------------------------------------------------- */

#define VARIANT(id, text, heads, bounded) \
    const wkv_arch wkv_arch_aft_##id = { \
        .name = text, \
        .has_heads = heads, \
        .is_bounded = bounded, \
        WKV_ARCH_PARAMS(once, id##_layer), \
        .saved_once = sizeof(wkv_frame_saved), \
        .saved_layer = sizeof(aft_saved), \
        .probe = probe_##id, \
        .shape = shape, \
        .finish = finish, \
        .state_size = state_size, \
        .state_init = state_init, \
        .forward = wkv_aft_forward, \
        .backward = wkv_aft_backward, \
    };

VARIANT(simple, "aft-simple", false, false)
VARIANT(local, "aft-local", false, false)
VARIANT(conv, "aft-conv", true, false)
VARIANT(full, "aft-full", false, true)
