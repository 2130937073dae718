/* arch/blocks.h - the parts that model versions share: the frame around the layers, the
 * residual stream, low-rank products, and the initialisers of parameters.  A version
 * calls these; it never looks at another version's files. */
#ifndef WKV_ARCH_BLOCKS_H
#define WKV_ARCH_BLOCKS_H

#include "arch/arch.h"

/* ---- from a parameter list to structs and tables ---------------------------------- */

/* A version lists its parameters once, as a macro over P(field, name, scope, kind, d0, d1,
 * d2, need, lr_scale, init).  This makes the struct's fields, that the table's rows. */
#define WKV_FIELD(field, name, scope, kind, d0, d1, d2, need, lr_scale, init) wkv_weight field;
#define WKV_ROW(field, name, scope, kind, d0, d1, d2, need, lr_scale, init) \
    {name,       WKV_##scope, WKV_##kind, {WKV_DIM_##d0, WKV_DIM_##d1, WKV_DIM_##d2}, \
     WKV_##need, lr_scale,    init},

/* The frame: every version's once-parameters begin with these. */
#define WKV_FRAME(P, init_emb) \
    P(emb, "emb.weight", ONCE, TABLE, V, C, 1, REQUIRED, 1, init_emb) \
    P(ln0_w, "blocks.0.ln0.weight", ONCE, VEC, C, 1, 1, OPTIONAL, 1, wkv_init_one) \
    P(ln0_b, "blocks.0.ln0.bias", ONCE, VEC, C, 1, 1, OPTIONAL, 1, wkv_init_zero) \
    P(ln_out_w, "ln_out.weight", ONCE, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln_out_b, "ln_out.bias", ONCE, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(head, "head.weight", ONCE, MAT, V, C, 1, REQUIRED, 1, wkv_init_head) \
    P(head_b, "head.bias", ONCE, VEC, V, 1, 1, RARE, 1, wkv_init_zero)

/* The initial state of versions with a matrix for each head, where one is learnt (state
 * tuning); zero elsewhere.  Files have it as [value][key]. */
#define WKV_START(P) \
    P(start, "blocks.%d.att.time_state", LAYER, VEC, H, N, N, RARE, 1, wkv_init_zero)

typedef struct wkv_frame {
    WKV_FRAME(WKV_FIELD, NULL)
} wkv_frame;

static inline const wkv_frame *wkv_frame_of(const wkv_weights *w)
{
    return (const wkv_frame *)(const void *)w->once;
}

/* ---- sizes and places ----------------------------------------------------------------- */

static inline int wkv_pass_rows(const wkv_pass *p)
{
    return wkv_seqs_rows(&p->seqs);
}

/* rows times a dimension: what an activation of that width takes. */
static inline size_t wkv_pass_size(const wkv_pass *p, wkv_dim width)
{
    return (size_t)wkv_pass_rows(p) * (size_t)p->cfg->dim[width];
}

/* Such an activation, for the layer or until the backward pass, whole or if it is kept. */
static inline real *wkv_temp(wkv_pass *p, wkv_dim width)
{
    return wkv_pass_temp(p, wkv_pass_size(p, width));
}

static inline real *wkv_keep(wkv_pass *p, wkv_dim width)
{
    return wkv_pass_keep(p, wkv_pass_size(p, width));
}

static inline real *wkv_cheap(wkv_pass *p, wkv_dim width)
{
    return wkv_pass_cheap(p, wkv_pass_size(p, width));
}

/* A layer's state: x' of time mixing (C), the memory of time mixing, x' of channel mixing
 * (C).  `memory` is the memory's size in reals. */
typedef enum wkv_state_part { WKV_ATT_SHIFT, WKV_MEMORY, WKV_FFN_SHIFT } wkv_state_part;

static inline size_t wkv_layer_state(const wkv_config *cfg, size_t memory)
{
    return 2 * (size_t)cfg->dim[WKV_DIM_C] + memory;
}

static inline wkv_slot wkv_layer_slot(const wkv_config *cfg, size_t memory, real *const *state,
                                      int l, wkv_state_part part)
{
    size_t C = (size_t)cfg->dim[WKV_DIM_C];
    size_t at[3] = {0, C, C + memory};
    return (wkv_slot){state, (size_t)l * wkv_layer_state(cfg, memory) + at[part]};
}

/* The memory of versions with a matrix for each head: (H, N, N) = A N reals. */
static inline size_t wkv_matrix_memory(const wkv_config *cfg)
{
    return (size_t)cfg->dim[WKV_DIM_A] * (size_t)cfg->dim[WKV_DIM_N];
}

/* H * N = A, N at most 4096. */
wkv_status wkv_matrix_check(const wkv_config *cfg, wkv_error *err);
size_t wkv_matrix_state_size(const wkv_config *cfg);
void wkv_matrix_state_init(const wkv_config *cfg, real *state);

static inline wkv_slot wkv_matrix_slot(const wkv_pass *p, real *const *state, int l,
                                       wkv_state_part part)
{
    return wkv_layer_slot(p->cfg, wkv_matrix_memory(p->cfg), state, l, part);
}

/* ---- views -------------------------------------------------------------------------------- */

/* Layer l's weights, as the struct of the version's table. */
static inline const void *wkv_layer_at(const wkv_pass *p, int l)
{
    return p->weights->layer + l * p->cfg->arch->n_layer;
}

/* Layer l's record. */
static inline void *wkv_saved_at(const wkv_pass *p, int l)
{
    const wkv_arch *a = p->cfg->arch;
    return (unsigned char *)p->saved + a->saved_once + (size_t)l * a->saved_layer;
}

/* ---- the loop over the layers: layers.c ------------------------------------------------ */

/* What that loop needs to go back; every version's record of a layer begins with it. */
typedef struct wkv_layer_saved {
    real *x;     /* the residual stream before the layer */
    size_t mark; /* of the tape, before it */
    real *state; /* (B, a layer's part): the states before it, when it is to run again */
    uint16_t *rounded; /* what p->wide held after it, n numbers as bf16; or NULL */
    size_t n;
} wkv_layer_saved;

/* ---- the frame around the layers ------------------------------------------------------ */

/* What the frame's backward needs; every version's saved_once begins with it. */
typedef struct wkv_frame_saved {
    real *emb, *ln0_stat;  /* the embedded rows before ln0, when there is an ln0 */
    real *last, *out_stat; /* the residual stream before ln_out */
} wkv_frame_saved;

/* A fresh residual stream: (rows, C) = ln0(emb[ids]).  It lives as long as the pass. */
real *wkv_frame_in(wkv_pass *p);
/* p->hidden = ln_out(x). */
void wkv_frame_out(wkv_pass *p, real *x);
/* The gradient of the residual stream after the last layer, from p->dhidden; and what
 * becomes of it before the first. */
real *wkv_frame_out_bwd(wkv_pass *p);
void wkv_frame_in_bwd(wkv_pass *p, real *dx);

/* The stream that a sub-layer adds to: x itself, or, when a backward pass follows and x
 * must stay as it was, a copy. */
real *wkv_residual(wkv_pass *p, real *x);

/* *y = in W^T, kept: one for a list that goes to dev->products. */
wkv_product wkv_kept(wkv_pass *p, real **y, const real *in, const wkv_weight *W);
wkv_product wkv_kept_exact(wkv_pass *p, real **y, const real *in, const wkv_weight *W);
void wkv_products(wkv_pass *p, const wkv_product *list, int n);
/* One alone. */
real *wkv_project(wkv_pass *p, const real *in, const wkv_weight *W);

/* ---- a normed sub-layer input ----------------------------------------------------------- */

typedef struct wkv_norm_saved {
    real *x, *y, *stat;
} wkv_norm_saved;

/* y = LN(x), kept for the backward pass, which adds to dx the gradient that dy brings. */
const real *wkv_norm(wkv_pass *p, wkv_norm_saved *s, real *x, const wkv_weight *w,
                     const wkv_weight *b);
void wkv_norm_bwd(wkv_pass *p, const wkv_norm_saved *s, real *dx, const real *dy,
                  const wkv_weight *w, const wkv_weight *b);

/* ---- token shift --------------------------------------------------------------------------- */

/* The token before each sequence's first, (B, C), from the slot, which receives the last. */
real *wkv_shift(wkv_pass *p, const real *in, const wkv_slot *slot);
/* y[j] for n mixes of a version's kind, kept. */
void wkv_shift_mixes(wkv_pass *p, real **y, const real *prev, const real *in,
                     const wkv_weight *const *mu, int n, wkv_shift_mode mode);
/* Through n mixes and the shift, then the norm that made `in`, into dx. */
void wkv_shift_mixes_bwd(wkv_pass *p, real *dx, const real *const *dy, const real *prev,
                         const wkv_norm_saved *ln, const wkv_weight *ln_w, const wkv_weight *ln_b,
                         const wkv_weight *const *mu, int n, const wkv_slot *dslot,
                         wkv_shift_mode mode);

/* ---- low-rank products: out = f(in A) B ------------------------------------------------------ */

typedef struct wkv_low {
    const wkv_weight *A, *B;
    bool has_act;
    wkv_act_kind act;
} wkv_low;

/* Between the product of in and A, which has made hidden, and that of hidden and B. */
void wkv_low_act(wkv_pass *p, const wkv_low *low, real *hidden);
/* din = or += */
void wkv_low_bwd(wkv_pass *p, const wkv_low *low, real *din, const real *dout, const real *hidden,
                 const real *in, bool accumulate);

/* ---- relu^2: out = or += V relu(K in)^2 ------------------------------------------------------ */

typedef struct wkv_relu2_saved {
    real *key, *act; /* K in; relu^2 of it */
} wkv_relu2_saved;

void wkv_relu2_mlp(wkv_pass *p, wkv_relu2_saved *s, real *out, const real *in,
                   const wkv_weight *key, const wkv_weight *value, bool accumulate);
/* din = the gradient of in */
void wkv_relu2_mlp_bwd(wkv_pass *p, const wkv_relu2_saved *s, real *din, const real *dout,
                       const real *in, const wkv_weight *key, const wkv_weight *value);

/* ---- channel mixing with a gate (RWKV-4, 5, 6): x += sigmoid(R x_r) * V relu(K x_k)^2 -------- */

typedef struct wkv_gated_mix {
    const wkv_weight *ln_w, *ln_b, *mix_k, *mix_r, *key, *receptance, *value;
    wkv_shift_mode mode;
} wkv_gated_mix;

typedef struct wkv_gated_saved {
    wkv_norm_saved ln;
    real *prev;  /* (B, C): x' of each sequence's first token */
    real *x[2];  /* the mixed inputs of key and receptance */
    real *r, *v; /* gate, before sigmoid, and value */
    wkv_relu2_saved mlp;
} wkv_gated_saved;

/* The new residual stream. */
real *wkv_gated_mix_fwd(wkv_pass *p, wkv_gated_saved *s, const wkv_gated_mix *w,
                        const wkv_slot *slot, real *x);
void wkv_gated_mix_bwd(wkv_pass *p, const wkv_gated_saved *s, const wkv_gated_mix *w,
                       const wkv_slot *dslot, real *dx);

/* ---- initialisers (init.c); formulas in docs/math ------------------- */

wkv_status wkv_init_zero(real *w, const wkv_init *i);
wkv_status wkv_init_one(real *w, const wkv_init *i);
wkv_status wkv_init_emb(real *w, const wkv_init *i);      /* U(-1e-4, 1e-4) */
wkv_status wkv_init_head(real *w, const wkv_init *i);     /* orthogonal, 0.5 sqrt(V/C) if V > C */
wkv_status wkv_init_ortho(real *w, const wkv_init *i);    /* orthogonal, gain 1 */
wkv_status wkv_init_ortho_01(real *w, const wkv_init *i); /* orthogonal, gain 0.1 */
wkv_status wkv_init_ln_x(real *w, const wkv_init *i);     /* ((1 + layer) / layers)^0.7 */
/* Mixes of RWKV-4 and 5: (c/C)^p with p = 1 - l/L; the same + 0.3 l/(L-1); (c/C)^(p/2). */
wkv_status wkv_init_mix_k(real *w, const wkv_init *i);
wkv_status wkv_init_mix_v(real *w, const wkv_init *i);
wkv_status wkv_init_mix_r(real *w, const wkv_init *i);
/* gain times an orthogonal matrix (orthonormal rows or columns, whichever are fewer) */
wkv_status wkv_init_orthogonal(real *w, const wkv_init *i, double gain);

/* Where layer l stands among the layers: l/(L-1), 0 for a single one; and 1 - l/L. */
double wkv_init_ratio_0_to_1(const wkv_init *i);
double wkv_init_ratio_1_to_0(const wkv_init *i);

#endif
