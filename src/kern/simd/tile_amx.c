/* kern/simd/tile_amx.c - products of bf16 tiles (panel.h) on AMX, and what makes tiles.
 *
 * Sums stay in tile registers while two 16 rows meet two panels: four tiles are loaded for
 * four products.  What is not whole, rows or outputs, goes by way of a tile on the stack. */
#include <string.h>

#include "kern/simd/amx.h"
#include "kern/simd/vi_vnni.h"

#include "kern/simd/qmul_lines.h"

/* ---- activations --------------------------------------------------------------------- */

WKV_INLINE __m512i bf16_of(vf low, vf high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void tile_rows(uint16_t *tiles, const real *x, int rows, int n)
{
    const size_t blocks = (size_t)n / WKV_QBLOCK, all = (size_t)rows;
    for (size_t r = 0; r < all; r++) {
        uint16_t *to = tiles + r / WKV_TILE_ROWS * blocks * WKV_TILE + r % WKV_TILE_ROWS * 32;
        const real *from = x + r * (size_t)n;
        for (size_t b = 0; b < blocks; b++)
            vi_store(to + b * WKV_TILE,
                     bf16_of(vf_load(from + 32 * b), vf_load(from + 32 * b + 16)));
    }
    for (size_t r = all; r % WKV_TILE_ROWS != 0; r++) {
        uint16_t *to = tiles + r / WKV_TILE_ROWS * blocks * WKV_TILE + r % WKV_TILE_ROWS * 32;
        for (size_t b = 0; b < blocks; b++)
            memset(to + b * WKV_TILE, 0, 64);
    }
}

/* ---- weights ------------------------------------------------------------------------------ */

/* What makes a weight of a number: scale * number + offset. */
typedef struct affine {
    vf scale, offset;
} affine;

/* For half `half` of block b. */
WKV_INLINE affine affine_of(const unsigned char *scales, size_t b, int half, wkv_layout l)
{
    const block_scales s = scales_of(scales, b, 0, l);
    if (has_offsets(l))
        return (affine){s.d, l == WKV_LAYOUT_Q8M ? s.m : vf_neg(s.m)};
    const vf d = l == WKV_LAYOUT_Q6K ? vf_mul(s.d, vi_to_float(s.half[half])) : s.d;
    return (affine){d, vf_mul(d, vf_set1(-(float)offset_of(l)))};
}

/* Byte i of each lane as a weight. */
WKV_INLINE vf weight_of(vi line, int i, affine f)
{
    vi byte = i == 0 ? line : i == 1 ? vi_right(line, 8) : i == 2 ? vi_right(line, 16) : line;
    byte = i == 3 ? vi_right(line, 24) : vi_and(byte, vi_set1(255));
    return vf_fma(vi_to_float(byte), f.scale, f.offset);
}

WKV_INLINE void panel_tiles(uint16_t *tiles, const unsigned char *panel, size_t n, size_t first,
                            size_t count, wkv_layout l)
{
    static const uint16_t by_turns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                          21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                          11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const vi order = vi_load(by_turns);
    const unsigned char *block = panel + wkv_panel_scales(l, n);
    block += first * (size_t)wkv_layout_of(l).block;
    for (size_t b = first; b < first + count; b++, block += (size_t)wkv_layout_of(l).block)
        for (int g = 0; g < 8; g++) {
            affine f = affine_of(panel, b, g / 4, l);
            vi line = group_of(block, g, l);
            for (int i = 0; i < 4; i += 2, tiles += 32) {
                vi pair = bf16_of(weight_of(line, i, f), weight_of(line, i + 1, f));
                vi_store(tiles, _mm512_permutexvar_epi16(order, pair));
            }
        }
}

static void tile_panel(uint16_t *tiles, const unsigned char *panel, wkv_layout l, int n, int first,
                       int count)
{
    const size_t inputs = (size_t)n, from = (size_t)first, blocks = (size_t)count;
    switch (l) {
#define CASE(id, name, span, scales, block) \
    case WKV_LAYOUT_##id: \
        panel_tiles(tiles, panel, inputs, from, blocks, WKV_LAYOUT_##id); \
        break;
        WKV_PANEL_LAYOUTS(CASE)
#undef CASE
    default:
        break;
    }
}

/* ---- products -------------------------------------------------------------------------------- */

/* The tile registers: sums of 16 rows (first, second) times a panel (first, second); the rows;
 * the panels. */
#define MULTIPLY(sum, rows, panel) \
    __asm__ volatile("tdpbf16ps %tmm" #panel ", %tmm" #rows ", %tmm" #sum)

static const size_t LINE = TILE_LINE;

/* Where the sums of 16 rows and a panel come from and go to: the output itself or, where it
 * has not that many rows or lanes, a tile on the stack. */
typedef struct place {
    real *y, *at;
    size_t ld, step; /* reals from row to row of y; bytes of at */
    size_t rows, lanes;
} place;

typedef real edge[WKV_TILE_ROWS][WKV_PANEL];

static place place_of(real *y, size_t ld, size_t rows, size_t lanes, edge on_stack, bool add)
{
    if (rows >= WKV_TILE_ROWS && lanes >= WKV_PANEL)
        return (place){y, y, ld, ld * sizeof(real), WKV_TILE_ROWS, WKV_PANEL};
    place p = {y,
               on_stack[0],
               ld,
               LINE,
               rows < WKV_TILE_ROWS ? rows : WKV_TILE_ROWS,
               lanes < WKV_PANEL ? lanes : WKV_PANEL};
    for (size_t r = 0; r < p.rows && add; r++)
        vf_store(on_stack[r], load_some(y + r * ld, p.lanes));
    return p;
}

static void give_back(const place *p)
{
    for (size_t r = 0; r < p->rows && p->at != p->y; r++)
        store_some(p->y + r * p->ld, vf_load(p->at + r * WKV_PANEL), p->lanes);
}

/* A block of R 16s of rows and P panels, each 1 or 2. */
WKV_INLINE void multiply_tiles(const place s[2][2], const uint16_t *x, size_t x_step,
                               const uint16_t *w, size_t count, int R, int P, bool add)
{
    const uint16_t *x1 = x + x_step, *w1 = w + count * WKV_TILE;
    if (add) {
        TILE_LOAD(0, s[0][0].at, s[0][0].step);
        if (P == 2)
            TILE_LOAD(1, s[0][1].at, s[0][1].step);
        if (R == 2)
            TILE_LOAD(2, s[1][0].at, s[1][0].step);
        if (R == 2 && P == 2)
            TILE_LOAD(3, s[1][1].at, s[1][1].step);
    } else {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    for (size_t b = 0; b < count; b++) {
        TILE_LOAD(4, x + b * WKV_TILE, LINE);
        TILE_LOAD(6, w + b * WKV_TILE, LINE);
        MULTIPLY(0, 4, 6);
        if (P == 2) {
            TILE_LOAD(7, w1 + b * WKV_TILE, LINE);
            MULTIPLY(1, 4, 7);
        }
        if (R == 2) {
            TILE_LOAD(5, x1 + b * WKV_TILE, LINE);
            MULTIPLY(2, 5, 6);
        }
        if (R == 2 && P == 2)
            MULTIPLY(3, 5, 7);
    }
    TILE_STORE(0, s[0][0].at, s[0][0].step);
    if (P == 2)
        TILE_STORE(1, s[0][1].at, s[0][1].step);
    if (R == 2)
        TILE_STORE(2, s[1][0].at, s[1][0].step);
    if (R == 2 && P == 2)
        TILE_STORE(3, s[1][1].at, s[1][1].step);
}

/* At most 32 rows times at most two panels. */
static void multiply_block(real *y, size_t ld, const uint16_t *x, size_t x_step, const uint16_t *w,
                           size_t rows, size_t n_out, size_t count, bool add)
{
    _Alignas(64) edge on_stack[2][2];
    place s[2][2];
    const size_t R = rows > WKV_TILE_ROWS ? 2 : 1, P = n_out > WKV_PANEL ? 2 : 1;
    for (size_t r = 0; r < R; r++)
        for (size_t p = 0; p < P; p++)
            s[r][p] =
                place_of(y + r * WKV_TILE_ROWS * ld + p * WKV_PANEL, ld, rows - r * WKV_TILE_ROWS,
                         n_out - p * WKV_PANEL, on_stack[r][p], add);
    if (R == 2 && P == 2)
        multiply_tiles((const place(*)[2])s, x, x_step, w, count, 2, 2, add);
    else if (R == 2)
        multiply_tiles((const place(*)[2])s, x, x_step, w, count, 2, 1, add);
    else if (P == 2)
        multiply_tiles((const place(*)[2])s, x, x_step, w, count, 1, 2, add);
    else
        multiply_tiles((const place(*)[2])s, x, x_step, w, count, 1, 1, add);
    for (size_t r = 0; r < R; r++)
        for (size_t p = 0; p < P; p++)
            give_back(&s[r][p]);
}

static void tile_mul(real *y, int ldy, const uint16_t *x, size_t x_step, const uint16_t *w,
                     int rows, int n_out, int count, bool add)
{
    const size_t ld = (size_t)ldy, all = (size_t)rows, out = (size_t)n_out, tiles = (size_t)count;
    tile_configure_all();
    for (size_t o = 0; o < out; o += 2 * WKV_PANEL)
        for (size_t r = 0; r < all; r += (size_t)2 * WKV_TILE_ROWS)
            multiply_block(y + r * ld + o, ld, x + r / WKV_TILE_ROWS * x_step, x_step,
                           w + o / WKV_PANEL * tiles * WKV_TILE, all - r, out - o, tiles, add);
    TILE_RELEASE();
}

void wkv_kern_init_tile_amx(wkv_kern *k)
{
    k->tile_rows = tile_rows;
    k->tile_panel = tile_panel;
    k->tile_mul = tile_mul;
    k->tile_least = 32;
}
