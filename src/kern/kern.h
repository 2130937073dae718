/* kern/kern.h - the table of kernels: pointers and integers only.
 *
 * Kernels do not thread, allocate or keep state; dev/ splits the work.  Every kernel
 * is one line in kern.def, which makes the struct below, the prototypes of the
 * reference versions, and the list that tests and benchmarks walk.  Arrays are
 * row-major; `stride` counts reals from one row (time step) to the next; n counts
 * the columns that this call works on, so that callers can split by columns.
 *
 * How callers split does not show: what is computed for one row or column never depends
 * on which others are in the same call, and a column's sum over rows adds them in order.
 * Sizes and alignments are arbitrary.  Outputs do not overlap inputs unless kern.def
 * says they may.
 *
 * Some kernels are called like functions of the C library: where <tgmath.h> is included
 * too, write (k->exp)(y, x, n). */
#ifndef WKV_KERN_KERN_H
#define WKV_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "kern/panel.h"
#include "os/os.h"

/* Steps between the states that wkv7 keeps for its backward pass. */
enum { WKV_WKV7_CHUNK = 16 };

/* Token shift.  PREVIOUS: y = x + (x' - x) mu (RWKV-6, 7), mu weighs the previous
 * token; CURRENT: y = x' + (x - x') mu (RWKV-4, 5), mu weighs the current one. */
typedef enum wkv_shift_mode { WKV_SHIFT_PREVIOUS, WKV_SHIFT_CURRENT } wkv_shift_mode;

enum { WKV_MAX_MIX = 8 };

/* The six inputs of the RWKV-7 recurrence for one head of one sequence: (T, N) each,
 * rows `stride` apart.  w is the decay itself, in (0, 1); a = -kappa, b = kappa * a. */
typedef struct wkv_wkv7_in {
    const real *r, *w, *k, *v, *a, *b;
    int T, N, stride;
} wkv_wkv7_in;

/* Gradients of those six; same layout. */
typedef struct wkv_wkv7_grad {
    real *dr, *dw, *dk, *dv, *da, *db;
} wkv_wkv7_grad;

/* Reals of scratch that wkv7_bwd needs: the states of one chunk, and its s vectors. */
#define WKV_WKV7_SCRATCH(N) \
    ((size_t)(WKV_WKV7_CHUNK + 1) * (size_t)(N) * (size_t)(N) + \
     (size_t)(WKV_WKV7_CHUNK + 4) * (size_t)(N))

/* The inputs of the RWKV-5 and 6 recurrence for one head of one sequence: r, k, v (T, N),
 * rows `stride` apart; decays w, rows w_stride apart (0: the same at every step); the
 * bonus u (N). */
typedef struct wkv_wkv6_in {
    const real *r, *w, *k, *v, *u;
    int T, N, stride, w_stride;
} wkv_wkv6_in;

/* Gradients: dr, dw, dk, dv are (T, N), rows `stride` apart; du is (N). */
typedef struct wkv_wkv6_grad {
    real *dr, *dw, *dk, *dv, *du;
} wkv_wkv6_grad;

/* Reals of scratch that wkv6_bwd needs: the states of one chunk, and a row. */
#define WKV_WKV6_SCRATCH(N) \
    ((size_t)(WKV_WKV7_CHUNK + 1) * (size_t)(N) * (size_t)(N) + (size_t)(N))

/* RWKV-5 and 6 between the recurrence and the output product:
 *   z = (GN(y) ln_w + ln_b) silu(g), or without the gate where g is NULL. */
typedef struct wkv_gn_gate {
    const real *y, *g;       /* (rows, C) */
    const real *ln_w, *ln_b; /* (C) */
    real *z;                 /* out, (rows, C) */
    real *stat;              /* out, (rows, H, 2), or NULL */
    real eps;
} wkv_gn_gate;

/* Its gradients.  Given dz.  Written: dy, dg (NULL with g), and rows whose column sums are
 * the gradients of ln_w, ln_b. */
typedef struct wkv_gn_gate_grad {
    const real *dz;
    real *dy, *dg;
    real *ln_w_row, *ln_b_row;
} wkv_gn_gate_grad;

/* RWKV-7 between the products and the recurrence (docs/math/rwkv7.md).  Rows of C = H*N.
 *   w = exp(-e^{-1/2} sigmoid(w0 + w_raw));     a_gate = sigmoid(a0 + a_raw)
 *   v = v_in + (v_first - v_in) sigmoid(v0 + v_raw), or v_in when v_first is NULL
 *   kappa = k_in k_k, each head divided by max(its L2 norm, 1e-12)
 *   k = k_in (1 + (a_gate - 1) k_a);            a = -kappa;   b = kappa a_gate */
typedef struct wkv_rwkv7_prep {
    const real *k_in, *v_in, *v_first;    /* (rows, C) */
    const real *w_raw, *a_raw, *v_raw;    /* (rows, C); v_raw is NULL with v_first */
    const real *w0, *a0, *v0, *k_k, *k_a; /* (C) */
    real *w, *k, *v, *a, *b;              /* out, (rows, C) */
} wkv_rwkv7_prep;

