/* dev/cpu/tiles.h - products of many rows with packed weights, or with plain ones of 16 bits, as
 * tiles of bf16, where the processor multiplies these (kern/panel.h). */
#ifndef WKV_DEV_CPU_TILES_H
#define WKV_DEV_CPU_TILES_H

#include "dev/dev.h"

/* Whether `rows` rows of W go this way. */
bool wkv_tiles_wanted(const wkv_exec *x, const wkv_weight *W, int rows);

/* In how many parts W's activations are. */
int wkv_tiles_parts(const wkv_weight *W);

/* Numbers of the tiles of so many rows of n inputs; rows to tiles, by all threads. */
size_t wkv_tiles_size(int rows, size_t n, int parts);
void wkv_tiles_fill(const wkv_exec *x, uint16_t *tiles, const real *in, int rows, int n, int parts);

/* Numbers of weights that wkv_tiles_multiply turns to tiles at a time. */
size_t wkv_tiles_room(size_t n_out);

/* Consecutive panels of a layout or, where there are none, plain weights. */
typedef struct wkv_tiles_weights {
    const unsigned char *panels;
    wkv_layout layout;
    wkv_halves plain;
} wkv_tiles_weights;

/* y, rows ldy apart, = or += the product of `rows` rows of n inputs with n_out outputs. */
typedef struct wkv_tiles_task {
    real *y;
    const uint16_t *x;
    wkv_tiles_weights w;
    int ldy, rows, n_out, n;
    bool add;
} wkv_tiles_task;

void wkv_tiles_multiply(const wkv_kern *k, const wkv_tiles_task *t, uint16_t *room);

#endif
