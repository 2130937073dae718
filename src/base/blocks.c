/* base/blocks.c - decoding one block of each quantised type, exactly as ggml does: the
 * same products in the same order, so that not a bit differs.
 *
 * The types come in two families.  The older ones have 32 values that share a scale and
 * at times an offset.  The "K" types have 256, in groups of 16 or 32 whose scales (and
 * offsets) are small integers that a scale of the whole block makes real. */
#include "base/blocks.h"

#include <string.h>

#include "base/half.h"

enum { GROUP = 32, SUPER = 256 };

static float load_f16(const uint8_t *p)
{
    return wkv_f16_to_f32((uint16_t)(p[0] | (unsigned)p[1] << 8));
}

static uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- 32 values ------------------------------------------------------------------------ */

/* The offset of types that have none: adding this changes nothing, not even a zero's sign. */
#define NO_OFFSET (-0.0f)

/* Value j is the low nibble of byte j, value j + 16 the high one. */
static void decode_q4(float *y, const uint8_t *nibbles, int bias, float scale, float offset)
{
    for (int j = 0; j < GROUP / 2; j++) {
        y[j] = (float)((nibbles[j] & 15) - bias) * scale + offset;
        y[j + GROUP / 2] = (float)((nibbles[j] >> 4) - bias) * scale + offset;
    }
}

/* As q4, the fifth bit of value j being bit j of `high`. */
static void decode_q5(float *y, const uint8_t *nibbles, uint32_t high, int bias, float scale,
                      float offset)
{
    for (int j = 0; j < GROUP / 2; j++) {
        int lo = (nibbles[j] & 15) | (int)((high >> j) & 1u) << 4;
        int hi = (nibbles[j] >> 4) | (int)((high >> (j + GROUP / 2)) & 1u) << 4;
        y[j] = (float)(lo - bias) * scale + offset;
        y[j + GROUP / 2] = (float)(hi - bias) * scale + offset;
    }
}

const int8_t wkv_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

static void decode_iq4_nl(float *y, const uint8_t *p)
{
    const float d = load_f16(p);
    for (int j = 0; j < GROUP / 2; j++) {
        y[j] = d * (float)wkv_iq4_values[p[2 + j] & 15];
        y[j + GROUP / 2] = d * (float)wkv_iq4_values[p[2 + j] >> 4];
    }
}

static void decode_q8(float *y, const uint8_t *p)
{
    const float d = load_f16(p);
    for (int j = 0; j < GROUP; j++)
        y[j] = (float)(int8_t)p[2 + j] * d;
}

/* ---- 256 values ------------------------------------------------------------------------ */

/* Scales and offsets (a nibble each) of 16 groups, 2-bit values, the two reals.  Each
 * run of 32 bytes holds four times 32 values, one in each pair of bits. */
static void decode_q2_k(float *y, const uint8_t *p)
{
    const uint8_t *q = p + 16;
    const float d = load_f16(p + 80), offset = load_f16(p + 82);
    for (int i = 0; i < SUPER; i++) {
        const int group = i / 16;
        const uint8_t byte = q[i / 128 * 32 + i % 32];
        y[i] = d * (float)(p[group] & 15) * (float)(byte >> (i % 128 / 32 * 2) & 3) -
               offset * (float)(p[group] >> 4);
    }
}

/* The 6-bit scale of group j: the lower nibbles of 16 groups in eight bytes, then the
 * upper two bits, four groups a byte. */
static int scale_q3_k(const uint8_t *s, int j)
{
    const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    const int high = s[8 + j % 4] >> (j / 4 * 2) & 3;
    return (low | high << 4) - 32;
}

/* The third bits (clear: four less), 2-bit values laid out as in q2, scales, the real. */
static void decode_q3_k(float *y, const uint8_t *p)
{
    const uint8_t *q = p + 32, *scales = p + 96;
    const float d = load_f16(p + 108);
    for (int i = 0; i < SUPER; i++) {
        const int low = q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        const int high = p[i % 32] >> (i / 32) & 1;
        y[i] = d * (float)scale_q3_k(scales, i / 16) * (float)(low - (high ? 0 : 4));
    }
}

/* The 6-bit scale and offset of group j of 8, packed in twelve bytes. */
static void scale_q4_k(const uint8_t *s, int j, int *scale, int *offset)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *offset = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *offset = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* Two reals, scales, then 4-bit values: 32 bytes hold one group in their low nibbles and
 * the next in the high ones.  In q5, the fifth bits (32 bytes, bit j for group j) come
 * before; `high` is NULL in q4. */
