/* arch/rwkv4.h - RWKV-4 "Dove" (arXiv 2305.13048): its parameters, and what its forward
 * keeps for its backward.  Shared by rwkv4.c, rwkv4_fwd.c and rwkv4_bwd.c alone.
 * A layer's memory is a, b, p (A each). */
#ifndef WKV_ARCH_RWKV4_H
#define WKV_ARCH_RWKV4_H

#include "arch/blocks.h"

#define RWKV4_LAYER(P) \
    P(ln1_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln1_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln2_w, "blocks.%d.ln2.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln2_b, "blocks.%d.ln2.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(decay, "blocks.%d.att.time_decay", LAYER, VEC, A, 1, 1, REQUIRED, 2, init_decay) \
    P(first, "blocks.%d.att.time_first", LAYER, VEC, A, 1, 1, REQUIRED, 3, init_first) \
    P(mix_k, "blocks.%d.att.time_mix_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(mix_v, "blocks.%d.att.time_mix_v", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_v) \
    P(mix_r, "blocks.%d.att.time_mix_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_r) \
    P(key, "blocks.%d.att.key.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_zero) \
    P(value, "blocks.%d.att.value.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, init_matrix) \
    P(receptance, "blocks.%d.att.receptance.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, \
      wkv_init_zero) \
    P(output, "blocks.%d.att.output.weight", LAYER, MAT, C, A, 1, REQUIRED, 1, wkv_init_zero) \
    P(ffn_mix_k, "blocks.%d.ffn.time_mix_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_mix_r, "blocks.%d.ffn.time_mix_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_key, "blocks.%d.ffn.key.weight", LAYER, MAT, F, C, 1, REQUIRED, 1, init_matrix) \
    P(ffn_receptance, "blocks.%d.ffn.receptance.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, \
      wkv_init_zero) \
    P(ffn_value, "blocks.%d.ffn.value.weight", LAYER, MAT, C, F, 1, REQUIRED, 1, wkv_init_zero)

typedef struct rwkv4_layer {
    RWKV4_LAYER(WKV_FIELD)
} rwkv4_layer;

/* The mixed inputs of time mixing. */
enum { MIX_K, MIX_V, MIX_R, MIXES };

/* One layer's record; (rows, C) or (rows, A) unless said otherwise. */
typedef struct rwkv4_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln1;
    real *prev;          /* (B, C): x' of each sequence's first token */
    real *x[MIXES];      /* mixed inputs of time mixing */
    real *r, *k, *v;     /* products */
    real *state0;        /* (B, 3A): the recurrence's state before the first step */
    real *y, *z;         /* its output, and sigmoid(r) times it */
    wkv_gated_saved ffn; /* channel mixing */
} rwkv4_saved;

/* a, b, p of every channel. */
static inline size_t rwkv4_memory(const wkv_config *cfg)
{
    return 3 * (size_t)cfg->dim[WKV_DIM_A];
}

static inline wkv_slot rwkv4_slot(const wkv_pass *p, real *const *state, int l, wkv_state_part part)
{
    return wkv_layer_slot(p->cfg, rwkv4_memory(p->cfg), state, l, part);
}

/* The weights of a layer's channel mixing. */
static inline wkv_gated_mix rwkv4_channel_mix(const rwkv4_layer *w)
{
    return (wkv_gated_mix){&w->ln2_w,   &w->ln2_b,          &w->ffn_mix_k, &w->ffn_mix_r,
                           &w->ffn_key, &w->ffn_receptance, &w->ffn_value, WKV_SHIFT_CURRENT};
}

wkv_layer_forward wkv_rwkv4_forward;
wkv_layer_backward wkv_rwkv4_backward;

#endif
