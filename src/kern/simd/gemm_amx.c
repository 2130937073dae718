/* kern/simd/gemm_amx.c - products of reals on AMX, which multiplies bf16.
 *
 * A real is the sum of three bf16: its 24 bits are those of 8, 8 and 8.  Of the nine products of
 * such parts the six largest are made; what is left out is some 2^-24 of the whole, as what a sum
 * of reals loses (Henry, Tang, Heinecke: Leveraging the bfloat16 Artificial Intelligence Datatype
 * For Higher-Precision Computations, arXiv 1904.06376).  Sums are f32 in tile registers.  AMX takes
 * numbers below 2^-126 for 0, so that a real below 2^-110 loses its last bits; and infinity times a
 * number is NaN, for some part of the number may be 0.
 *
 * DEPTH tiles of k at a time, COLUMNS columns and then ROWS rows become tiles in `room`, which stay
 * in the second cache while all of these meet all of those.  An element is one sum over k in one
 * order, wherever it lies in the whole. */
#include "kern/simd/amx.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/vmath.h"

enum {
    PARTS = 3,
    SIDE = 16, /* rows or columns of a tile */
    SPAN = 32, /* of k, in a tile */
    TILE = SIDE * SPAN,
    DEPTH = 8,
    ROWS = 272,
    COLUMNS = 512
};

/* Numbers of the tiles of so many rows or columns. */
WKV_INLINE size_t room_for(size_t sides)
{
    return sides * DEPTH * SPAN * PARTS;
}

/* ---- parts ----------------------------------------------------------------------------- */

typedef struct parts {
    __m512i of[PARTS]; /* each a bf16 in the upper half of its lane */
} parts;

WKV_INLINE __m512i upper_half(__m512i x)
{
    return _mm512_and_si512(x, _mm512_set1_epi32((int)0xffff0000));
}

/* The first two are the nearest bf16; but what would become infinite is cut off instead. */
WKV_INLINE parts parts_of(vf x)
{
    const __m512i half = _mm512_set1_epi32(0x8000), bits = _mm512_castps_si512(x);
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    const __mmask16 small = _mm512_cmplt_epu32_mask(magnitude, _mm512_set1_epi32(0x7f7f8000));
    parts p;
    p.of[0] = upper_half(_mm512_mask_add_epi32(bits, small, bits, half));
    const vf rest = _mm512_sub_ps(x, _mm512_castsi512_ps(p.of[0]));
    p.of[1] = upper_half(_mm512_add_epi32(_mm512_castps_si512(rest), half));
    p.of[2] = _mm512_castps_si512(_mm512_sub_ps(rest, _mm512_castsi512_ps(p.of[1])));
    return p;
}

/* A line of a tile of each part; what meets k and k + 16 is a pair. */
WKV_INLINE void put_line(uint16_t *line, vf low, vf high)
{
    const parts a = parts_of(low), b = parts_of(high);
    for (int i = 0; i < PARTS; i++)
        _mm512_storeu_si512(line + i * TILE, _mm512_mask_mov_epi16(_mm512_srli_epi32(a.of[i], 16),
                                                                   0xaaaaaaaa, b.of[i]));
}

/* A factor: element (side, k) lies at x[side * ld + k], or, across, at x[k * ld + side].  A tile of
 * the left factor has a line for each row; one of the right factor has one for each pair of k. */
typedef struct factor {
    const real *x;
    size_t ld, sides, k;
    bool across, by_pairs;
} factor;

/* 16 sides and 16 of k as their tile has them; what is not there is 0. */
WKV_INLINE void load_square(vf v[SIDE], const factor *f, size_t side, size_t k)
{
    const size_t sides = least(f->sides - side, SIDE), ks = f->k > k ? least(f->k - k, SIDE) : 0;
    const size_t rows = f->across ? ks : sides, lanes = f->across ? sides : ks;
    const real *x = f->x + (f->across ? k * f->ld + side : side * f->ld + k);
    for (size_t r = 0; r < SIDE; r++)
        v[r] = r < rows && lanes > 0 ? load_some(x + r * f->ld, lanes) : vf_zero();
    if (f->across != f->by_pairs)
        vf_transpose(v);
}

/* n rows or columns from `side` on, for `depth` tiles of k from k on; the tiles of 16 of them
 * follow each other.  What lies together in memory is read together. */
static void split(uint16_t *tiles, const factor *f, size_t side, size_t n, size_t k, size_t depth)
{
    const size_t across = (n + SIDE - 1) / SIDE;
    for (size_t i = 0; i < across * depth; i++) {
        const size_t s = f->across ? i % across : i / depth, d = f->across ? i / across : i % depth;
        uint16_t *to = tiles + (s * depth + d) * PARTS * TILE;
        vf low[SIDE], high[SIDE];
        load_square(low, f, side + s * SIDE, k + d * SPAN);
        load_square(high, f, side + s * SIDE, k + d * SPAN + SPAN / 2);
        for (size_t line = 0; line < SIDE; line++)
            put_line(to + line * SPAN, low[line], high[line]);
    }
}

