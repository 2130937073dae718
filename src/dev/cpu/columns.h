/* dev/cpu/columns.h - products of a few rows with plain weights that lie by inputs (layout T of
 * kern/panel.h): what meets a zero is not read. */
#ifndef WKV_DEV_CPU_COLUMNS_H
#define WKV_DEV_CPU_COLUMNS_H

#include "dev/dev.h"

/* The inputs of `rows` rows of n that are not zero, in order: count[r] of them at row[r * n]. */
typedef struct wkv_nonzeros {
    uint32_t *row;
    int *count;
} wkv_nonzeros;

/* Room for them in scratch. */
wkv_nonzeros wkv_nonzeros_alloc(wkv_exec *x, int rows, size_t n);
void wkv_nonzeros_find(const wkv_exec *x, const wkv_nonzeros *z, const real *in, int rows,
                       size_t n);

/* n_out outputs, from y on, of each row; groups: those of the layout T that hold them. */
void wkv_columns_multiply(const wkv_kern *k, const wkv_product *p, const wkv_nonzeros *z, real *y,
                          const unsigned char *groups, size_t n_out, int rows);

#endif
