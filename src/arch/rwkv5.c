/* arch/rwkv5.c - RWKV-5: its table, recognition and shape. */
#include "arch/rwkv5.h"

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, wkv_init_emb)};
static const wkv_param layer[] = {RWKV5_LAYER(WKV_ROW)};

static int probe(const wkv_store *file)
{
    return wkv_store_find(file, "blocks.0.att.ln_x.weight") != NULL &&
                   wkv_store_find(file, "blocks.0.att.time_mix_k") != NULL
               ? 100
               : 0;
}

/* A new model is 5.2: a decay for every channel. */
static void shape(wkv_config *cfg)
{
    cfg->dim[WKV_DIM_D] = cfg->dim[WKV_DIM_N];
    cfg->dim[WKV_DIM_F] = wkv_eagle_ffn(cfg->dim[WKV_DIM_C]);
}

static bool has(const wkv_store *file, const char *name)
{
    return wkv_store_find(file, name) != NULL;
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    int H = cfg->dim[WKV_DIM_H], A = cfg->dim[WKV_DIM_A], D = cfg->dim[WKV_DIM_D];
    cfg->dim[WKV_DIM_N] = A / H; /* no tensor of 5.0 and 5.1 mentions it */
    if (D != 1 && D != cfg->dim[WKV_DIM_N])
        WKV_FAIL(err, WKV_E_SHAPE, "blocks.0.att.time_decay has %d values a head, expected 1 or %d",
                 D, cfg->dim[WKV_DIM_N]);
    for (int l = 0; file != NULL && l < cfg->layers; l++) {
        char faaaa[WKV_NAME_MAX], first[WKV_NAME_MAX], gate[WKV_NAME_MAX], mix[WKV_NAME_MAX];
        wkv_param_name(faaaa, &(wkv_param){.name = "blocks.%d.att.time_faaaa"}, l);
        wkv_param_name(first, &(wkv_param){.name = "blocks.%d.att.time_first"}, l);
        wkv_param_name(gate, &(wkv_param){.name = "blocks.%d.att.gate.weight"}, l);
        wkv_param_name(mix, &(wkv_param){.name = "blocks.%d.att.time_mix_g"}, l);
        if (has(file, faaaa) == has(file, first))
            WKV_FAIL(err, WKV_E_MISSING, "expected one of %s and %s, found %s", faaaa, first,
                     has(file, faaaa) ? "both" : "neither");
        if (has(file, gate) != has(file, mix))
            WKV_FAIL(err, WKV_E_MISSING, "%s and %s: expected both or neither, found one", gate,
                     mix);
    }
    return wkv_matrix_check(cfg, err);
}

const wkv_arch wkv_arch_rwkv5 = {
    .name = "rwkv5",
    .has_heads = true,
    WKV_ARCH_PARAMS(once, layer),
    .saved_once = sizeof(wkv_frame_saved),
    .saved_layer = sizeof(rwkv5_saved),
    .probe = probe,
    .shape = shape,
    .finish = finish,
    .state_size = wkv_matrix_state_size,
    .state_init = wkv_matrix_state_init,
    .forward = wkv_rwkv5_forward,
    .backward = wkv_rwkv5_backward,
};
