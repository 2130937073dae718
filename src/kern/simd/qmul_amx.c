/* kern/simd/qmul_amx.c - products of packed weights (panel.h) with many rows of 8-bit
 * activations on AMX: tiles of 16 rows times 16 outputs.
 *
 * A line of a panel is a row of AMX's right tile as it is: four inputs of 16 outputs.  A
 * block makes one tile product, whose integers are exact; scales and sums of floats are the
 * same as in qmul_tmpl.h, and so are the bits.  Rows that do not fill a tile go the way
 * of AVX-512 VNNI. */
#include <string.h>

#include "kern/simd/amx.h"
#include "kern/simd/vi_vnni.h"

#include "kern/simd/qmul_tmpl.h"

enum { LEFT = 0, RIGHT = 1, SUMS = 2, AHEAD = 1 };

/* How far ahead weights are asked for. */
enum { LINES_AHEAD = 6144 };

/* Left: 16 rows of 32 (or 16) activations; right: their lines of weights; the sums. */
static void configure(int inputs)
{
    tile_config c = {.palette = 1};
    c.rows[LEFT] = TILE_ROWS;
    c.row_bytes[LEFT] = (uint16_t)inputs;
    c.rows[RIGHT] = (uint8_t)(inputs / 4);
    c.row_bytes[RIGHT] = WKV_QGROUP_LINE;
    c.rows[SUMS] = TILE_ROWS;
    c.row_bytes[SUMS] = 4 * WKV_PANEL;
    tile_configure(&c);
}

/* sums[r][o] = x (rows `stride` bytes apart) times lines of weights. */
WKV_INLINE void tile_product(int32_t *sums, const int8_t *x, size_t stride, const void *lines)
{
    __asm__ volatile("tilezero %%tmm2\n\t"
                     "tileloadd (%0,%1,1), %%tmm0\n\t"
                     "tileloadd (%2,%3,1), %%tmm1\n\t"
                     "tdpbssd %%tmm1, %%tmm0, %%tmm2\n\t"
                     "tilestored %%tmm2, (%4,%3,1)"
                     :
                     : "r"(x), "r"(stride), "r"(lines), "r"((size_t)64), "r"(sums)
                     : "memory");
}

typedef int32_t tile[TILE_ROWS][WKV_PANEL];

/* The integers of block b of 16 rows from p->row on. */
WKV_INLINE void start_tile(tile sums, const part *p, size_t b, wkv_layout l)
{
    const size_t blocks = p->n / WKV_QBLOCK, at = p->row * blocks + b;
    tile_product(sums[0], p->x->q + at * WKV_QBLOCK, p->n,
                 p->blocks + b * (size_t)wkv_layout_of(l).block);
}

WKV_INLINE void add_tile(vf *acc, tile sums, const part *p, size_t b, wkv_layout l)
{
    const size_t blocks = p->n / WKV_QBLOCK, at = p->row * blocks + b;
    const unsigned char *scales = p->scales + b * (size_t)wkv_layout_of(l).scales;
    vf d = vf_load_f16((const uint16_t *)(const void *)scales);
#pragma GCC unroll 16 /* acc stays in registers */
    for (int r = 0; r < TILE_ROWS; r++) {
        const size_t row = at + (size_t)r * blocks;
        acc[r] =
            vf_fma(vi_to_float(vi_load(sums[r])), vf_mul(d, vf_set1(p->x->scale[row])), acc[r]);
    }
}

