/* dev/cpu/gemm.h - dense products: on AMX the kernels' own, else oneDNN's where the build has
 * it, else the kernels' own again.  Callers cut the output into tiles whose borders depend on
 * the shapes alone and give each tile to one thread, so the team's size changes nothing. */
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

/* Cuts the outputs of at most WKV_MAX_PRODUCTS products into tiles and shares these among the
 * team.  No product's output is another's input. */
void wkv_gemm_parallel(const wkv_exec *x, const wkv_gemm_args *g, int count);

#endif
