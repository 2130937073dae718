/* base/quant.c - encoding one block of each quantised type; the layouts are those that
 * blocks.c decodes.
 *
 * Types of 32 values have real scales.  The "K" types have integer ones: a scale for each
 * group is fitted first, the real that makes integers of them follows from the largest, and
 * the values are rounded again by what is then stored. */
#include "base/quant.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/quant_fit.h"

enum { GROUP = 32, SUPER = 256, MAX_GROUPS = 16 };

static float round_f16(float v)
{
    return wkv_f16_to_f32(wkv_f32_to_f16(v));
}

/* v as F16 at p; the value that it then has. */
static float put_f16(uint8_t *p, float v)
{
    const uint16_t h = wkv_f32_to_f16(v);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
    return wkv_f16_to_f32(h);
}

/* ---- 32 values ------------------------------------------------------------------------ */

/* The nibbles of 32 integers from 0 on; their fifth bits. */
static uint32_t put_nibbles(uint8_t *p, const float *q, int bias)
{
    uint32_t high = 0;
    for (int j = 0; j < GROUP / 2; j++) {
        const unsigned a = (unsigned)((int)q[j] + bias);
        const unsigned b = (unsigned)((int)q[j + GROUP / 2] + bias);
        p[j] = (uint8_t)((a & 15) | (b & 15) << 4);
        high |= (a >> 4 & 1) << j | (b >> 4 & 1) << (j + GROUP / 2);
    }
    return high;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* q4_0, q5_0: half is 8 or 16. */
static void encode_symmetric(uint8_t *p, const float *x, const float *w, int half)
{
    float q[GROUP];
    const float lo = (float)-half, hi = (float)(half - 1);
    const float d = put_f16(p, wkv_fit_scale(x, w, GROUP, lo, hi));
    wkv_fit_round(q, x, w, GROUP, d, 0, lo, hi);
    const uint32_t high = put_nibbles(p + (half == 8 ? 2 : 6), q, half);
    if (half == 16)
        put_u32(p + 2, high);
}

/* q4_1, q5_1: top is 15 or 31. */
static void encode_affine(uint8_t *p, const float *x, const float *w, int top)
{
    float q[GROUP], scale, offset;
    wkv_fit_affine(x, w, GROUP, (float)top, 0, &scale, &offset);
    const float d = put_f16(p, scale), m = put_f16(p + 2, -offset);
    wkv_fit_round(q, x, w, GROUP, d, -m, 0, (float)top);
    const uint32_t high = put_nibbles(p + (top == 15 ? 4 : 8), q, 0);
    if (top == 31)
        put_u32(p + 4, high);
}

/* The magnitude that a scale makes of 127, and of a little more, whichever errs less: the
 * integers stay within +-127, which products of bytes rely on. */
static void encode_q8(uint8_t *p, const float *x, const float *w)
{
    float q[GROUP], best = 0, least = INFINITY, most = 0;
    for (int i = 0; i < GROUP; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    for (int i = -1; i <= 2; i++) {
        const float d = round_f16(most / (127 + 0.25f * (float)i));
        const float e = wkv_fit_round(q, x, w, GROUP, d, 0, -127, 127);
        if (e < least) {
            least = e;
            best = d;
        }
    }
    const float d = put_f16(p, best);
    wkv_fit_round(q, x, w, GROUP, d, 0, -127, 127);
    for (int i = 0; i < GROUP; i++)
        p[2 + i] = (uint8_t)(int8_t)q[i];
}

/* ---- 256 values ------------------------------------------------------------------------- */

/* How a K type is built. */
typedef struct shape {
    int group;        /* values that share a scale */
    float lo, hi;     /* of the integers */
    float s_lo, s_hi; /* of the integers that scale them (and, with offsets, of these) */
} shape;

/* What is stored: the reals, the integer scales and offsets of the groups, the values. */
typedef struct block {
    float d[2]; /* of the scales, of the offsets */
    float scale[MAX_GROUPS], offset[MAX_GROUPS], q[SUPER];
    float error;
} block;

/* The scales and offsets that the groups would have if they were real numbers. */
typedef struct wishes {
    float scale[MAX_GROUPS], offset[MAX_GROUPS];
} wishes;

static float clamp_round(float v, float lo, float hi)
{
    return wkv_round(v < lo ? lo : v > hi ? hi : v);
}

/* The best of a group's neighbouring integer scales and offsets, d being what it is. */
static float settle_group(block *k, int j, const float *x, const float *w, const shape *s,
                          const wishes *wish)
{
    float q[WKV_FIT_MAX], least = INFINITY;
    const float *d = k->d;
    const float a = d[0] != 0 ? clamp_round(wish->scale[j] / d[0], s->s_lo, s->s_hi) : 0;
    const float b = d[1] != 0 ? clamp_round(wish->offset[j] / d[1], 0, s->s_hi) : 0;
    for (int step = 0; step < 9; step++) {
        const float scale = a + (float)(step % 3 - 1), offset = b + (float)(step / 3 - 1);
        if (scale < s->s_lo || scale > s->s_hi || offset < 0 || offset > s->s_hi ||
            (d[1] == 0 && offset > 0))
            continue;
        const float e = wkv_fit_round(q, x, w, s->group, d[0] * scale, d[1] * offset, s->lo, s->hi);
        if (e < least) {
            least = e;
            k->scale[j] = scale;
            k->offset[j] = offset;
            memcpy(k->q + j * s->group, q, (size_t)s->group * sizeof *q);
        }
    }
    return least;
}

static void settle(block *k, const float *x, const float *w, const shape *s, const wishes *wish)
{
    k->error = 0;
    for (int j = 0; j < SUPER / s->group; j++)
        k->error += settle_group(k, j, x + j * s->group, w + j * s->group, s, wish);
}

/* The reals that are best for these integers: a least-squares problem of one or two unknowns. */
static void solve_reals(block *k, const float *x, const float *w, const shape *s)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int i = 0; i < SUPER; i++) {
        const double a = (double)(k->scale[i / s->group] * k->q[i]), wi = (double)w[i];
        const double b = (double)-k->offset[i / s->group], xi = (double)x[i];
        aa += wi * a * a;
        ab += wi * a * b;
        bb += wi * b * b;
        ax += wi * a * xi;
        bx += wi * b * xi;
    }
    const double determinant = aa * bb - ab * ab;
    if (bb > 0 && determinant > 1e-9 * aa * bb) {
        k->d[0] = round_f16((float)((bb * ax - ab * bx) / determinant));
        k->d[1] = round_f16((float)((aa * bx - ab * ax) / determinant));
    } else if (aa > 0) {
        k->d[0] = round_f16((float)((ax - (double)k->d[1] * ab) / aa));
    }
}