/* first: nobody has read these weights before, and memory is far. */
WKV_INLINE void multiply_tiles(real *y, size_t ldy, const part *p, size_t n_lanes, wkv_layout l,
                               bool add, bool first)
{
    vf acc[TILE_ROWS];
#pragma GCC unroll 16 /* acc stays in registers */
    for (int r = 0; r < TILE_ROWS; r++)
        acc[r] = vf_zero();
    const size_t blocks = p->n / WKV_QBLOCK;
    _Alignas(64) tile sums[AHEAD + 1];
    for (size_t b = 0; b < AHEAD && b < blocks; b++)
        start_tile(sums[b], p, b, l);
    const size_t bytes = (size_t)wkv_layout_of(l).block;
    for (size_t b = 0; b < blocks; b++) {
        for (size_t line = 0; first && line < bytes; line += 64)
            WKV_PREFETCH(p->blocks + b * bytes + line + LINES_AHEAD);
        if (b + AHEAD < blocks)
            start_tile(sums[(b + AHEAD) % (AHEAD + 1)], p, b + AHEAD, l);
        add_tile(acc, sums[b % (AHEAD + 1)], p, b, l);
    }
#pragma GCC unroll 16 /* acc stays in registers */
    for (int r = 0; r < TILE_ROWS; r++) {
        real *to = y + (size_t)r * ldy;
        store_some(to, add ? vf_add(load_some(to, n_lanes), acc[r]) : acc[r], n_lanes);
    }
}

WKV_INLINE void multiply_amx(real *y, int ldy, const wkv_qrows *x, int rows,
                             const unsigned char *panels, int n_out, int n, wkv_layout l, bool add)
{
    const size_t panel_bytes = wkv_panel_bytes(l, (size_t)n), ld = (size_t)ldy;
    const size_t whole = (size_t)rows / TILE_ROWS * TILE_ROWS;
    if (whole == 0) {
        multiply(y, ldy, x, rows, panels, n_out, n, l, add);
        return;
    }
    configure(WKV_QBLOCK);
    for (size_t o = 0; o < (size_t)n_out; o += WKV_PANEL) {
        const unsigned char *panel = panels + o / WKV_PANEL * panel_bytes;
        part p = {.scales = panel,
                  .blocks = panel + wkv_panel_scales(l, (size_t)n),
                  .x = x,
                  .n = (size_t)n};
        size_t left = (size_t)n_out - o, lanes = left < WKV_PANEL ? left : WKV_PANEL;
        for (; p.row < whole; p.row += TILE_ROWS)
            multiply_tiles(y + p.row * ld + o, ld, &p, lanes, l, add, p.row == 0);
        multiply_rows(y + o, ld, p, (size_t)rows, lanes, l, add);
    }
    TILE_RELEASE();
}

static void amx_q8(real *y, int ldy, const wkv_qrows *x, int rows, const unsigned char *panels,
                   int n_out, int n, bool add)
{
    multiply_amx(y, ldy, x, rows, panels, n_out, n, WKV_LAYOUT_Q8, add);
}

/* Six tiles of sums, so that none waits for itself. */
static double amx_byte_products(int32_t *sum, size_t rounds)
{
    enum { SIX = 6 };
    const size_t line = TILE_LINE;
    int8_t ones[TILE_ROWS * TILE_LINE];
    memset(ones, 1, sizeof ones);
    int32_t sums[SIX][TILE_ROWS * WKV_PANEL];
    tile_configure_all();
    TILE_LOAD(6, ones, line);
    TILE_LOAD(7, ones, line);
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    TILE_ZERO(4);
    TILE_ZERO(5);
    for (size_t r = 0; r < rounds; r++)
        __asm__ volatile("tdpbssd %tmm7, %tmm6, %tmm0\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm1\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm2\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm3\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm4\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm5");
    TILE_STORE(0, sums[0], line);
    TILE_STORE(1, sums[1], line);
    TILE_STORE(2, sums[2], line);
    TILE_STORE(3, sums[3], line);
    TILE_STORE(4, sums[4], line);
    TILE_STORE(5, sums[5], line);
    TILE_RELEASE();
    int32_t total = 0;
    for (int t = 0; t < SIX; t++)
        for (int i = 0; i < TILE_ROWS * WKV_PANEL; i++)
            total += sums[t][i];
    *sum = total;
    return 2.0 * SIX * TILE_ROWS * WKV_PANEL * TILE_LINE * (double)rounds;
}

void wkv_kern_init_qmul_amx(wkv_kern *k)
{
    k->byte_products = amx_byte_products;
    k->qmul_q8 = amx_q8;
}
