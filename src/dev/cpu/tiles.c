/* dev/cpu/tiles.c - see tiles.h.
 *
 * Inputs are taken DEPTH blocks at a time: the tiles of two panels then stay in the first
 * cache while all rows pass by, and those of the rows in the second. */
#include "dev/cpu/tiles.h"

#include "dev/cpu/cpu.h"

enum { DEPTH = 12 };

bool wkv_tiles_wanted(const wkv_exec *x, int rows)
{
    const int least = x->dev->kern->tile_least;
    return least > 0 && rows >= least && !x->row_by_row;
}

size_t wkv_tiles_size(int rows, size_t n)
{
    return ((size_t)rows + WKV_TILE_ROWS - 1) / WKV_TILE_ROWS * WKV_TILE_ROWS * n;
}

void wkv_tiles_fill(const wkv_exec *x, uint16_t *tiles, const real *in, int rows, int n)
{
    const size_t all = (size_t)rows, cols = (size_t)n;
    const int parts = wkv_cpu_parts(x, (all + WKV_TILE_ROWS - 1) / WKV_TILE_ROWS, all * cols / 8);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(all, parts, i, WKV_TILE_ROWS);
        x->dev->kern->tile_rows(tiles + s.begin * cols, in + s.begin * cols, (int)s.n, n);
    }
}

size_t wkv_tiles_room(size_t n_out)
{
    return (n_out + WKV_PANEL - 1) / WKV_PANEL * DEPTH * WKV_TILE;
}

void wkv_tiles_multiply(const wkv_kern *k, const wkv_tiles_task *t, uint16_t *room)
{
    const size_t panel = wkv_panel_bytes(t->layout, (size_t)t->n);
    const int blocks = t->n / WKV_QBLOCK;
    for (int b = 0; b < blocks; b += DEPTH) {
        const int count = blocks - b < DEPTH ? blocks - b : DEPTH;
        for (size_t o = 0; o < (size_t)t->n_out; o += WKV_PANEL)
            k->tile_panel(room + o / WKV_PANEL * (size_t)count * WKV_TILE,
                          t->panels + o / WKV_PANEL * panel, t->layout, t->n, b, count);
        k->tile_mul(t->y, t->ldy, t->x + (size_t)b * WKV_TILE, (size_t)blocks * WKV_TILE, room,
                    t->rows, t->n_out, count, t->add || b > 0);
    }
}
