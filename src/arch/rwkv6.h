/* arch/rwkv6.h - RWKV-6 "Finch" (arXiv 2404.05892): token shift and decay depend on the
 * token.  Its parameters, and what its forward keeps for its backward.  Shared by the
 * rwkv6 files alone. */
#ifndef WKV_ARCH_RWKV6_H
#define WKV_ARCH_RWKV6_H

#include "arch/eagle.h"

#define RWKV6_LAYER(P) \
    P(ln1_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln1_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln2_w, "blocks.%d.ln2.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln2_b, "blocks.%d.ln2.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(maa_x, "blocks.%d.att.time_maa_x", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_k) \
    P(maa_w, "blocks.%d.att.time_maa_w", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_k) \
    P(maa_k, "blocks.%d.att.time_maa_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_k) \
    P(maa_v, "blocks.%d.att.time_maa_v", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_v) \
    P(maa_r, "blocks.%d.att.time_maa_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_r) \
    P(maa_g, "blocks.%d.att.time_maa_g", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_r) \
    P(maa_w1, "blocks.%d.att.time_maa_w1", LAYER, LOW, C, MRM, 1, REQUIRED, 1, wkv_init_zero) \
    P(maa_w2, "blocks.%d.att.time_maa_w2", LAYER, LOW, M, RM, C, REQUIRED, 1, init_low_b) \
    P(decay, "blocks.%d.att.time_decay", LAYER, VEC, A, 1, 1, REQUIRED, 2, wkv_init_eagle_decay) \
    P(decay_w1, "blocks.%d.att.time_decay_w1", LAYER, LOW, C, RW, 1, REQUIRED, 1, wkv_init_zero) \
    P(decay_w2, "blocks.%d.att.time_decay_w2", LAYER, LOW, RW, A, 1, REQUIRED, 1, init_low_b) \
    P(faaaa, "blocks.%d.att.time_faaaa", LAYER, VEC, H, N, 1, REQUIRED, 1, wkv_init_eagle_bonus) \
    P(receptance, "blocks.%d.att.receptance.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, \
      wkv_init_ortho) \
    P(key, "blocks.%d.att.key.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho_01) \
    P(value, "blocks.%d.att.value.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(gate, "blocks.%d.att.gate.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho_01) \
    P(output, "blocks.%d.att.output.weight", LAYER, MAT, C, A, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln_x_w, "blocks.%d.att.ln_x.weight", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_ln_x) \
    P(ln_x_b, "blocks.%d.att.ln_x.bias", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ffn_maa_k, "blocks.%d.ffn.time_maa_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_k) \
    P(ffn_maa_r, "blocks.%d.ffn.time_maa_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_maa_k) \
    P(ffn_key, "blocks.%d.ffn.key.weight", LAYER, MAT, F, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(ffn_receptance, "blocks.%d.ffn.receptance.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, \
      wkv_init_zero) \
    P(ffn_value, "blocks.%d.ffn.value.weight", LAYER, MAT, C, F, 1, REQUIRED, 1, wkv_init_zero) \
    WKV_START(P)

typedef struct rwkv6_layer {
    RWKV6_LAYER(WKV_FIELD)
} rwkv6_layer;

/* The mixed inputs, in the order of time_maa_w1's columns and time_maa_w2's rows. */
enum { MIX_W, MIX_K, MIX_V, MIX_R, MIX_G, MIXES };

/* One layer's record; (rows, C) or (rows, A) unless said otherwise. */
typedef struct rwkv6_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln1;
    real *prev;          /* (B, C): x' of each sequence's first token */
    real *z;             /* the input of the mixes' own weights */
    real *mix_low;       /* (rows, M RM): their hidden values */
    real *delta[MIXES];  /* what they add to maa_j */
    real *x[MIXES];      /* mixed inputs */
    real *r, *k, *v, *g; /* products */
    real *w_low, *w_raw; /* (rows, RW); the decay before its activation and base */
    real *w, *u;         /* decay; bonus (A) */
    wkv_eagle_saved recurrence;
    wkv_gated_saved ffn;
} rwkv6_saved;

static inline wkv_low rwkv6_low_decay(const rwkv6_layer *w)
{
    return (wkv_low){&w->decay_w1, &w->decay_w2, true, WKV_ACT_TANH};
}

/* Its second factor is cut into groups, one for each mix. */
static inline wkv_low rwkv6_low_mixes(const rwkv6_layer *w)
{
    return (wkv_low){&w->maa_w1, NULL, true, WKV_ACT_TANH};
}

static inline wkv_eagle_in rwkv6_recurrence(const wkv_pass *p, const rwkv6_layer *w,
                                            const rwkv6_saved *s)
{
    return (wkv_eagle_in){s->r,       s->k,      s->v, s->g, s->w, s->u, p->cfg->dim[WKV_DIM_A],
                          &w->ln_x_w, &w->ln_x_b};
}

static inline wkv_gated_mix rwkv6_channel_mix(const rwkv6_layer *w)
{
    return (wkv_gated_mix){&w->ln2_w,   &w->ln2_b,          &w->ffn_maa_k, &w->ffn_maa_r,
                           &w->ffn_key, &w->ffn_receptance, &w->ffn_value, WKV_SHIFT_PREVIOUS};
}

wkv_layer_forward wkv_rwkv6_forward;
wkv_layer_backward wkv_rwkv6_backward;

#endif
