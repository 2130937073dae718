/* arch/rwkv5.h - RWKV-5 "Eagle" (arXiv 2404.05892), in its three forms: 5.0 has no gate; 5.0
 * and 5.1 have one decay and bonus a head, 5.2 one a channel; an older file keeps the
 * bonus as time_first, whose exponential it is.  Shared by the rwkv5 files alone. */
#ifndef WKV_ARCH_RWKV5_H
#define WKV_ARCH_RWKV5_H

#include "arch/eagle.h"

#define RWKV5_LAYER(P) \
    P(ln1_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln1_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln2_w, "blocks.%d.ln2.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln2_b, "blocks.%d.ln2.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(decay, "blocks.%d.att.time_decay", LAYER, VEC, H, D, 1, REQUIRED, 2, wkv_init_eagle_decay) \
    P(faaaa, "blocks.%d.att.time_faaaa", LAYER, VEC, H, D, 1, OPTIONAL, 1, wkv_init_eagle_bonus) \
    P(first, "blocks.%d.att.time_first", LAYER, VEC, H, D, 1, RARE, 3, wkv_init_zero) \
    P(mix_r, "blocks.%d.att.time_mix_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_r) \
    P(mix_k, "blocks.%d.att.time_mix_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(mix_v, "blocks.%d.att.time_mix_v", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_v) \
    P(mix_g, "blocks.%d.att.time_mix_g", LAYER, VEC, C, 1, 1, OPTIONAL, 1, wkv_init_mix_r) \
    P(receptance, "blocks.%d.att.receptance.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, \
      wkv_init_ortho) \
    P(key, "blocks.%d.att.key.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho_01) \
    P(value, "blocks.%d.att.value.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(gate, "blocks.%d.att.gate.weight", LAYER, MAT, A, C, 1, OPTIONAL, 1, wkv_init_ortho_01) \
    P(output, "blocks.%d.att.output.weight", LAYER, MAT, C, A, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln_x_w, "blocks.%d.att.ln_x.weight", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_ln_x) \
    P(ln_x_b, "blocks.%d.att.ln_x.bias", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ffn_mix_k, "blocks.%d.ffn.time_mix_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_mix_r, "blocks.%d.ffn.time_mix_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_key, "blocks.%d.ffn.key.weight", LAYER, MAT, F, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(ffn_receptance, "blocks.%d.ffn.receptance.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, \
      wkv_init_zero) \
    P(ffn_value, "blocks.%d.ffn.value.weight", LAYER, MAT, C, F, 1, REQUIRED, 1, wkv_init_zero) \
    WKV_START(P)

typedef struct rwkv5_layer {
    RWKV5_LAYER(WKV_FIELD)
} rwkv5_layer;

/* The mixed inputs of time mixing; the gate's comes last, for it may be missing. */
enum { MIX_R, MIX_K, MIX_V, MIX_G, MIXES };

/* One layer's record; (rows, C) or (rows, A) unless said otherwise. */
typedef struct rwkv5_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln1;
    real *prev;          /* (B, C): x' of each sequence's first token */
    real *x[MIXES];      /* mixed inputs */
    real *r, *k, *v, *g; /* products; g NULL in 5.0 */
    real *w, *u;         /* (A): decay and bonus of every channel */
    wkv_eagle_saved recurrence;
    wkv_gated_saved ffn;
} rwkv5_saved;

static inline bool rwkv5_has_gate(const rwkv5_layer *w)
{
    return w->gate.data != NULL;
}

/* The bonus parameter that the file has, and what is made of it. */
static inline const wkv_weight *rwkv5_bonus(const rwkv5_layer *w, wkv_head_fn *f)
{
    *f = w->faaaa.data != NULL ? WKV_HEAD_RAW : WKV_HEAD_EXP;
    return w->faaaa.data != NULL ? &w->faaaa : &w->first;
}

static inline wkv_eagle_in rwkv5_recurrence(const rwkv5_layer *w, const rwkv5_saved *s)
{
    return (wkv_eagle_in){s->r, s->k, s->v, s->g, s->w, s->u, 0, &w->ln_x_w, &w->ln_x_b};
}

static inline wkv_gated_mix rwkv5_channel_mix(const rwkv5_layer *w)
{
    return (wkv_gated_mix){&w->ln2_w,   &w->ln2_b,          &w->ffn_mix_k, &w->ffn_mix_r,
                           &w->ffn_key, &w->ffn_receptance, &w->ffn_value, WKV_SHIFT_CURRENT};
}

wkv_layer_forward wkv_rwkv5_forward;
wkv_layer_backward wkv_rwkv5_backward;

#endif
