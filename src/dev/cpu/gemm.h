/* dev/cpu/gemm.h - dense products: the kernels' own where these are fastest (AMX, AVX2, NEON), else
 * oneDNN's where the build has it.  oneDNN asks for memory of its own; where it gets none the
 * kernels, whose room is always set aside, do its part.  Callers cut the output into tiles whose
 * borders depend on the shapes alone and give each tile to one thread, so the team's size changes
 * nothing. */
#ifndef WKV_DEV_CPU_GEMM_H
#define WKV_DEV_CPU_GEMM_H

#include "dev/dev.h"

typedef struct wkv_gemm_args {
    real *C; /* (m, n) */
    const real *A, *B;
    int m, n, k;
    int lda, ldb, ldc;
    bool trans_a, trans_b; /* A is stored (k, m), B is stored (n, k) */
    bool accumulate;       /* C +=, not = */
} wkv_gemm_args;

/* One product on the calling thread; room: wkv_gemm_room bytes. */
void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g, void *room);
size_t wkv_gemm_room(const wkv_kern *kern, const wkv_gemm_args *g);

/* Rows of a tile where there are enough are a multiple of this; sides are at most that. */
enum { WKV_GEMM_ROWS = 48, WKV_GEMM_TILE = 528 };

/* Tile t of a product of `rows` rows, by oneDNN.  Returns how many of t's rows, from the first, are
 * done: none in a build without it, and fewer than all when it is refused memory.  Where rows are
 * tokens, what becomes of one must not depend on its place in the batch.  oneDNN sums rows that do
 * not fill its kernel in another order (seen with AVX-512 below 40), and never does in multiples of
 * WKV_GEMM_ROWS. */
int wkv_onednn_gemm(const wkv_gemm_args *t, int rows);

/* Cuts the outputs of at most WKV_MAX_PRODUCTS products into tiles and shares these among the
 * team.  No product's output is another's input. */
void wkv_gemm_parallel(const wkv_exec *x, const wkv_gemm_args *g, int count);

#endif
