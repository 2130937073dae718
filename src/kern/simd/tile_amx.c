/* kern/simd/tile_amx.c - products of bf16 tiles (panel.h) on AMX, and what makes tiles.
 *
 * Sums stay in tile registers while two 16 rows meet two panels: four tiles are loaded for
 * four products.  What is not whole, rows or outputs, goes by way of a tile on the stack. */
#include <string.h>

#include "kern/simd/amx.h"
#include "kern/simd/vi_vnni.h"

#define Q8_SIGNED /* as qmul_amx.c */
#include "kern/simd/qmul_lines.h"

/* 32 numbers in order as bf16. */
WKV_INLINE __m512i bf16_of(vf low, vf high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

WKV_INLINE vf half_of(__m512i line, int half)
{
    return widen_bf16(half == 0 ? _mm512_castsi512_si256(line)
                                : _mm512_extracti64x4_epi64(line, 1));
}

/* A line of a tile and, where there are more parts, of the tiles behind it. */
WKV_INLINE void put_line(uint16_t *line, vf low, vf high, int parts)
{
    for (int p = 0; p < parts; p++, line += WKV_TILE) {
        const __m512i nearest = bf16_of(low, high);
        vi_store(line, nearest);
        low = vf_sub(low, half_of(nearest, 0));
        high = vf_sub(high, half_of(nearest, 1));
    }
}

/* ---- activations --------------------------------------------------------------------- */

/* A row's line in the first tile of the 16 rows that it is of. */
WKV_INLINE uint16_t *line_of(uint16_t *tiles, size_t row, size_t step)
{
    return tiles + row / WKV_TILE_ROWS * step + row % WKV_TILE_ROWS * WKV_QBLOCK;
}

WKV_INLINE void rows_to_tiles(uint16_t *tiles, const real *x, int rows, int n, int parts)
{
    const size_t blocks = (size_t)n / WKV_QBLOCK, all = (size_t)rows;
    const size_t block = (size_t)parts * WKV_TILE, step = blocks * block;
    for (size_t r = 0; r < all; r++, x += n) {
        uint16_t *to = line_of(tiles, r, step);
        for (size_t b = 0; b < blocks; b++)
            put_line(to + b * block, vf_load(x + WKV_QBLOCK * b), vf_load(x + WKV_QBLOCK * b + 16),
                     parts);
    }
    for (size_t r = all; r % WKV_TILE_ROWS != 0; r++)
        for (size_t t = 0; t < blocks * (size_t)parts; t++)
            memset(line_of(tiles, r, step) + t * WKV_TILE, 0, TILE_LINE);
}

static void tile_rows(uint16_t *tiles, const real *x, int rows, int n, int parts)
{
    if (parts == 1)
        rows_to_tiles(tiles, x, rows, n, 1);
    else
        rows_to_tiles(tiles, x, rows, n, 3);
}

/* ---- packed weights ----------------------------------------------------------------------- */

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

/* The first and the second 16 numbers by turns: of an input and the next, pairs. */
WKV_INLINE vi by_turns(vi numbers)
{
    static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(vi_load(order), numbers);
}

WKV_INLINE void panel_tiles(uint16_t *tiles, const unsigned char *panel, size_t n, size_t first,
                            size_t count, wkv_layout l)
{
    const unsigned char *block = panel + wkv_panel_scales(l, n);
    block += first * (size_t)wkv_layout_of(l).block;
    for (size_t b = first; b < first + count; b++, block += (size_t)wkv_layout_of(l).block)
        for (int g = 0; g < 8; g++) {
            affine f = affine_of(panel, b, g / 4, l);
            vi line = group_of(block, g, l);
            for (int i = 0; i < 4; i += 2, tiles += 32) {
                vi pair = bf16_of(weight_of(line, i, f), weight_of(line, i + 1, f));
                vi_store(tiles, by_turns(pair));
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

/* ---- plain weights ----------------------------------------------------------------------- */

/* At most 16 numbers, the others 0. */
WKV_INLINE __m256i some_halves(const uint16_t *p, size_t n)
{
    return _mm256_maskz_loadu_epi16(first_lanes(n), p);
}

/* The lines of a block's tile, of weights by outputs: pairs of inputs change places as lanes. */
WKV_INLINE void lines_by_outputs(vi lines[16], const uint16_t *w, size_t ld, size_t outputs)
{
    vf rows[16];
    for (size_t o = 0; o < 16; o++)
        rows[o] = o < outputs ? _mm512_castsi512_ps(vi_load(w + o * ld)) : vf_zero();
    vf_transpose(rows);
    for (size_t p = 0; p < 16; p++)
        lines[p] = _mm512_castps_si512(rows[p]);
}

WKV_INLINE void lines_by_inputs(vi lines[16], const uint16_t *w, size_t ld, size_t outputs)
{
    for (size_t p = 0; p < 16; p++, w += 2 * ld)
        lines[p] = by_turns(_mm512_inserti64x4(_mm512_castsi256_si512(some_halves(w, outputs)),
                                               some_halves(w + ld, outputs), 1));
}

static void tile_halves(uint16_t *tiles, const wkv_halves *w, int outputs, int first, int count)
{
    const size_t n = (size_t)outputs, block = w->f16 ? 2 * WKV_TILE : WKV_TILE;
    for (size_t b = (size_t)first; b < (size_t)(first + count); b++, tiles += block) {
        vi lines[16];
        if (w->by_inputs)
            lines_by_inputs(lines, w->at + b * WKV_QBLOCK * w->ld, w->ld, n);
        else
            lines_by_outputs(lines, w->at + b * WKV_QBLOCK, w->ld, n);
        for (size_t p = 0; p < 16; p++) {
            uint16_t *to = tiles + p * 32;
            if (w->f16)
                put_line(to, _mm512_cvtph_ps(_mm512_castsi512_si256(lines[p])),
                         _mm512_cvtph_ps(_mm512_extracti64x4_epi64(lines[p], 1)), 2);
            else
                vi_store(to, lines[p]);
        }
    }
}

/* ---- products -------------------------------------------------------------------------------- */

/* Where the sums of 16 rows and a panel come from and go to: the output itself or, where it
 * has not that many rows or lanes, a tile on the stack. */
typedef struct place {
    real *y, *at;
    size_t ld, rows, lanes;
} place;

typedef real edge[WKV_TILE_ROWS][WKV_PANEL];

static place place_of(real *y, size_t ld, size_t rows, size_t lanes, edge on_stack, bool add)
{
    if (rows >= WKV_TILE_ROWS && lanes >= WKV_PANEL)
        return (place){y, y, ld, WKV_TILE_ROWS, WKV_PANEL};
    place p = {y, on_stack[0], ld, rows < WKV_TILE_ROWS ? rows : WKV_TILE_ROWS,
               lanes < WKV_PANEL ? lanes : WKV_PANEL};
    for (size_t r = 0; r < p.rows && add; r++)
        vf_store(on_stack[r], load_some(y + r * ld, p.lanes));
    return p;
}

static tile_sums sums_at(const place *p)
{
    return (tile_sums){p->at, p->at == p->y ? p->ld * sizeof(real) : TILE_STEP};
}

static void give_back(const place *p)
{
    for (size_t r = 0; r < p->rows && p->at != p->y; r++)
        store_some(p->y + r * p->ld, vf_load(p->at + r * WKV_PANEL), p->lanes);
}

/* Asks for the lines of 32 rows and outputs of y that step b of `count` is to ask for. */
WKV_INLINE void ask(const real *y, size_t ld, size_t b, size_t count)
{
    enum { LINES = 64 };
    for (size_t line = b * LINES / count; line < (b + 1) * LINES / count; line++)
        WKV_PREFETCH(y + line / 2 * ld + line % 2 * WKV_PANEL);
}

/* A block of R 16s of rows and P panels; next: what y the block after this has, or NULL. */
WKV_INLINE void multiply_tiles(const tile_sums s[4], const wkv_tile_factors *f, const uint16_t *x,
                               const uint16_t *w, const real *next, size_t ld, int R, int P,
                               bool add)
{
    const size_t count = (size_t)f->count;
    const size_t x_parts = (size_t)f->x_parts, w_parts = (size_t)f->w_parts;
    const size_t x_block = x_parts * WKV_TILE, w_block = w_parts * WKV_TILE;
    const size_t x_step = f->x_step, w_step = count * w_block;
    block_begin(s, add, R, P);
    for (size_t b = 0; b < count; b++, x += x_block, w += w_block) {
        if (next != NULL)
            ask(next, ld, b, count);
        block_columns(w, w_step, P);
        for (size_t p = x_parts; p-- > 0;) {
            block_rows(x + p * WKV_TILE, x_step, R);
            block_multiply(R, P);
        }
        if (w_parts == 1)
            continue;
        block_columns(w + WKV_TILE, w_step, P);
        block_multiply(R, P);
        block_rows(x + WKV_TILE, x_step, R);
        block_multiply(R, P);
    }
    block_end(s, R, P);
}

/* At most 32 rows times at most two panels. */
static void multiply_block(real *y, size_t ld, const wkv_tile_factors *f, const uint16_t *x,
                           const uint16_t *w, size_t rows, size_t n_out, bool add)
{
    _Alignas(64) edge on_stack[4];
    place p[4];
    tile_sums s[4];
    const size_t R = rows > WKV_TILE_ROWS ? 2 : 1, P = n_out > WKV_PANEL ? 2 : 1;
    for (size_t i = 0; i < 4; i++) {
        const size_t r = i / 2 < R ? i / 2 : 0, o = i % 2 < P ? i % 2 : 0;
        p[i] = place_of(y + r * WKV_TILE_ROWS * ld + o * WKV_PANEL, ld, rows - r * WKV_TILE_ROWS,
                        n_out - o * WKV_PANEL, on_stack[i], add);
        s[i] = sums_at(&p[i]);
    }
    const real *next = rows >= 4 * WKV_TILE_ROWS ? y + 2 * WKV_TILE_ROWS * ld : NULL;
    if (R == 2 && P == 2)
        multiply_tiles(s, f, x, w, next, ld, 2, 2, add);
    else if (R == 2)
        multiply_tiles(s, f, x, w, NULL, ld, 2, 1, add);
    else if (P == 2)
        multiply_tiles(s, f, x, w, NULL, ld, 1, 2, add);
    else
        multiply_tiles(s, f, x, w, NULL, ld, 1, 1, add);
    for (size_t i = 0; i < 4; i++)
        if (i / 2 < R && i % 2 < P)
            give_back(&p[i]);
}

static void tile_mul(real *y, int ldy, const wkv_tile_factors *f, int rows, int n_out, bool add)
{
    const size_t ld = (size_t)ldy, all = (size_t)rows, out = (size_t)n_out;
    const size_t panel = (size_t)f->count * (size_t)f->w_parts * WKV_TILE;
    tile_configure_all();
    for (size_t o = 0; o < out; o += 2 * WKV_PANEL)
        for (size_t r = 0; r < all; r += (size_t)2 * WKV_TILE_ROWS)
            multiply_block(y + r * ld + o, ld, f, f->x + r / WKV_TILE_ROWS * f->x_step,
                           f->w + o / WKV_PANEL * panel, all - r, out - o, add);
    TILE_RELEASE();
}

void wkv_kern_init_tile_amx(wkv_kern *k)
{
    k->tile_rows = tile_rows;
    k->tile_panel = tile_panel;
    k->tile_halves = tile_halves;
    k->tile_mul = tile_mul;
    k->tile_least = 32;
}
