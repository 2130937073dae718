/* dev/cpu/plain.h - products of a few rows with weights as they are stored, or as low-rank factors
 * lie: each weight is read once, in its type. */
#ifndef WKV_DEV_CPU_PLAIN_H
#define WKV_DEV_CPU_PLAIN_H

#include "dev/dev.h"

/* n weights as reals. */
void wkv_plain_widen(const wkv_kern *k, real *wide, const unsigned char *from, wkv_dtype t,
                     size_t n);

/* Outputs [begin, begin + n) of each row, from y on; own: room for a widened row, or for packing.
 */
void wkv_plain_multiply(const wkv_kern *k, real *y, const real *in, const wkv_weight *W,
                        size_t begin, size_t n, int rows, unsigned char *own);

#endif
