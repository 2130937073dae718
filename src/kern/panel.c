/* kern/panel.c - from the blocks of files to panels (panel.h). */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "base/blocks.h"
#include "base/half.h"
#include "kern/panel.h"

wkv_layout wkv_layout_for(wkv_dtype t, size_t n)
{
    if (wkv_dtype_of(t)->block == 1 || n % WKV_QBLOCK != 0)
        return WKV_LAYOUT_NONE;
    switch (t) {
    case WKV_DTYPE_Q4_0:
        return WKV_LAYOUT_Q4;
    case WKV_DTYPE_Q4_1:
    case WKV_DTYPE_Q5_1:
        return WKV_LAYOUT_Q8M;
    case WKV_DTYPE_Q5_K:
        return WKV_LAYOUT_Q8K;
    case WKV_DTYPE_Q4_K:
        return WKV_LAYOUT_Q4K;
    case WKV_DTYPE_Q6_K:
        return WKV_LAYOUT_Q6K;
    default:
        return WKV_LAYOUT_Q8;
    }
}

/* Where a panel's parts lie, and what makes four signed bytes of Q8 as large as kernels want. */
typedef struct panel {
    unsigned char *scales, *blocks;
    uint32_t bias;
} panel;

static void put_half(unsigned char *scales, int output, const unsigned char *half)
{
    memcpy(scales + 2 * output, half, 2);
}

/* ---- 8 bits ---------------------------------------------------------------------------- */

/* 32 bytes as one output of a block; bias is added to all. */
static void put_bytes(unsigned char *block, int output, const unsigned char *q, uint32_t bias)
{
    for (int g = 0; g < WKV_QBLOCK / 4; g++) {
        uint32_t four;
        memcpy(&four, q + 4 * g, sizeof four);
        four ^= bias; /* of bytes, 0 or 128 */
        memcpy(block + g * WKV_QGROUP_LINE + 4 * output, &four, sizeof four);
    }
}

/* 4-bit (high NULL) or 5-bit numbers of a block of the older types: in the order of inputs,
 * first all low nibbles, then all high ones; bit i of high belongs to input i. */
static void old_block(unsigned char q[WKV_QBLOCK], const unsigned char *nibbles,
                      const unsigned char *high)
{
    for (int i = 0; i < 16; i++) {
        q[i] = nibbles[i] & 15;
        q[i + 16] = nibbles[i] >> 4;
    }
    for (int i = 0; high != NULL && i < WKV_QBLOCK; i++)
        q[i] = (unsigned char)(q[i] | (high[i / 8] >> (i % 8) & 1) << 4);
}

/* Q5_0: numbers are too large by 16. */
static void pack_q5_0(panel p, int output, const unsigned char *row, size_t n)
{
    unsigned char q[WKV_QBLOCK];
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += 22) {
        old_block(q, row + 6, row + 2);
        for (int i = 0; i < WKV_QBLOCK; i++)
            q[i] = (unsigned char)(q[i] - 16);
        put_half(p.scales + b * 32, output, row);
        put_bytes(p.blocks + b * 512, output, q, p.bias);
    }
}

/* IQ4_NL: its values are whole numbers of 8 bits. */
static void pack_iq4_nl(panel p, int output, const unsigned char *row, size_t n)
{
    unsigned char q[WKV_QBLOCK];
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += 18) {
        old_block(q, row + 2, NULL);
        for (int i = 0; i < WKV_QBLOCK; i++)
            q[i] = (unsigned char)wkv_iq4_values[q[i]];
        put_half(p.scales + b * 32, output, row);
        put_bytes(p.blocks + b * 512, output, q, p.bias);
    }
}

/* Q4_1 and Q5_1. */
static void pack_q8m(panel p, int output, const unsigned char *row, wkv_dtype t, size_t n)
{
    unsigned char q[WKV_QBLOCK];
    const bool five = t == WKV_DTYPE_Q5_1;
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += five ? 24 : 20) {
        old_block(q, row + (five ? 8 : 4), five ? row + 4 : NULL);
        put_half(p.scales + b * 64, output, row);
        put_half(p.scales + b * 64 + 32, output, row + 2);
        put_bytes(p.blocks + b * 512, output, q, 0);
    }
}

