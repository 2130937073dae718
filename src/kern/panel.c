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

/* Where a panel's parts lie. */
typedef struct panel {
    unsigned char *scales, *blocks;
} panel;

static void put_half(unsigned char *scales, int output, const unsigned char *half)
{
    memcpy(scales + 2 * output, half, 2);
}

/* ---- 8 bits ---------------------------------------------------------------------------- */

/* 32 bytes as one output of a block. */
static void put_bytes(unsigned char *block, int output, const unsigned char *q)
{
    for (int g = 0; g < WKV_QBLOCK / 4; g++)
        memcpy(block + g * WKV_QGROUP_LINE + 4 * output, q + 4 * g, 4);
}

static void pack_q8(panel p, int output, const unsigned char *row, size_t n)
{
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += 34) {
        put_half(p.scales + b * 32, output, row);
        put_bytes(p.blocks + b * 512, output, row + 2);
    }
}

/* How far ahead the rows of four outputs are asked for: of short rows side by side no prefetcher
 * makes a stream, while together they are one. */
enum { PACK_AHEAD = 4096 };

/* The same for four outputs, whose bytes are neighbours in a line: twice as fast. */
static void pack_four_q8(panel p, int output, const unsigned char *row, size_t n)
{
    const size_t row_bytes = n / WKV_QBLOCK * 34;
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, row += 34) {
        uint32_t q[4][WKV_QBLOCK / 4];
        for (int o = 0; o < 4; o++) {
            const unsigned char *from = row + (size_t)o * row_bytes;
            WKV_PREFETCH(from + PACK_AHEAD);
            put_half(p.scales + b * 32, output + o, from);
            memcpy(q[o], from + 2, sizeof q[o]);
        }
        unsigned char *block = p.blocks + b * 512;
        for (int g = 0; g < WKV_QBLOCK / 4; g++) {
            const uint32_t line[4] = {q[0][g], q[1][g], q[2][g], q[3][g]};
            memcpy(block + g * WKV_QGROUP_LINE + 4 * output, line, sizeof line);
        }
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
        put_bytes(p.blocks + b * 512, output, q);
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
        put_bytes(p.blocks + b * 512, output, q);
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
        put_bytes(p.blocks + b * 512, output, q);
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
        put_bytes(p.blocks + b * 512, output, q);
    }
}

/* ---- 4 and 6 bits ------------------------------------------------------------------------ */

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

/* The 6-bit scale and offset of group j of 8, packed in twelve bytes. */
static void scale_of_q4_k(const unsigned char *s, int j, unsigned char *scale,
                          unsigned char *offset)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *offset = s[j + 4] & 63;
    } else {
        *scale = (unsigned char)((s[j + 4] & 15) | s[j - 4] >> 6 << 4);
        *offset = (unsigned char)(s[j + 4] >> 4 | s[j] >> 6 << 4);
    }
}

/* 32 bytes hold block j in their low nibbles and j + 1 in the high ones, for even j; q5 has
 * the fifth bit of block j in bit j of 32 bytes. */