static void decode_q4_q5_k(float *y, const uint8_t *p, const uint8_t *high, const uint8_t *q)
{
    const float d = load_f16(p), least = load_f16(p + 2);
    for (int j = 0; j < SUPER / GROUP; j++) {
        int scale, offset;
        scale_q4_k(p + 4, j, &scale, &offset);
        const float dj = d * (float)scale, mj = least * (float)offset;
        for (int l = 0; l < GROUP; l++) {
            int v = q[j / 2 * GROUP + l] >> (j % 2 * 4) & 15;
            if (high != NULL)
                v |= (high[l] >> j & 1) << 4;
            y[j * GROUP + l] = dj * (float)v - mj;
        }
    }
}

/* Lower nibbles, upper two bits, 16 signed scales, the real.  Each half of the block has
 * four runs of 32 values: run r in nibble r / 2 of the bytes r % 2 * 32 onwards, and in
 * bits 2 r of the upper bits. */
static void decode_q6_k(float *y, const uint8_t *p)
{
    const float d = load_f16(p + 208);
    for (int i = 0; i < SUPER; i++) {
        const int half = i / 128, run = i % 128 / 32, l = i % 32;
        const int low = p[half * 64 + run % 2 * 32 + l] >> (run / 2 * 4) & 15;
        const int high = p[128 + half * 32 + l] >> (run * 2) & 3;
        y[i] = d * (float)(int8_t)p[192 + i / 16] * (float)((low | high << 4) - 32);
    }
}

void wkv_block_decode(float *y, const uint8_t *p, wkv_dtype t)
{
    switch (t) {
    case WKV_DTYPE_Q4_0:
        decode_q4(y, p + 2, 8, load_f16(p), NO_OFFSET);
        break;
    case WKV_DTYPE_Q4_1:
        decode_q4(y, p + 4, 0, load_f16(p), load_f16(p + 2));
        break;
    case WKV_DTYPE_Q5_0:
        decode_q5(y, p + 6, load_u32(p + 2), 16, load_f16(p), NO_OFFSET);
        break;
    case WKV_DTYPE_Q5_1:
        decode_q5(y, p + 8, load_u32(p + 4), 0, load_f16(p), load_f16(p + 2));
        break;
    case WKV_DTYPE_IQ4_NL:
        decode_iq4_nl(y, p);
        break;
    case WKV_DTYPE_Q2_K:
        decode_q2_k(y, p);
        break;
    case WKV_DTYPE_Q3_K:
        decode_q3_k(y, p);
        break;
    case WKV_DTYPE_Q4_K:
        decode_q4_q5_k(y, p, NULL, p + 16);
        break;
    case WKV_DTYPE_Q5_K:
        decode_q4_q5_k(y, p, p + 16, p + 48);
        break;
    case WKV_DTYPE_Q6_K:
        decode_q6_k(y, p);
        break;
    default: /* Q8_0 */
        decode_q8(y, p);
        break;
    }
}

/* Where the reals of a block lie, both F16; -1 for none. */
static void find_scales(wkv_dtype t, int at[2])
{
    at[1] = -1;
    switch (t) {
    case WKV_DTYPE_Q2_K:
        at[0] = 80;
        at[1] = 82;
        break;
    case WKV_DTYPE_Q3_K:
        at[0] = 108;
        break;
    case WKV_DTYPE_Q6_K:
        at[0] = 208;
        break;
    case WKV_DTYPE_Q4_1:
    case WKV_DTYPE_Q5_1:
    case WKV_DTYPE_Q4_K:
    case WKV_DTYPE_Q5_K:
        at[0] = 0;
        at[1] = 2;
        break;
    default: /* Q4_0 Q5_0 Q8_0 IQ4_NL */
        at[0] = 0;
        break;
    }
}

static void scale_plain(uint8_t *p, wkv_dtype t, float factor)
{
    if (t == WKV_DTYPE_F64) {
        double v;
        memcpy(&v, p, sizeof v);
        v *= (double)factor;
        memcpy(p, &v, sizeof v);
        return;
    }
    float v;
    wkv_dtype_to_f32(&v, p, t, 1);
    v *= factor;
    wkv_dtype_from_f32(p, &v, t, 1);
}

void wkv_block_scale(uint8_t *p, wkv_dtype t, float factor)
{
    if (wkv_dtype_of(t)->block == 1) {
        scale_plain(p, t, factor);
        return;
    }
    int at[2];
    find_scales(t, at);
    for (int i = 0; i < 2 && at[i] >= 0; i++)
        scale_plain(p + at[i], WKV_DTYPE_F16, factor);
}