/* Fits a block whose groups would like to have these scales and offsets. */
static void fit_block(block *best, const float *x, const float *w, const shape *s,
                      const wishes *wish, float most_scale, float most_offset)
{
    enum { STARTS = 2, PASSES = 2 };
    best->error = INFINITY;
    for (int start = 0; start < STARTS; start++) {
        block k;
        /* The largest integer scale at the end of its range, or a little before it. */
        const float share = 1 - 0.04f * (float)start;
        k.d[0] = round_f16(most_scale / (share * (s->s_lo < 0 ? s->s_lo : s->s_hi)));
        k.d[1] = round_f16(most_offset / (share * s->s_hi));
        for (int pass = 0; pass < PASSES; pass++) {
            settle(&k, x, w, s, wish);
            if (!(k.error < best->error) && pass > 0)
                break;
            if (k.error < best->error)
                *best = k;
            solve_reals(&k, x, w, s);
        }
    }
}

/* x = d scale q.  d, as F16, goes to p. */
static void fit_scaled(block *k, uint8_t *p, const float *x, const float *w, const shape *s)
{
    wishes wish = {0};
    float most = 0;
    for (int j = 0; j < SUPER / s->group; j++) {
        wish.scale[j] = wkv_fit_scale(x + j * s->group, w + j * s->group, s->group, s->lo, s->hi);
        most = fabsf(wish.scale[j]) > fabsf(most) ? wish.scale[j] : most;
    }
    fit_block(k, x, w, s, &wish, most, 0);
    put_f16(p, k->d[0]);
}

/* x = d scale q - m offset.  d and m, as F16, go to p. */
static void fit_offset(block *k, uint8_t *p, const float *x, const float *w, const shape *s)
{
    wishes wish;
    float most[2] = {0, 0};
    for (int j = 0; j < SUPER / s->group; j++) {
        wkv_fit_affine(x + j * s->group, w + j * s->group, s->group, s->hi, 1, &wish.scale[j],
                       &wish.offset[j]);
        most[0] = fmaxf(most[0], wish.scale[j]);
        most[1] = fmaxf(most[1], wish.offset[j]);
    }
    fit_block(k, x, w, s, &wish, most[0], most[1]);
    put_f16(p, k->d[0]);
    put_f16(p + 2, k->d[1]);
}

/* Where value i of a block of pairs of bits lies: the byte, and the shift within it. */
static int pair_byte(int i)
{
    return i / 128 * 32 + i % 32;
}

static int pair_shift(int i)
{
    return i % 128 / 32 * 2;
}

static void encode_q2_k(uint8_t *p, const float *x, const float *w)
{
    static const shape s = {16, 0, 3, 0, 15};
    block k;
    fit_offset(&k, p + 80, x, w, &s);
    for (int j = 0; j < 16; j++)
        p[j] = (uint8_t)((int)k.scale[j] | (int)k.offset[j] << 4);
    for (int i = 0; i < SUPER; i++)
        p[16 + pair_byte(i)] |= (uint8_t)((int)k.q[i] << pair_shift(i));
}

