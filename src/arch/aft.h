/* arch/aft.h - the Attention Free Transformer (arXiv 2105.14103): four ways to weigh the
 * tokens by where they stand, and one of everything else.  Shared by aft.c, aft_bias.c,
 * aft_fwd.c and aft_bwd.c alone.
 *
 * The mean over the past has the weights e^(k_i + w_ti); w is
 *   aft-simple  0;
 *   aft-local   a number for each position and each distance below S, 0 beyond;
 *   aft-conv    a number for each head and each distance below S, 0 beyond;
 *   aft-full    u_t . z_i, for any two of the P positions trained.
 * Channel mixing is RWKV-4's. */
#ifndef WKV_ARCH_AFT_H
#define WKV_ARCH_AFT_H

#include "arch/blocks.h"

#define AFT_LAYER(P) \
    P(ln1_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln1_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln2_w, "blocks.%d.ln2.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln2_b, "blocks.%d.ln2.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(mix_q, "blocks.%d.att.time_mix_q", LAYER, VEC, C, 1, 1, SHIFTED, 1, wkv_init_mix_r) \
    P(mix_k, "blocks.%d.att.time_mix_k", LAYER, VEC, C, 1, 1, SHIFTED, 1, wkv_init_mix_k) \
    P(mix_v, "blocks.%d.att.time_mix_v", LAYER, VEC, C, 1, 1, SHIFTED, 1, wkv_init_mix_v) \
    P(query, "blocks.%d.att.query.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_zero) \
    P(key, "blocks.%d.att.key.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_zero) \
    P(value, "blocks.%d.att.value.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(output, "blocks.%d.att.output.weight", LAYER, MAT, C, A, 1, REQUIRED, 1, wkv_init_zero) \
    P(ffn_mix_k, "blocks.%d.ffn.time_mix_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_mix_r, "blocks.%d.ffn.time_mix_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_mix_k) \
    P(ffn_key, "blocks.%d.ffn.key.weight", LAYER, MAT, F, C, 1, REQUIRED, 1, init_ffn_key) \
    P(ffn_receptance, "blocks.%d.ffn.receptance.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, \
      wkv_init_zero) \
    P(ffn_value, "blocks.%d.ffn.value.weight", LAYER, MAT, C, F, 1, REQUIRED, 1, wkv_init_zero)

/* What each variant has besides, behind those. */
#define AFT_LOCAL(P) \
    P(bias, "blocks.%d.att.position_bias", LAYER, TABLE, POS, S, 1, REQUIRED, 1, wkv_init_zero)
#define AFT_CONV(P) \
    P(kernel, "blocks.%d.att.position_kernel", LAYER, VEC, H, S, 1, REQUIRED, 1, init_normal) \
    P(gain, "blocks.%d.att.position_gain", LAYER, VEC, H, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(offset, "blocks.%d.att.position_offset", LAYER, VEC, H, 1, 1, REQUIRED, 1, wkv_init_zero)
#define AFT_FULL(P) \
    P(u, "blocks.%d.att.position_u", LAYER, TABLE, POS, RP, 1, REQUIRED, 1, init_position) \
    P(z, "blocks.%d.att.position_z", LAYER, MAT, POS, RP, 1, REQUIRED, 1, init_position)

typedef struct aft_layer {
    AFT_LAYER(WKV_FIELD)
} aft_layer;

typedef struct aft_local {
    AFT_LOCAL(WKV_FIELD)
} aft_local;

typedef struct aft_conv {
    AFT_CONV(WKV_FIELD)
} aft_conv;

typedef struct aft_full {
    AFT_FULL(WKV_FIELD)
} aft_full;

/* The inputs of time mixing. */
enum { AFT_Q, AFT_K, AFT_V, AFT_INPUTS };

/* One layer's record; (rows, C) or (rows, A) unless said otherwise. */
typedef struct aft_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln1;
    real *prev;                /* (B, C): x' of each sequence's first token, with token shift */
    const real *x[AFT_INPUTS]; /* the mixed inputs; without token shift, thrice the normed one */
    real *q, *k, *v;           /* products */
    int32_t *start;            /* (B): tokens that each sequence had seen */
    int32_t *place;            /* (rows): positions, where they choose a row of parameters */
    real *bias, *u;            /* (rows, S) or (H, S); aft-full: (rows, RP), u of each row */
    real *keep, *state0;       /* (rows, 2, A); (B, the memory) */
    real *y, *z;               /* the mean, and sigmoid(q) times it */
    wkv_gated_saved ffn;       /* channel mixing */
} aft_saved;

/* ---- views ------------------------------------------------------------------------------ */

/* The variant's own parameters. */
static inline const void *aft_own(const wkv_pass *p, int l)
{
    return (const aft_layer *)wkv_layer_at(p, l) + 1;
}

/* Tokens that are kept one by one: the window, or all positions. */
static inline int aft_window(const wkv_config *cfg)
{
    return cfg->arch->is_bounded ? cfg->dim[WKV_DIM_POS] : cfg->dim[WKV_DIM_S];
}

/* A layer's state: the memory of the mean (kern.h), the position, x' of channel mixing, and,
 * with token shift, of time mixing. */
typedef enum aft_part {
    AFT_MEMORY,
    AFT_POSITION,
    AFT_FFN_SHIFT,
    AFT_ATT_SHIFT,
    AFT_PARTS
} aft_part;

static inline size_t aft_memory(const wkv_config *cfg)
{
    return wkv_aft_rows(aft_window(cfg)) * (size_t)cfg->dim[WKV_DIM_A];
}

static inline wkv_slot aft_slot(const wkv_config *cfg, real *const *state, int l, aft_part part)
{
    size_t memory = aft_memory(cfg), C = (size_t)cfg->dim[WKV_DIM_C];
    const size_t at[AFT_PARTS] = {0, memory, memory + 1, memory + 1 + C};
    size_t size = memory + 1 + (cfg->token_shift ? 2 : 1) * C;
    return (wkv_slot){state, (size_t)l * size + at[part]};
}

/* The weights of a layer's channel mixing. */
static inline wkv_gated_mix aft_channel_mix(const aft_layer *w)
{
    return (wkv_gated_mix){&w->ln2_w,   &w->ln2_b,          &w->ffn_mix_k, &w->ffn_mix_r,
                           &w->ffn_key, &w->ffn_receptance, &w->ffn_value, WKV_SHIFT_CURRENT};
}

/* ---- the weights of positions: aft_bias.c ------------------------------------------------ */

/* Fills start, place, bias and u of s; advances the position. */
void wkv_aft_bias(wkv_pass *p, aft_saved *s, int l);
/* Through them, given the gradient dbias (rows, H S). */
void wkv_aft_bias_bwd(wkv_pass *p, const aft_saved *s, real *dbias, int l);
/* What the mean is made of. */
wkv_aft wkv_aft_inputs(const wkv_pass *p, const aft_saved *s);

wkv_layer_forward wkv_aft_forward;
wkv_layer_backward wkv_aft_backward;

#endif
