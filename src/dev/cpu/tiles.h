/* dev/cpu/tiles.h - products of packed weights with many rows as tiles of bf16, where the
 * processor multiplies these (kern/panel.h). */
#ifndef WKV_DEV_CPU_TILES_H
#define WKV_DEV_CPU_TILES_H

#include "dev/dev.h"

/* Whether `rows` rows of a packed weight go this way. */
bool wkv_tiles_wanted(const wkv_exec *x, int rows);

/* Numbers of the tiles of so many rows; rows of n inputs to tiles, by all threads. */
size_t wkv_tiles_size(int rows, size_t n);
void wkv_tiles_fill(const wkv_exec *x, uint16_t *tiles, const real *in, int rows, int n);

/* Numbers of weights that wkv_tiles_multiply turns to tiles at a time. */
size_t wkv_tiles_room(size_t n_out);

/* y, rows ldy apart, = or += the product of `rows` rows with the outputs of consecutive
 * panels. */
typedef struct wkv_tiles_task {
    real *y;
    const uint16_t *x;
    const unsigned char *panels;
    wkv_layout layout;
    int ldy, rows, n_out, n;
    bool add;
} wkv_tiles_task;

void wkv_tiles_multiply(const wkv_kern *k, const wkv_tiles_task *t, uint16_t *room);

#endif