/* 32 reals become 8-bit numbers and a scale; a NaN or infinity makes the scale one. */
static void quantise(float *x, unsigned char *scale, unsigned char *q)
{
    float most = 0;
    for (int i = 0; i < WKV_QBLOCK; i++)
        most = fabsf(x[i]) > most || x[i] != x[i] ? fabsf(x[i]) : most;
    uint16_t half = wkv_f32_to_f16(most / 127);
    float d = wkv_f16_to_f32(half);
    bool usable = d > 0 && d < INFINITY;
    for (int i = 0; i < WKV_QBLOCK; i++) {
        float v = usable ? rintf(x[i] / d) : 0;
        q[i] = (unsigned char)(int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
    }
    scale[0] = (unsigned char)(half & 255);
    scale[1] = (unsigned char)(half >> 8);
}

/* Any type, by way of reals. */
static void pack_anew(panel p, int output, const unsigned char *row, wkv_dtype t, size_t n,
                      float *wide)
{
    wkv_dtype_to_f32(wide, row, t, n);
    for (size_t b = 0; b < n / WKV_QBLOCK; b++) {
        unsigned char scale[2], q[WKV_QBLOCK];
        quantise(wide + b * WKV_QBLOCK, scale, q);
        put_half(p.scales + b * 32, output, scale);
        put_bytes(p.blocks + b * 512, output, q, p.bias);
    }
}

/* ---- 4 bits ------------------------------------------------------------------------ */

/* Input i of a block (q: its nibbles, in the order of inputs) is in byte i % 16 of the
 * output's, low for i < 16: groups 0 to 3 are the low nibbles and 4 to 7 the high ones,
 * just as Q4_0 has them. */
static void put_nibbles(unsigned char *block, int output, const unsigned char *pairs)
{
    for (int j = 0; j < 4; j++)
        memcpy(block + j * WKV_QGROUP_LINE + 4 * output, pairs + 4 * j, 4);
}

static void pack_q4(panel p, int output, const unsigned char *row, size_t n)
{
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += 18) {
        put_half(p.scales + b * 32, output, row);
        put_nibbles(p.blocks + b * 256, output, row + 2);
    }
}

/* ---- four outputs at a time ----------------------------------------------------------------
 *
 * They are neighbours in a line, so that whole vectors of numbers are moved and taken apart. */

/* How far ahead their rows are asked for: of short rows side by side no prefetcher makes a stream,
 * while together they are one. */
enum { PACK_AHEAD = 4096, AHEAD_STEP = 64 };

/* Where the rows of four outputs stand. Those that do not exist stay at a block of zeros. */
typedef struct four_rows {
    const unsigned char *at[4];
    size_t step[4]; /* to the next block */
} four_rows;

/* Four inputs, a byte each, of every one of them. */
typedef wkv_u32x4 four;

/* To mask four inputs at once: shifted so, no bit leaves its byte. */
#define OF_FOUR(byte) ((byte)*UINT32_C(0x01010101))

/* The rows are n_rows >= 1, each of them row_bytes, in blocks of `bytes`. */
static four_rows four_at(const unsigned char *row, size_t row_bytes, int n_rows, size_t bytes)
{
    static const unsigned char none[WKV_QSUPER];
    four_rows r;
    assert(bytes <= sizeof none);
    for (int o = 0; o < 4; o++) {
        const bool exists = o < n_rows;
        r.at[o] = exists ? row + (size_t)o * row_bytes : none;
        r.step[o] = exists ? bytes : 0;
    }
    return r;
}

static void next_block(four_rows *r)
{
    for (int o = 0; o < 4; o++) {
        for (size_t i = 0; i < r->step[o]; i += AHEAD_STEP)
            WKV_PREFETCH(r->at[o] + PACK_AHEAD + i);
        r->at[o] += r->step[o];
    }
}

/* The 32 bytes from `from` on in each block: rows of words become columns. */
WKV_INLINE void take_bytes(four q[WKV_QBLOCK / 4], const four_rows *r, size_t from)
{
    for (size_t half = 0; half < 2; half++, q += 4) {
        four row[4];
        for (int o = 0; o < 4; o++)
            memcpy(&row[o], r->at[o] + from + half * sizeof row[o], sizeof row[o]);
        const four low01 = WKV_SHUFFLE(row[0], row[1], 0, 4, 1, 5);
        const four low23 = WKV_SHUFFLE(row[2], row[3], 0, 4, 1, 5);
        const four high01 = WKV_SHUFFLE(row[0], row[1], 2, 6, 3, 7);
        const four high23 = WKV_SHUFFLE(row[2], row[3], 2, 6, 3, 7);
        q[0] = WKV_SHUFFLE(low01, low23, 0, 1, 4, 5);
        q[1] = WKV_SHUFFLE(low01, low23, 2, 3, 6, 7);
        q[2] = WKV_SHUFFLE(high01, high23, 0, 1, 4, 5);
        q[3] = WKV_SHUFFLE(high01, high23, 2, 3, 6, 7);
    }
}