/* Its gradients.  Given: dw dk dv da db (of the five outputs).  Written (=): dk_in
 * dv_in dw_raw da_raw dv_raw, and k_k_row, k_a_row whose column sums are the gradients
 * of k_k, k_a; those of w0, a0, v0 are the column sums of dw_raw, da_raw, dv_raw.
 * Added to (+=): dv_first.  dv_raw, dv_first are NULL where v_first is. */
typedef struct wkv_rwkv7_prep_grad {
    const real *dw, *dk, *dv, *da, *db;
    real *dk_in, *dv_in, *dw_raw, *da_raw, *dv_raw, *dv_first;
    real *k_k_row, *k_a_row;
} wkv_rwkv7_prep_grad;

/* RWKV-7 between the recurrence and the output product, per head:
 *   z = (GN(y) ln_w + ln_b + v sum(r k r_k)) g */
typedef struct wkv_rwkv7_out {
    const real *y, *r, *k, *v, *g; /* (rows, C) */
    const real *ln_w, *ln_b, *r_k; /* (C) */
    real *z;                       /* out, (rows, C) */
    real *stat;                    /* out, (rows, H, 2): mean and 1/sqrt(var + eps); or NULL */
    real eps;
} wkv_rwkv7_out;

/* Its gradients.  Given dz (and o.stat).  Written (=): dy dr dk dv dg, and rows whose
 * column sums are the gradients of ln_w, ln_b, r_k. */
typedef struct wkv_rwkv7_out_grad {
    const real *dz;
    real *dy, *dr, *dk, *dv, *dg;
    real *ln_w_row, *ln_b_row, *r_k_row;
} wkv_rwkv7_out_grad;

/* AFT (docs/math/aft.md): the tokens that some channels of one sequence look at.  The state is
 * rows of channels, `ss` apart: a, b, p of the tokens that have left the window, as RWKV-4 has
 * them; then key and value of the last `window` tokens, each at its place, which is its
 * position modulo the window. */
typedef struct wkv_aft_in {
    const real *k, *v; /* (T, n), rows `stride` apart */
    const real *bias;  /* (T, window), rows bias_stride apart (0: the same for all) */
    int T, stride, bias_stride;
    int window;    /* tokens that have a bias; 0: none */
    int position;  /* tokens before the first */
    bool by_place; /* bias[t][place of the token], else bias[t][its distance] */
} wkv_aft_in;

/* Rows of the state. */
static inline size_t wkv_aft_rows(int window)
{
    return 3 + 2 * (size_t)window;
}

/* The place of token j of the call, which may be one before its first (j < 0). */
static inline size_t wkv_aft_place(const wkv_aft_in *in, int j)
{
    return (size_t)(in->position + j) % (size_t)in->window;
}

/* What came out, its gradient, and the gradients in: dk, dv and y like k; keep, as the forward
 * kernel left it; dbias (T, window), rows dbias_stride apart; dstate like the state. */
typedef struct wkv_aft_grad {
    const real *y, *keep, *dy;
    real *dk, *dv, *dbias, *dstate;
    int dbias_stride;
} wkv_aft_grad;

/* One AdamW update (Loshchilov and Hutter, 2019), decoupled decay. */
typedef struct wkv_adamw {
    real lr, beta1, beta2, eps, decay;
    real correction1, correction2; /* 1 - beta^t */
    real grad_scale;               /* clipping: gradients are multiplied by it */
} wkv_adamw;

typedef struct wkv_kern {
#define KERN(name, ret, args) ret(*name) args;
#include "kern/kern.def"
#undef KERN
    wkv_cpu_level level;
    uint8_t q8_bias; /* what the numbers of Q8 lie there too large by (panel.h) */
    int tile_least; /* rows from which packed weights are best multiplied as bf16; 0: never */
    size_t gemm_room;  /* bytes that gemm works in */
    size_t split_room; /* bytes that gemm_split works in; 0: there is no such */
    bool gemm_fastest; /* no library is known to be faster than gemm */
} wkv_kern;

#define KERN(name, ret, args) ret wkv_##name##_ref args;
#include "kern/kern.def"
#undef KERN

/* The table for a level, which is at most wkv_cpu_detect(): every pointer set, the best
 * version at or below it.  The tables are built once and live for ever. */
const wkv_kern *wkv_kern_for(wkv_cpu_level level);

/* Rows of n activations x become 8-bit ones, of these [begin, begin + count) counted through all
 * rows: from a block's first to a block's last. */
static inline void wkv_quant_span(const wkv_kern *k, const wkv_qrows *to, const real *x, size_t n,
                                  size_t begin, size_t count)
{
    for (size_t i = begin, end = begin + count, here; i < end; i += here) {
        here = n - i % n < end - i ? n - i % n : end - i;
        const wkv_qrows row = wkv_qrows_from(to, i / n, i % n / WKV_QBLOCK);
        k->quant_rows(&row, x + i, here);
    }
}

#endif
