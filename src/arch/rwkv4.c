/* arch/rwkv4.c - RWKV-4: its table, recognition, shape, state and initial values. */
#include "arch/rwkv4.h"

#include <math.h>
#include <string.h>

/* ---- initial values (docs/math/rwkv4.md) ------------------------------------------- */

/* U(-lr, lr): the embedding starts as small as one step could make it. */
static wkv_status init_emb(real *w, const wkv_init *i)
{
    for (size_t j = 0; j < (size_t)i->rows * (size_t)i->cols; j++)
        w[j] = (real)(i->lr * (2.0 * wkv_rng_uniform(i->rng) - 1.0));
    return WKV_OK;
}

/* Orthogonal, times the square root of rows/cols where there are more rows. */
static wkv_status init_matrix(real *w, const wkv_init *i)
{
    double ratio = (double)i->rows / i->cols;
    return wkv_init_orthogonal(w, i, ratio > 1.0 ? sqrt(ratio) : 1.0);
}

static wkv_status init_decay(real *w, const wkv_init *i)
{
    double power = 0.7 + 1.3 * wkv_init_ratio_0_to_1(i);
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(-5.0 + 8.0 * pow(i->cols > 1 ? (double)c / (i->cols - 1) : 0.0, power));
    return WKV_OK;
}

static wkv_status init_first(real *w, const wkv_init *i)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(log(0.3) + 0.5 * ((c + 1) % 3 - 1));
    return WKV_OK;
}

/* ---- the tables --------------------------------------------------------------------------- */

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, init_emb)};
static const wkv_param layer[] = {RWKV4_LAYER(WKV_ROW)};

/* ---- recognition and shape ------------------------------------------------------------------ */

static int probe(const wkv_store *file)
{
    return wkv_store_find(file, "blocks.0.att.time_mix_r") != NULL &&
                   wkv_store_find(file, "blocks.0.att.ln_x.weight") == NULL
               ? 100
               : 0;
}

static void shape(wkv_config *cfg)
{
    cfg->dim[WKV_DIM_F] = 4 * cfg->dim[WKV_DIM_C];
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    (void)cfg; /* the table says all there is to say */
    (void)file;
    (void)err;
    return WKV_OK;
}

/* ---- state ----------------------------------------------------------------------------------- */

static size_t state_size(const wkv_config *cfg)
{
    return (size_t)cfg->layers * wkv_layer_state(cfg, rwkv4_memory(cfg));
}

/* p is an exponent: the empty sum is e^-1e30, not e^0. */
static void state_init(const wkv_config *cfg, real *state)
{
    memset(state, 0, state_size(cfg) * sizeof *state);
    size_t A = (size_t)cfg->dim[WKV_DIM_A];
    for (int l = 0; l < cfg->layers; l++) {
        wkv_slot slot = wkv_layer_slot(cfg, rwkv4_memory(cfg), NULL, l, WKV_MEMORY);
        for (size_t c = 0; c < A; c++)
            state[slot.offset + 2 * A + c] = REAL_C(-1e30);
    }
}

const wkv_arch wkv_arch_rwkv4 = {
    .name = "rwkv4",
    WKV_ARCH_PARAMS(once, layer),
    .saved_once = sizeof(wkv_frame_saved),
    .saved_layer = sizeof(rwkv4_saved),
    .probe = probe,
    .shape = shape,
    .finish = finish,
    .state_size = state_size,
    .state_init = state_init,
    .forward = wkv_rwkv4_forward,
    .backward = wkv_rwkv4_backward,
};