WKV_INLINE void put_four(unsigned char *lines, int line, int output, four q)
{
    memcpy(lines + line * WKV_QGROUP_LINE + 4 * output, &q, sizeof q);
}

static void four_halves(unsigned char *scales, int output, const four_rows *r, size_t from)
{
    for (int o = 0; o < 4; o++)
        put_half(scales, output + o, r->at[o] + from);
}

/* Sixteen bytes of each of four outputs go to as many rows of sixteen. */
WKV_INLINE void put_scales(unsigned char *scales, int output, const four s[4])
{
    const uint32_t even = 0x00ff00ff, low = 0xffff;
    const four even01 = (s[0] & even) | (s[1] & even) << 8,
               odd01 = (s[0] >> 8 & even) | (s[1] & ~even);
    const four even23 = (s[2] & even) | (s[3] & even) << 8,
               odd23 = (s[2] >> 8 & even) | (s[3] & ~even);
    const four rows[4] = {(even01 & low) | even23 << 16, (odd01 & low) | odd23 << 16,
                          even01 >> 16 | (even23 & ~low), odd01 >> 16 | (odd23 & ~low)};
    for (int j = 0; j < 16; j++) {
        const uint32_t row = rows[j % 4][j / 4];
        memcpy(scales + 16 * j + output, &row, sizeof row);
    }
}

static void pack_q8(panel p, int output, four_rows r, size_t n)
{
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, next_block(&r)) {
        four q[WKV_QBLOCK / 4];
        four_halves(p.scales + b * 32, output, &r, 0);
        take_bytes(q, &r, 2);
        for (int g = 0; g < WKV_QBLOCK / 4; g++)
            put_four(p.blocks + b * 512, g, output, q[g] ^ p.bias);
    }
}

/* The 6-bit scales, then offsets, of eight blocks, from the twelve bytes that they share: of the
 * first four blocks as they are, of the others in pieces. */
static void scales_of_k(unsigned char *scales, int output, const four_rows *r)
{
    four all[4];
    for (int o = 0; o < 4; o++) {
        uint32_t s[3];
        memcpy(s, r->at[o] + 4, sizeof s);
        all[o] = (four){s[0] & OF_FOUR(63), (s[2] & OF_FOUR(15)) | (s[0] >> 2 & OF_FOUR(48)),
                        s[1] & OF_FOUR(63), (s[2] >> 4 & OF_FOUR(15)) | (s[1] >> 2 & OF_FOUR(48))};
    }
    put_scales(scales, output, all);
}

/* Eight times four inputs as nibbles: the second four lines in the high ones of the first. */
WKV_INLINE void put_four_nibbles(unsigned char *block, int output, const four q[8])
{
    for (int g = 0; g < 4; g++)
        put_four(block, g, output, q[g] | q[g + 4] << 4);
}

/* Q4_K: 32 bytes hold block j in their low nibbles and j + 1 in the high ones, for even j. */
static void pack_q4k(panel p, int output, four_rows r, size_t n)
{
    for (size_t s = 0; s < n / WKV_QSUPER; s++, next_block(&r)) {
        unsigned char *scales = p.scales + s * 320, *blocks = p.blocks + s * 8 * 256;
        four_halves(scales, output, &r, 0);
        four_halves(scales + 32, output, &r, 2);
        scales_of_k(scales + 64, output, &r);
        for (int j = 0; j < 8; j += 2) {
            four q[8], low[8], high[8];
            take_bytes(q, &r, 16 + (size_t)j / 2 * 32);
            for (int g = 0; g < 8; g++) {
                low[g] = q[g] & OF_FOUR(15);
                high[g] = q[g] >> 4 & OF_FOUR(15);
            }
            put_four_nibbles(blocks + j * 256, output, low);
            put_four_nibbles(blocks + (j + 1) * 256, output, high);
        }
    }
}

