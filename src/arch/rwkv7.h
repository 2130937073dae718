/* arch/rwkv7.h - RWKV-7 "Goose" (arXiv 2503.14456): its parameters, and what its forward
 * keeps for its backward.  Shared by rwkv7.c, rwkv7_fwd.c and rwkv7_bwd.c alone.
 * A layer's memory is S (H, N, N), S[key][value]. */
#ifndef WKV_ARCH_RWKV7_H
#define WKV_ARCH_RWKV7_H

#include "arch/blocks.h"

#define RWKV7_LAYER(P) \
    P(ln1_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln1_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln2_w, "blocks.%d.ln2.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln2_b, "blocks.%d.ln2.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(x_r, "blocks.%d.att.x_r", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_rg) \
    P(x_w, "blocks.%d.att.x_w", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_wa) \
    P(x_k, "blocks.%d.att.x_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_kv) \
    P(x_v, "blocks.%d.att.x_v", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_kv) \
    P(x_a, "blocks.%d.att.x_a", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_wa) \
    P(x_g, "blocks.%d.att.x_g", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_x_rg) \
    P(r_k, "blocks.%d.att.r_k", LAYER, VEC, H, N, 1, REQUIRED, 1, init_r_k) \
    P(w0, "blocks.%d.att.w0", LAYER, VEC, A, 1, 1, REQUIRED, 2, init_w0) \
    P(w1, "blocks.%d.att.w1", LAYER, LOW, C, RW, 1, REQUIRED, 1, wkv_init_zero) \
    P(w2, "blocks.%d.att.w2", LAYER, LOW, RW, A, 1, REQUIRED, 1, init_low_b) \
    P(a0, "blocks.%d.att.a0", LAYER, VEC, A, 1, 1, REQUIRED, 1, init_a0) \
    P(a1, "blocks.%d.att.a1", LAYER, LOW, C, RA, 1, REQUIRED, 1, wkv_init_zero) \
    P(a2, "blocks.%d.att.a2", LAYER, LOW, RA, A, 1, REQUIRED, 1, init_low_b) \
    P(v0, "blocks.%d.att.v0", LAYER_GE1, VEC, A, 1, 1, REQUIRED, 1, init_v0) \
    P(v1, "blocks.%d.att.v1", LAYER_GE1, LOW, C, RV, 1, REQUIRED, 1, wkv_init_zero) \
    P(v2, "blocks.%d.att.v2", LAYER_GE1, LOW, RV, A, 1, REQUIRED, 1, init_low_b) \
    P(g1, "blocks.%d.att.g1", LAYER, LOW, C, RG, 1, REQUIRED, 1, wkv_init_zero) \
    P(g2, "blocks.%d.att.g2", LAYER, LOW, RG, A, 1, REQUIRED, 1, init_low_b) \
    P(k_k, "blocks.%d.att.k_k", LAYER, VEC, A, 1, 1, REQUIRED, 1, init_k_k) \
    P(k_a, "blocks.%d.att.k_a", LAYER, VEC, A, 1, 1, REQUIRED, 1, init_k_a) \
    P(receptance, "blocks.%d.att.receptance.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, \
      wkv_init_ortho) \
    P(key, "blocks.%d.att.key.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho_01) \
    P(value, "blocks.%d.att.value.weight", LAYER, MAT, A, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(output, "blocks.%d.att.output.weight", LAYER, MAT, C, A, 1, REQUIRED, 1, wkv_init_zero) \
    P(ln_x_w, "blocks.%d.att.ln_x.weight", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_ln_x) \
    P(ln_x_b, "blocks.%d.att.ln_x.bias", LAYER, VEC, A, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(ffn_x_k, "blocks.%d.ffn.x_k", LAYER, VEC, C, 1, 1, REQUIRED, 1, init_ffn_x_k) \
    P(ffn_key, "blocks.%d.ffn.key.weight", LAYER, MAT, F, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(ffn_value, "blocks.%d.ffn.value.weight", LAYER, MAT, C, F, 1, REQUIRED, 1, wkv_init_zero) \
    WKV_START(P)

typedef struct rwkv7_layer {
    RWKV7_LAYER(WKV_FIELD)
} rwkv7_layer;

/* The six mixed inputs of time mixing, in the order of RWKV-LM's parameters. */
enum { MIX_R, MIX_W, MIX_K, MIX_V, MIX_A, MIX_G, MIXES };

/* One layer's record.  (rows, C) or (rows, A) unless said otherwise. */
typedef struct rwkv7_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln1, ln2;
    real *att_prev, *ffn_prev;           /* (B, C): x' of each sequence's first token */
    real *x[MIXES];                      /* the mixed inputs */
    real *r, *k_in, *v_in, *g;           /* products */
    real *w_raw, *a_raw, *v_raw;         /* low-rank products, before their activations */
    real *w_low, *a_low, *v_low, *g_low; /* (rows, rank): their hidden values */
    real *w, *k, *v, *a, *b;             /* inputs of the recurrence */
    real *keep;                          /* its states, every 16 steps */
    real *y, *stat, *z;                  /* its output; group norm statistics; gated output */
    real *ffn_x;                         /* mixed input of channel mixing */
    wkv_relu2_saved mlp;
} rwkv7_saved;

/* The low-rank products of a layer: decay, in-context rate, value residual, gate. */
static inline wkv_low rwkv7_low_w(const rwkv7_layer *w)
{
    return (wkv_low){&w->w1, &w->w2, true, WKV_ACT_TANH};
}

static inline wkv_low rwkv7_low_a(const rwkv7_layer *w)
{
    return (wkv_low){.A = &w->a1, .B = &w->a2};
}

static inline wkv_low rwkv7_low_v(const rwkv7_layer *w)
{
    return (wkv_low){.A = &w->v1, .B = &w->v2};
}

static inline wkv_low rwkv7_low_g(const rwkv7_layer *w)
{
    return (wkv_low){&w->g1, &w->g2, true, WKV_ACT_SIGMOID};
}

/* The arguments of the fused row-wise ops, the same forward and backward. */
static inline wkv_rwkv7_prep rwkv7_prep_of(const rwkv7_saved *s, const real *v_first)
{
    return (wkv_rwkv7_prep){
        .k_in = s->k_in,
        .v_in = s->v_in,
        .v_first = v_first,
        .w_raw = s->w_raw,
        .a_raw = s->a_raw,
        .v_raw = s->v_raw,
        .w = s->w,
        .k = s->k,
        .v = s->v,
        .a = s->a,
        .b = s->b,
    };
}

static inline wkv_rwkv7_prep_weights rwkv7_prep_weights(const rwkv7_layer *w)
{
    return (wkv_rwkv7_prep_weights){&w->w0, &w->a0, &w->v0, &w->k_k, &w->k_a};
}

static inline wkv_wkv7_in rwkv7_recurrence(const wkv_pass *p, const rwkv7_saved *s)
{
    return (wkv_wkv7_in){
        s->r, s->w, s->k, s->v, s->a, s->b, 0, p->cfg->dim[WKV_DIM_N], p->cfg->dim[WKV_DIM_A]};
}

static inline wkv_rwkv7_out rwkv7_out_of(const wkv_pass *p, const rwkv7_saved *s)
{
    return (wkv_rwkv7_out){.y = s->y,
                           .r = s->r,
                           .k = s->k,
                           .v = s->v,
                           .g = s->g,
                           .z = s->z,
                           .stat = s->stat,
                           .eps = (real)p->cfg->gn_eps};
}

static inline wkv_rwkv7_out_weights rwkv7_out_weights(const rwkv7_layer *w)
{
    return (wkv_rwkv7_out_weights){&w->ln_x_w, &w->ln_x_b, &w->r_k};
}

wkv_layer_forward wkv_rwkv7_forward;
wkv_layer_backward wkv_rwkv7_backward;

#endif
