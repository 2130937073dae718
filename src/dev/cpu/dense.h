/* dev/cpu/dense.h - products of many rows with plain weights, forward, over tiles of the output. */
#ifndef WKV_DEV_CPU_DENSE_H
#define WKV_DEV_CPU_DENSE_H

#include "dev/dev.h"

/* At most WKV_MAX_PRODUCTS.  Those of reals, and of what is small enough to become reals, are one
 * operation; the others come one after the other. */
void wkv_dense_products(wkv_exec *x, const wkv_product *const *p, int n, int rows);

#endif