/* Q5_K: the nibbles are Q4_K's, and the fifth bit of block j is bit j of 32 bytes. */
static void pack_q5k(panel p, int output, four_rows r, size_t n)
{
    for (size_t s = 0; s < n / WKV_QSUPER; s++, next_block(&r)) {
        unsigned char *scales = p.scales + s * 320, *blocks = p.blocks + s * 8 * 512;
        four q[8], fifth[8];
        four_halves(scales, output, &r, 0);
        four_halves(scales + 32, output, &r, 2);
        scales_of_k(scales + 64, output, &r);
        take_bytes(fifth, &r, 16);
        for (int j = 0; j < 8; j += 2) {
            take_bytes(q, &r, 48 + (size_t)j / 2 * 32);
            for (int g = 0; g < 8; g++) {
                const four fifths = fifth[g] >> j;
                put_four(blocks + j * 512, g, output,
                         (q[g] & OF_FOUR(15)) | (fifths & OF_FOUR(1)) << 4);
                put_four(blocks + (j + 1) * 512, g, output,
                         (q[g] >> 4 & OF_FOUR(15)) | (fifths >> 1 & OF_FOUR(1)) << 4);
            }
        }
    }
}

/* The next 32 values of a half of a block of Q6_K, from bytes with the lower four bits and those
 * with the upper two. */
WKV_INLINE void put_q6k(unsigned char *block, int output, four low[8], four high[8])
{
    four q[8];
    for (int g = 0; g < 8; g++) {
        q[g] = low[g] & OF_FOUR(15);
        low[g] >>= 4;
    }
    put_four_nibbles(block, output, q);
    for (int line = 0; line < 2; line++) {
        four *h = high + 4 * line, all = {0};
        for (int g = 0; g < 4; g++) {
            all |= (h[g] & OF_FOUR(3)) << (2 * g);
            h[g] >>= 2;
        }
        put_four(block + 256, line, output, all);
    }
}

static void pack_q6k(panel p, int output, four_rows r, size_t n)
{
    for (size_t s = 0; s < n / WKV_QSUPER; s++, next_block(&r)) {
        unsigned char *scales = p.scales + s * 288, *blocks = p.blocks + s * 8 * 384;
        four all[4];
        for (int o = 0; o < 4; o++)
            memcpy(&all[o], r.at[o] + 192, sizeof all[o]);
        four_halves(scales, output, &r, 208);
        put_scales(scales + 32, output, all);
        for (int half = 0; half < 2; half++) {
            four low[2][8], high[8];
            take_bytes(low[0], &r, (size_t)half * 64);
            take_bytes(low[1], &r, (size_t)half * 64 + 32);
            take_bytes(high, &r, 128 + (size_t)half * 32);
            for (int run = 0; run < 4; run++)
                put_q6k(blocks + (half * 4 + run) * 384, output, low[run % 2], high);
        }
    }
}

/* ---- a panel ------------------------------------------------------------------------------ */

typedef void four_packer(panel p, int output, four_rows r, size_t n);

/* NULL for types that are packed one output at a time. */
static four_packer *four_packer_of(wkv_dtype t)
{
    switch (t) {
    case WKV_DTYPE_Q8_0:
        return pack_q8;
    case WKV_DTYPE_Q4_K:
        return pack_q4k;
    case WKV_DTYPE_Q5_K:
        return pack_q5k;
    case WKV_DTYPE_Q6_K:
        return pack_q6k;
    default:
        return NULL;
    }
}

static void pack_one(panel p, wkv_layout l, int output, const unsigned char *row, wkv_dtype t,
                     size_t n, float *wide)
{
    if (t == WKV_DTYPE_Q5_0)
        pack_q5_0(p, output, row, n);
    else if (t == WKV_DTYPE_IQ4_NL)
        pack_iq4_nl(p, output, row, n);
    else if (l == WKV_LAYOUT_Q8)
        pack_anew(p, output, row, t, n, wide);
    else if (l == WKV_LAYOUT_Q4)
        pack_q4(p, output, row, n);
    else
        pack_q8m(p, output, row, t, n);
}

void wkv_pack_panel(unsigned char *at, wkv_layout l, const void *rows, wkv_dtype t, int n_rows,
                    size_t n, float *wide, uint8_t q8_bias)
{
    const wkv_dtype_info *d = wkv_dtype_of(t);
    const size_t row_bytes = n / (size_t)d->block * (size_t)d->bytes;
    const unsigned char *row = rows;
    four_packer *pack_four = four_packer_of(t);
    panel p = {at, at + wkv_panel_scales(l, n), OF_FOUR(q8_bias)};
    assert(n_rows <= WKV_PANEL);
    if (n_rows < WKV_PANEL)
        memset(at, 0, wkv_panel_bytes(l, n));
    for (int o = 0; o < n_rows; o += pack_four != NULL ? 4 : 1) {
        const unsigned char *first = row + (size_t)o * row_bytes;
        if (pack_four != NULL)
            pack_four(p, o, four_at(first, row_bytes, n_rows - o, (size_t)d->bytes), n);
        else
            pack_one(p, l, o, first, t, n, wide);
    }
}

