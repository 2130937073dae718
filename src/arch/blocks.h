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
#define WKV_ROW(field, name, scope, kind, d0, d1, d2, need, lr_scale, init)             \
    {name, WKV_##scope, WKV_##kind, {WKV_DIM_##d0, WKV_DIM_##d1, WKV_DIM_##d2},         \
     WKV_##need, lr_scale, init},

/* The frame: every version's once-parameters begin with these. */
#define WKV_FRAME(P, init_emb)                                                               \
    P(emb, "emb.weight", ONCE, TABLE, V, C, 1, REQUIRED, 1, init_emb)                        \
    P(ln0_w, "blocks.0.ln0.weight", ONCE, VEC, C, 1, 1, OPTIONAL, 1, wkv_init_one)           \
    P(ln0_b, "blocks.0.ln0.bias", ONCE, VEC, C, 1, 1, OPTIONAL, 1, wkv_init_zero)            \
    P(ln_out_w, "ln_out.weight", ONCE, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one)              \
    P(ln_out_b, "ln_out.bias", ONCE, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero)               \
    P(head, "head.weight", ONCE, MAT, V, C, 1, REQUIRED, 1, wkv_init_head)                   \
    P(head_b, "head.bias", ONCE, VEC, V, 1, 1, RARE, 1, wkv_init_zero)

typedef struct wkv_frame {
    WKV_FRAME(WKV_FIELD, NULL)
} wkv_frame;

static inline const wkv_frame *wkv_frame_of(const wkv_weights *w)
{
    return (const wkv_frame *)(const void *)w->once;
}

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

/* ---- a normed sub-layer input ----------------------------------------------------------- */

typedef struct wkv_norm_saved {
    real *x, *y, *stat;
} wkv_norm_saved;

/* y = LN(x), kept for the backward pass, which adds to dx the gradient that dy brings. */
const real *wkv_norm(wkv_pass *p, wkv_norm_saved *s, real *x, const wkv_weight *w,
                     const wkv_weight *b);
void wkv_norm_bwd(wkv_pass *p, const wkv_norm_saved *s, real *dx, const real *dy,
                  const wkv_weight *w, const wkv_weight *b);

/* ---- low-rank products: out = f(in A) B ------------------------------------------------------ */

typedef struct wkv_low {
    const wkv_weight *A, *B;
    bool has_act;
    wkv_act_kind act;
} wkv_low;

/* *hidden is kept for the backward pass; the result is kept too. */
real *wkv_low_fwd(wkv_pass *p, const wkv_low *low, real **hidden, const real *in);
/* din = or += */
void wkv_low_bwd(wkv_pass *p, const wkv_low *low, real *din, const real *dout,
                 const real *hidden, const real *in, bool accumulate);

/* ---- relu^2 channel mixing without its gate: out += V relu(K in)^2 ------------------------------- */

typedef struct wkv_relu2_saved {
    real *key, *act; /* K in; relu^2 of it */
} wkv_relu2_saved;

void wkv_relu2_mlp(wkv_pass *p, wkv_relu2_saved *s, real *out, const real *in,
                   const wkv_weight *key, const wkv_weight *value, bool accumulate);
/* din = the gradient of in */
void wkv_relu2_mlp_bwd(wkv_pass *p, const wkv_relu2_saved *s, real *din, const real *dout,
                       const real *in, const wkv_weight *key, const wkv_weight *value);

/* ---- initialisers (init.c); formulas in docs/math ------------------- */

wkv_status wkv_init_zero(real *w, const wkv_init *i);
wkv_status wkv_init_one(real *w, const wkv_init *i);
wkv_status wkv_init_emb(real *w, const wkv_init *i);      /* U(-1e-4, 1e-4) */
wkv_status wkv_init_head(real *w, const wkv_init *i);     /* orthogonal, 0.5 sqrt(V/C) if V > C */
wkv_status wkv_init_ortho(real *w, const wkv_init *i);    /* orthogonal, gain 1 */
wkv_status wkv_init_ortho_01(real *w, const wkv_init *i); /* orthogonal, gain 0.1 */
wkv_status wkv_init_ln_x(real *w, const wkv_init *i);     /* ((1 + layer) / layers)^0.7 */
/* gain times an orthogonal matrix (orthonormal rows or columns, whichever are fewer) */
wkv_status wkv_init_orthogonal(real *w, const wkv_init *i, double gain);

/* Where layer l stands among the layers: l/(L-1), 0 for a single one; and 1 - l/L. */
double wkv_init_ratio_0_to_1(const wkv_init *i);
double wkv_init_ratio_1_to_0(const wkv_init *i);

#endif
