/* dev/cpu/gemm.c - see gemm.h. */
#include "dev/cpu/gemm.h"

#include "dev/cpu/cpu.h"

#ifdef WKV_HAVE_ONEDNN
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

/* oneDNN makes a team of its own unless it is called from inside one.  Ours has one thread
 * when there is little work or one is asked for: then oneDNN is told so. */
void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g)
{
    (void)kern;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, 1.0f, g->A, g->lda,
               g->B, g->ldb, g->accumulate ? 1.0f : 0.0f, g->C, g->ldc);
    omp_set_num_threads(threads);
}
#else
void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g)
{
    kern->gemm(g->C, g->A, g->B, g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->trans_a, g->trans_b,
               g->accumulate);
}
#endif

/* The side of a tile: large enough to keep a product efficient, small enough that even
 * small products make several tiles. */
static int tile_side(int n)
{
    int side = (n / 4 + 63) / 64 * 64;
    return side < 64 ? 64 : side > 384 ? 384 : side;
}

/* The part of g that makes rows [i, i + m) and columns [j, j + n) of C. */
static wkv_gemm_args tile_of(const wkv_gemm_args *g, int i, int j, int m, int n)
{
    wkv_gemm_args t = *g;
    t.m = g->m - i < m ? g->m - i : m;
    t.n = g->n - j < n ? g->n - j : n;
    t.C += (size_t)i * (size_t)g->ldc + (size_t)j;
    t.A += g->trans_a ? (size_t)i : (size_t)i * (size_t)g->lda;
    t.B += g->trans_b ? (size_t)j * (size_t)g->ldb : (size_t)j;
    return t;
}

void wkv_gemm_parallel(const wkv_exec *x, const wkv_gemm_args *g)
{
    int m = tile_side(g->m), n = tile_side(g->n);
    int down = (g->m + m - 1) / m, across = (g->n + n - 1) / n;
    size_t tiles = (size_t)down * (size_t)across;
    int parts = wkv_cpu_parts(x, tiles, (size_t)g->m * (size_t)g->n * (size_t)g->k / 16);
#pragma omp parallel for num_threads(parts) schedule(dynamic) if (parts > 1)
    for (size_t i = 0; i < tiles; i++) {
        wkv_gemm_args t =
            tile_of(g, (int)(i / (size_t)across) * m, (int)(i % (size_t)across) * n, m, n);
        wkv_gemm(x->dev->kern, &t);
    }
}
