/* arch/eagle.h - what RWKV-5 "Eagle" and RWKV-6 "Finch" (arXiv 2404.05892) share: heads with
 * a matrix-valued state under a diagonal decay, a norm of each head, a gate, and the
 * initial values around them. */
#ifndef WKV_ARCH_EAGLE_H
#define WKV_ARCH_EAGLE_H

#include "arch/blocks.h"

/* What goes into the recurrence: (rows, A) each, but u (A), and w (A) when w_stride is 0.
 * g is the gate before its activation, NULL when there is none (RWKV-5.0). */
typedef struct wkv_eagle_in {
    const real *r, *k, *v, *g, *w, *u;
    int w_stride;
    const wkv_weight *ln_w, *ln_b; /* ln_x */
} wkv_eagle_in;

typedef struct wkv_eagle_saved {
    real *keep, *stat; /* states every 16 steps; group norm statistics */
    real *y, *z;       /* before and after norm and gate; (rows, A) */
} wkv_eagle_saved;

/* Gradients, (rows, A) each, dw too; du (A); dg NULL with g.  Temporary. */
typedef struct wkv_eagle_grad {
    real *dr, *dk, *dv, *dg, *dw, *du;
} wkv_eagle_grad;

/* s->z = GN(y) silu(g), y_t = r_t (diag(u) k_t v_t^T + S_{t-1}),
 * S_t = diag(w_t) S_{t-1} + k_t v_t^T; the state is layer l's memory. */
void wkv_eagle_fwd(wkv_pass *p, wkv_eagle_saved *s, const wkv_eagle_in *in, int l);
void wkv_eagle_bwd(wkv_pass *p, wkv_eagle_grad *g, const wkv_eagle_saved *s, const wkv_eagle_in *in,
                   const real *dz, int l);

/* -6 + 5 (c/(C-1))^(0.7 + 1.3 q) */
wkv_status wkv_init_eagle_decay(real *w, const wkv_init *i);
/* q (1 - c/(C-1)) + 0.1 ((c + 1) mod 3 - 1), q = l/(L-1) */
wkv_status wkv_init_eagle_bonus(real *w, const wkv_init *i);

/* F of a new model: 3.5 C, in whole 32s. */
int wkv_eagle_ffn(int C);

#endif
