/* dev/cpu/sums.h - gradients of vector parameters, which are sums over rows.
 *
 * Whoever computes the terms does so for a block of rows and has them summed while they lie
 * in the cache.  The sums of blocks are added at the end, in order, so that nothing
 * depends on who summed which block. */
#ifndef WKV_DEV_CPU_SUMS_H
#define WKV_DEV_CPU_SUMS_H

#include "dev/dev.h"

/* Rows of a block: some twenty arrays of them fit into a second-level cache. */
enum { WKV_SUM_ROWS = 16 };

/* Sums of rows of C. */
typedef struct wkv_sums {
    real *of_blocks; /* (sums, blocks, C) */
    size_t blocks, C;
} wkv_sums;

wkv_sums wkv_sums_alloc(wkv_exec *x, int n, int rows, size_t C);

/* Sum i of a block, to be added to: zeros. */
real *wkv_sums_begin(const wkv_sums *s, int i, size_t block);
/* Sum i of a block is that of the rows of `in` (rows, C). */
void wkv_sums_set(const wkv_kern *kern, const wkv_sums *s, int i, size_t block, const real *in,
                  int rows);
/* w.grad += sum i, unless w is frozen. */
void wkv_sums_finish(wkv_exec *x, const wkv_sums *s, int i, const wkv_weight *w);

/* The rows of a block, of `rows` in all. */
static inline int wkv_sums_rows(size_t block, int rows)
{
    int left = rows - (int)block * WKV_SUM_ROWS;
    return left < WKV_SUM_ROWS ? left : WKV_SUM_ROWS;
}

#endif
