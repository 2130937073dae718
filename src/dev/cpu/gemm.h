/* dev/cpu/gemm.h - one dense product on the calling thread: oneDNN where the build has
 * it, else the kernels' own.  Callers cut the output into tiles whose borders depend on
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

void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g);

/* Cuts the outputs of at most WKV_MAX_PRODUCTS products into tiles and shares these among the
 * team.  No product's output is another's input.  Measuring is the caller's affair. */
void wkv_gemm_parallel(const wkv_exec *x, const wkv_gemm_args *g, int count);

#endif