static void encode_q3_k(uint8_t *p, const float *x, const float *w)
{
    static const shape s = {16, -4, 3, -32, 31};
    block k;
    fit_scaled(&k, p + 108, x, w, &s);
    for (int j = 0; j < 16; j++) {
        const int v = (int)k.scale[j] + 32;
        p[96 + j % 8] |= (uint8_t)((v & 15) << (j / 8 * 4));
        p[104 + j % 4] |= (uint8_t)(v >> 4 << (j / 4 * 2));
    }
    for (int i = 0; i < SUPER; i++) {
        const int v = (int)k.q[i] + 4;
        p[i % 32] |= (uint8_t)(v >> 2 << (i / 32));
        p[32 + pair_byte(i)] |= (uint8_t)((v & 3) << pair_shift(i));
    }
}

/* The 6-bit scale and offset of group j of 8, packed in twelve bytes. */
static void put_pair(uint8_t *s, int j, int scale, int offset)
{
    if (j < 4) {
        s[j] |= (uint8_t)scale;
        s[j + 4] |= (uint8_t)offset;
    } else {
        s[j + 4] = (uint8_t)((scale & 15) | (offset & 15) << 4);
        s[j - 4] |= (uint8_t)(scale >> 4 << 6);
        s[j] |= (uint8_t)(offset >> 4 << 6);
    }
}

/* `high`, where the fifth bits go, is NULL in q4. */
static void encode_q4_q5_k(uint8_t *p, uint8_t *high, uint8_t *nibbles, const float *x,
                           const float *w)
{
    const shape s = {GROUP, 0, high != NULL ? 31 : 15, 0, 63};
    block k;
    fit_offset(&k, p, x, w, &s);
    for (int j = 0; j < SUPER / GROUP; j++) {
        put_pair(p + 4, j, (int)k.scale[j], (int)k.offset[j]);
        for (int l = 0; l < GROUP; l++) {
            const int v = (int)k.q[j * GROUP + l];
            nibbles[j / 2 * GROUP + l] |= (uint8_t)((v & 15) << (j % 2 * 4));
            if (high != NULL)
                high[l] |= (uint8_t)(v >> 4 << j);
        }
    }
}

static void encode_q6_k(uint8_t *p, const float *x, const float *w)
{
    static const shape s = {16, -32, 31, -128, 127};
    block k;
    fit_scaled(&k, p + 208, x, w, &s);
    for (int j = 0; j < 16; j++)
        p[192 + j] = (uint8_t)(int8_t)k.scale[j];
    for (int i = 0; i < SUPER; i++) {
        const int half = i / 128, run = i % 128 / 32, l = i % 32, v = (int)k.q[i] + 32;
        p[half * 64 + run % 2 * 32 + l] |= (uint8_t)((v & 15) << (run / 2 * 4));
        p[128 + half * 32 + l] |= (uint8_t)(v >> 4 << (run * 2));
    }
}

/* ---- any type --------------------------------------------------------------------------- */

/* The weights, scaled so that their products do not leave a float's range. */
static void take_weights(float *out, const float *w, int n)
{
    float most = 0;
    for (int i = 0; i < n && w != NULL; i++)
        most = w[i] > most ? w[i] : most;
    for (int i = 0; i < n; i++)
        out[i] = most > 0 && most < INFINITY ? w[i] / most : 1;
}

/* Far beyond any weight, and such that no scale or offset leaves the range of F16. */
static bool is_in_range(const float *x, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= 32768))
            return false;
    return true;
}

static void encode(uint8_t *p, const float *x, const float *w, wkv_dtype t)
{
    switch (t) {
    case WKV_DTYPE_Q4_0:
        encode_symmetric(p, x, w, 8);
        break;
    case WKV_DTYPE_Q4_1:
        encode_affine(p, x, w, 15);
        break;
    case WKV_DTYPE_Q5_0:
        encode_symmetric(p, x, w, 16);
        break;
    case WKV_DTYPE_Q5_1:
        encode_affine(p, x, w, 31);
        break;
    case WKV_DTYPE_Q2_K:
        encode_q2_k(p, x, w);
        break;
    case WKV_DTYPE_Q3_K:
        encode_q3_k(p, x, w);
        break;
    case WKV_DTYPE_Q4_K:
        encode_q4_q5_k(p, NULL, p + 16, x, w);
        break;
    case WKV_DTYPE_Q5_K:
        encode_q4_q5_k(p, p + 16, p + 48, x, w);
        break;
    case WKV_DTYPE_Q6_K:
        encode_q6_k(p, x, w);
        break;
    default: /* Q8_0 */
        encode_q8(p, x, w);
        break;
    }
}

bool wkv_block_encode(uint8_t *p, const float *x, const float *weight, wkv_dtype t)
{
    const wkv_dtype_info *info = wkv_dtype_of(t);
    float w[SUPER];
    if (!is_in_range(x, info->block))
        return false;
    take_weights(w, weight, info->block);
    memset(p, 0, (size_t)info->bytes);
    encode(p, x, w, t);
    return true;
}