static void k_block(unsigned char q[WKV_QBLOCK], const unsigned char *nibbles,
                    const unsigned char *high, int j)
{
    for (int i = 0; i < WKV_QBLOCK; i++) {
        q[i] = nibbles[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
        if (high != NULL)
            q[i] = (unsigned char)(q[i] | (high[i] >> j & 1) << 4);
    }
}

/* Q4_K and Q5_K. */
static void pack_k(panel p, int output, const unsigned char *row, wkv_dtype t, size_t n)
{
    const bool five = t == WKV_DTYPE_Q5_K;
    for (size_t s = 0; s < n / WKV_QSUPER; s++, row += five ? 176 : 144) {
        unsigned char *scales = p.scales + s * 320;
        put_half(scales, output, row);
        put_half(scales + 32, output, row + 2);
        for (int j = 0; j < 8; j++) {
            scale_of_q4_k(row + 4, j, &scales[64 + 16 * j + output],
                          &scales[192 + 16 * j + output]);
            unsigned char q[WKV_QBLOCK], pairs[16];
            k_block(q, row + (five ? 48 : 16), five ? row + 16 : NULL, j);
            for (int i = 0; i < 16; i++)
                pairs[i] = (unsigned char)(q[i] | q[i + 16] << 4);
            if (five)
                put_bytes(p.blocks + (s * 8 + (size_t)j) * 512, output, q);
            else
                put_nibbles(p.blocks + (s * 8 + (size_t)j) * 256, output, pairs);
        }
    }
}

/* Four inputs at a time, a byte of a number each: no bit leaves its byte. */
enum { OF_FOUR = 0x01010101 };

/* The upper two bits of 32 inputs, in eight numbers. */
static void put_high(unsigned char *lines, int output, const uint32_t high[8])
{
    for (int j = 0; j < 2; j++) {
        const uint32_t *h = high + 4 * j;
        const uint32_t four = h[0] | h[1] << 2 | h[2] << 4 | h[3] << 6;
        memcpy(lines + j * WKV_QGROUP_LINE + 4 * output, &four, sizeof four);
    }
}

static void pack_q6k(panel p, int output, const unsigned char *row, size_t n)
{
    for (size_t s = 0; s < n / WKV_QSUPER; s++, row += 210) {
        unsigned char *scales = p.scales + s * 288;
        put_half(scales, output, row + 208);
        for (int j = 0; j < 16; j++)
            scales[32 + 16 * j + output] = row[192 + j];
        for (int j = 0; j < 8; j++) { /* a run of 32 values, four in each half of the block */
            const int half = j / 4, run = j % 4;
            uint32_t low[8], high[8];
            memcpy(low, row + half * 64 + run % 2 * 32, sizeof low);
            memcpy(high, row + 128 + half * 32, sizeof high);
            for (int i = 0; i < 8; i++) {
                low[i] = low[i] >> (run / 2 * 4) & 15 * OF_FOUR;
                high[i] = high[i] >> (run * 2) & 3 * OF_FOUR;
            }
            for (int i = 0; i < 4; i++)
                low[i] |= low[i + 4] << 4;
            unsigned char *block = p.blocks + (s * 8 + (size_t)j) * 384;
            put_nibbles(block, output, (const unsigned char *)low);
            put_high(block + 256, output, high);
        }
    }
}

/* ---- a panel ------------------------------------------------------------------------------ */

void wkv_pack_panel(unsigned char *at, wkv_layout l, const void *rows, wkv_dtype t, int n_rows,
                    size_t n, float *wide)
{
    const wkv_dtype_info *d = wkv_dtype_of(t);
    const size_t row_bytes = n / (size_t)d->block * (size_t)d->bytes;
    const unsigned char *row = rows;
    panel p = {at, at + wkv_panel_scales(l, n)};
    assert(n_rows <= WKV_PANEL);
    if (n_rows < WKV_PANEL || wkv_panel_scales(l, n) % 64 != 0)
        memset(at, 0, wkv_panel_bytes(l, n));
    int o = 0;
    for (; t == WKV_DTYPE_Q8_0 && o + 4 <= n_rows; o += 4, row += 4 * row_bytes)
        pack_four_q8(p, o, row, n);
    for (; o < n_rows; o++, row += row_bytes) {
        if (t == WKV_DTYPE_Q8_0)
            pack_q8(p, o, row, n);
        else if (t == WKV_DTYPE_Q5_0)
            pack_q5_0(p, o, row, n);
        else if (t == WKV_DTYPE_IQ4_NL)
            pack_iq4_nl(p, o, row, n);
        else if (l == WKV_LAYOUT_Q8)
            pack_anew(p, o, row, t, n, wide);
        else if (l == WKV_LAYOUT_Q4)
            pack_q4(p, o, row, n);
        else if (l == WKV_LAYOUT_Q8M)
            pack_q8m(p, o, row, t, n);
        else if (l == WKV_LAYOUT_Q4K || l == WKV_LAYOUT_Q8K)
            pack_k(p, o, row, t, n);
        else
            pack_q6k(p, o, row, n);
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
enum { TRANSPOSED = 64 };

static inline void transpose(unsigned char *to, const unsigned char *from, size_t n_rows, size_t n,
                             size_t size)
{
    for (size_t first = 0; first < n; first += TRANSPOSED)
        for (size_t o = 0; o < n_rows; o++)
            for (size_t i = first; i < n && i < first + TRANSPOSED; i++)
                memcpy(to + (i * WKV_COLUMNS + o) * size, from + (o * n + i) * size, size);
}

void wkv_pack_columns(unsigned char *group, const void *rows, int n_rows, size_t n, size_t size)
{
    assert(n_rows <= WKV_COLUMNS);
    if (n_rows < WKV_COLUMNS)
        memset(group, 0, n * WKV_COLUMNS * size);
    if (size == 2) /* the compiler is to know it */
        transpose(group, rows, (size_t)n_rows, n, 2);
    else if (size == 4)
        transpose(group, rows, (size_t)n_rows, n, 4);
    else
        transpose(group, rows, (size_t)n_rows, n, size);
}