/* ---- what is not zero ----------------------------------------------------------------------- */

static wkv_quad quad_of(const int8_t *q, const uint32_t *at, size_t n)
{
    wkv_quad quad = {0};
    for (size_t i = 0; i < 4; i++) {
        quad.at[i] = at[i < n ? i : 0];
        quad.q[i] = i < n ? q[at[i]] : 0;
    }
    return quad;
}

void wkv_quads_find(const wkv_quads *z, const int8_t *q, size_t n, wkv_layout l)
{
    const size_t half = WKV_QBLOCK / 2, run = l == WKV_LAYOUT_Q6K ? half : WKV_QBLOCK;
    size_t quads = 0;
    for (size_t i = 0; i < n; i += run) {
        uint32_t at[WKV_QBLOCK];
        size_t count = 0;
        for (size_t j = i; j < i + run; j++) { /* no branch: nobody foresees it */
            at[count] = (uint32_t)j;
            count += q[j] != 0;
        }
        z->end[i / half] = (uint32_t)quads;
        for (size_t j = 0; j < count; j += 4)
            z->quad[quads++] = quad_of(q, at + j, count - j);
        z->end[(i + run) / half - 1] = (uint32_t)quads;
    }
}

/* ---- plain weights by inputs ---------------------------------------------------------------- */

/* As many inputs at a time as their lines stay in the first-level cache. */
enum { TRANSPOSED = 128 };

static inline void transpose(unsigned char *to, const unsigned char *from, size_t n_rows, size_t n,
                             size_t size)
{
    for (size_t first = 0; first < n; first += TRANSPOSED)
        for (size_t o = 0; o < n_rows; o++)
            for (size_t i = first; i < n && i < first + TRANSPOSED; i++)
                memcpy(to + (i * WKV_COLUMNS + o) * size, from + (o * n + i) * size, size);
}

/* The two vectors of pairs that a and b make: a[0], b[0], a[1], .. */
static inline void interleave(wkv_u16x8 out[2], wkv_u16x8 a, wkv_u16x8 b)
{
    out[0] = WKV_SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    out[1] = WKV_SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/* Eight numbers of 16 bits of each of eight rows, n apart: interleaving rows 4 apart, three times,
 * leaves number i of all of them in vector i. */
static inline void transpose_eight(unsigned char *to, const unsigned char *from, size_t n)
{
    wkv_u16x8 a[8], b[8];
    for (size_t r = 0; r < 8; r++)
        memcpy(&a[r], from + r * n * 2, sizeof *a);
    for (int step = 0; step < 3; step++) {
        for (int r = 0; r < 4; r++)
            interleave(&b[2 * r], a[r], a[r + 4]);
        memcpy(a, b, sizeof a);
    }
    for (size_t i = 0; i < 8; i++)
        memcpy(to + i * WKV_COLUMNS * 2, &a[i], sizeof *a);
}

/* The same of halves, whose rows and numbers are multiples of 8: several times as fast. */
static void transpose_halves(unsigned char *to, const unsigned char *from, size_t n_rows, size_t n)
{
    for (size_t first = 0; first < n; first += TRANSPOSED)
        for (size_t o = 0; o < n_rows; o += 8)
            for (size_t i = first; i < n && i < first + TRANSPOSED; i += 8)
                transpose_eight(to + (i * WKV_COLUMNS + o) * 2, from + (o * n + i) * 2, n);
}

void wkv_pack_columns(unsigned char *group, const void *rows, int n_rows, size_t n, size_t size)
{
    assert(n_rows <= WKV_COLUMNS);
    if (n_rows < WKV_COLUMNS)
        memset(group, 0, n * WKV_COLUMNS * size);
    if (size == 2 && n_rows % 8 == 0 && n % 8 == 0)
        transpose_halves(group, rows, (size_t)n_rows, n);
    else if (size == 2) /* the compiler is to know it */
        transpose(group, rows, (size_t)n_rows, n, 2);
    else if (size == 4)
        transpose(group, rows, (size_t)n_rows, n, 4);
    else
        transpose(group, rows, (size_t)n_rows, n, size);
}
