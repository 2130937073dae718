/* dev/cpu/tiles.c - see tiles.h.
 *
 * Inputs are taken DEPTH tiles of an output at a time: those of two panels then stay in the first
 * two caches while all rows pass by. */
#include "dev/cpu/tiles.h"

#include "dev/cpu/cpu.h"

enum { DEPTH = 24 };

static bool is_packed(const wkv_weight *W)
{
    return W->layout != WKV_LAYOUT_NONE && W->layout != WKV_LAYOUT_T;
}

bool wkv_tiles_wanted(const wkv_exec *x, const wkv_weight *W, int rows)
{
    const int least = x->dev->kern->tile_least;
    const bool halves = W->dtype == WKV_DTYPE_F16 || W->dtype == WKV_DTYPE_BF16;
    return least > 0 && rows >= least && !x->row_by_row &&
           (is_packed(W) || (halves && wkv_weight_inputs(W) % WKV_QBLOCK == 0));
}

int wkv_tiles_parts(const wkv_weight *W)
{
    return is_packed(W) ? 1 : 3;
}

size_t wkv_tiles_size(int rows, size_t n, int parts)
{
    return ((size_t)rows + WKV_TILE_ROWS - 1) / WKV_TILE_ROWS * WKV_TILE_ROWS * n * (size_t)parts;
}

typedef struct filling {
    uint16_t *tiles;
    const real *in;
    size_t n;
    int parts;
} filling;

static void fill_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const filling *f = ctx;
    k->tile_rows(f->tiles + s.begin * f->n * (size_t)f->parts, f->in + s.begin * f->n, (int)s.n,
                 (int)f->n, f->parts);
}

void wkv_tiles_fill(const wkv_exec *x, uint16_t *tiles, const real *in, int rows, int n, int parts)
{
    const filling f = {tiles, in, (size_t)n, parts};
    const size_t all = (size_t)rows;
    wkv_cpu_cut(x, fill_rows, &f, all, WKV_TILE_ROWS, all * f.n / 8);
}

size_t wkv_tiles_room(size_t n_out)
{
    return (n_out + WKV_PANEL - 1) / WKV_PANEL * DEPTH * WKV_TILE;
}

/* Of 16 outputs, from o on, `count` blocks, from b on. */
static void weights_to_tiles(const wkv_kern *k, const wkv_tiles_task *t, uint16_t *tiles, int o,
                             int b, int count)
{
    if (t->w.panels != NULL) {
        const size_t panel = wkv_panel_bytes(t->w.layout, (size_t)t->n);
        k->tile_panel(tiles, t->w.panels + (size_t)(o / WKV_PANEL) * panel, t->w.layout, t->n, b,
                      count);
        return;
    }
    wkv_halves w = t->w.plain;
    w.at += w.by_inputs ? (size_t)o : (size_t)o * w.ld;
    k->tile_halves(tiles, &w, t->n_out - o < WKV_PANEL ? t->n_out - o : WKV_PANEL, b, count);
}

void wkv_tiles_multiply(const wkv_kern *k, const wkv_tiles_task *t, uint16_t *room)
{
    const int blocks = t->n / WKV_QBLOCK, x_parts = t->w.panels != NULL ? 1 : 3;
    const int w_parts = t->w.panels == NULL && t->w.plain.f16 ? 2 : 1, depth = DEPTH / w_parts;
    const size_t block = (size_t)x_parts * WKV_TILE;
    for (int b = 0; b < blocks; b += depth) {
        const int count = blocks - b < depth ? blocks - b : depth;
        const size_t panel = (size_t)(count * w_parts) * WKV_TILE;
        for (int o = 0; o < t->n_out; o += WKV_PANEL)
            weights_to_tiles(k, t, room + (size_t)(o / WKV_PANEL) * panel, o, b, count);
        const wkv_tile_factors f = {
            t->x + (size_t)b * block, room, (size_t)blocks * block, x_parts, w_parts, count};
        k->tile_mul(t->y, t->ldy, &f, t->rows, t->n_out, t->add || b > 0);
    }
}