/* ---- products ---------------------------------------------------------------------------- */

WKV_INLINE void multiply_tiles(const tile_sums s[4], const uint16_t *a, const uint16_t *b,
                               size_t depth, bool add, int R, int C)
{
    const size_t next = depth * PARTS * TILE;
    block_begin(s, add, R, C);
    for (size_t d = 0; d < depth; d++, a += PARTS * TILE, b += PARTS * TILE) {
        block_rows(a + 2 * TILE, next, R);
        block_columns(b, next, C);
        block_multiply(R, C);
        block_rows(a + TILE, next, R);
        block_multiply(R, C);
        block_columns(b + TILE, next, C);
        block_multiply(R, C);
        block_rows(a, next, R);
        block_multiply(R, C);
        block_columns(b + 2 * TILE, next, C);
        block_multiply(R, C);
        block_columns(b, next, C);
        block_multiply(R, C);
    }
    block_end(s, R, C);
}

typedef real square[SIDE][SIDE];

/* Sums of a block that is not whole come and go by way of squares on the stack. */
static void exchange(real *C, size_t ldc, square stack[4], size_t rows, size_t columns, bool back)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c += SIDE) {
            real *there = C + r * ldc + c, *here = stack[r / SIDE * 2 + c / SIDE][r % SIDE];
            if (back)
                store_some(there, vf_load(here), columns - c);
            else
                vf_store(here, load_some(there, columns - c));
        }
}

/* At most 32 rows and columns of C. */
static void multiply_block(real *C, size_t ldc, const uint16_t *a, const uint16_t *b, size_t rows,
                           size_t columns, size_t depth, bool add)
{
    _Alignas(64) square stack[4];
    tile_sums s[4];
    const bool whole = rows % SIDE == 0 && columns % SIDE == 0;
    for (size_t i = 0; i < 4; i++) {
        real *at = C + i / 2 * SIDE * ldc + i % 2 * SIDE;
        s[i] = whole ? (tile_sums){at, ldc * sizeof(real)} : (tile_sums){stack[i][0], TILE_STEP};
    }
    if (!whole && add)
        exchange(C, ldc, stack, rows, columns, false);
    if (rows > SIDE && columns > SIDE)
        multiply_tiles(s, a, b, depth, add, 2, 2);
    else if (rows > SIDE)
        multiply_tiles(s, a, b, depth, add, 2, 1);
    else if (columns > SIDE)
        multiply_tiles(s, a, b, depth, add, 1, 2);
    else
        multiply_tiles(s, a, b, depth, add, 1, 1);
    if (!whole)
        exchange(C, ldc, stack, rows, columns, true);
}

/* Some rows and columns of C, and `depth` tiles of k. */
static void multiply_all(real *C, size_t ldc, const uint16_t *a, const uint16_t *b, size_t rows,
                         size_t columns, size_t depth, bool add)
{
    const size_t step = depth * PARTS * TILE;
    for (size_t c = 0; c < columns; c += (size_t)2 * SIDE)
        for (size_t r = 0; r < rows; r += (size_t)2 * SIDE)
            multiply_block(C + r * ldc + c, ldc, a + r / SIDE * step, b + c / SIDE * step,
                           least(rows - r, 2 * SIDE), least(columns - c, 2 * SIDE), depth, add);
}

static void gemm_split(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                       int ldc, bool trans_a, bool trans_b, bool accumulate, void *room)
{
    const factor a = {A, (size_t)lda, (size_t)m, (size_t)k, trans_a, false};
    const factor b = {B, (size_t)ldb, (size_t)n, (size_t)k, !trans_b, true};
    const size_t step = (size_t)ldc, tiles = k > 0 ? (a.k + SPAN - 1) / SPAN : 1;
    uint16_t *tiles_b = room, *tiles_a = tiles_b + room_for(COLUMNS);
    tile_configure_all();
    for (size_t c = 0; c < b.sides; c += COLUMNS)
        for (size_t d = 0; d < tiles; d += DEPTH) {
            const size_t columns = least(b.sides - c, COLUMNS), depth = least(tiles - d, DEPTH);
            split(tiles_b, &b, c, columns, d * SPAN, depth);
            for (size_t r = 0; r < a.sides; r += ROWS) {
                const size_t rows = least(a.sides - r, ROWS);
                split(tiles_a, &a, r, rows, d * SPAN, depth);
                multiply_all(C + r * step + c, step, tiles_a, tiles_b, rows, columns, depth,
                             accumulate || d > 0);
            }
        }
    TILE_RELEASE();
}

void wkv_kern_init_gemm_amx(wkv_kern *k)
{
    k->gemm_split = gemm_split;
    k->split_room = (room_for(COLUMNS) + room_for(ROWS)) * sizeof(uint16_t);
}
