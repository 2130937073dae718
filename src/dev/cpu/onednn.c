/* dev/cpu/onednn.c - products by oneDNN, where the build has it. */
#include <wkv/version.h>

#include "dev/cpu/gemm.h"

#ifdef WKV_HAVE_ONEDNN
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* oneDNN would make a team of its own for each of our threads; OpenMP keeps the number that says
 * how large for each of them.  False, and C is as it was, when oneDNN is refused the memory that
 * it asks for before it computes: for its code, once, and for copies of the factors. */
static bool multiply(const wkv_gemm_args *g)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t s =
        dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, 1.0f, g->A,
                   g->lda, g->B, g->ldb, g->accumulate ? 1.0f : 0.0f, g->C, g->ldc);
    omp_set_num_threads(threads);
    return s == dnnl_success;
}

/* The last rows of a tile, as the end of a block of WKV_GEMM_ROWS rows that begins in the rows
 * before them. */
static bool last_rows(const wkv_gemm_args *t, int rest)
{
    float block[WKV_GEMM_ROWS * WKV_GEMM_TILE];
    size_t n = (size_t)t->n, ldc = (size_t)t->ldc, bytes = n * sizeof *block;
    wkv_gemm_args b = *t;
    b.A += ((ptrdiff_t)t->m - WKV_GEMM_ROWS) * t->lda;
    b.C = block;
    b.ldc = t->n;
    b.m = WKV_GEMM_ROWS;
    real *C = t->C + (size_t)(t->m - rest) * ldc;
    float *mine = block + (size_t)(WKV_GEMM_ROWS - rest) * n;
    memset(block, 0, WKV_GEMM_ROWS * bytes);
    for (size_t r = 0; r < (size_t)rest && t->accumulate; r++)
        memcpy(mine + r * n, C + r * ldc, bytes);
    if (!multiply(&b))
        return false;
    for (size_t r = 0; r < (size_t)rest; r++)
        memcpy(C + r * ldc, mine + r * n, bytes);
    return true;
}

int wkv_onednn_gemm(const wkv_gemm_args *t, int rows)
{
    int rest = t->trans_a || rows < WKV_GEMM_ROWS ? 0 : t->m % WKV_GEMM_ROWS;
    wkv_gemm_args blocks = *t;
    blocks.m -= rest;
    if (blocks.m > 0 && !multiply(&blocks))
        return 0;
    return rest > 0 && last_rows(t, rest) ? t->m : blocks.m;
}

bool wkv_onednn_version(int32_t version[3])
{
    const dnnl_version_t *v = dnnl_version();
    version[0] = v->major;
    version[1] = v->minor;
    version[2] = v->patch;
    return true;
}
#else
int wkv_onednn_gemm(const wkv_gemm_args *t, int rows)
{
    (void)t;
    (void)rows;
    return 0;
}

bool wkv_onednn_version(int32_t version[3])
{
    version[0] = version[1] = version[2] = 0;
    return false;
}
#endif
