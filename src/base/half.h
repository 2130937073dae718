/* base/half.h - the 16-bit floating point types, in portable scalar C.
 * f16 is IEEE binary16; bf16 the upper half of binary32.  Rounding is to
 * nearest, ties to even; NaN stays NaN. */
#ifndef WKV_BASE_HALF_H
#define WKV_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float wkv_f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t wkv_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float wkv_bf16_to_f32(uint16_t h)
{
    return wkv_f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t wkv_f32_to_bf16(float f)
{
    uint32_t u = wkv_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float wkv_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t mantissa = h & 0x3ffu;
    if (exponent == 0x1fu)
        return wkv_f32_from_bits(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0)
        return wkv_f32_from_bits(sign | ((exponent + 112u) << 23) | (mantissa << 13));
    /* Zero and subnormals: mantissa * 2^-24 is exact in binary32. */
    float magnitude = (float)mantissa * 0x1p-24f;
    return wkv_f32_from_bits(sign | wkv_f32_bits(magnitude));
}

static inline uint16_t wkv_f32_to_f16(float f)
{
    uint32_t u = wkv_f32_bits(f);
    uint16_t sign = (uint16_t)((u >> 16) & 0x8000u);
    uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) /* rounds to 65536 or more: infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a >= 0x38800000u) { /* normal: rebias, round the 13 dropped bits */
        uint32_t r = a - 0x38000000u;
        return (uint16_t)(sign | ((r + 0xfffu + ((r >> 13) & 1u)) >> 13));
    }
    /* Subnormal: adding 0.5 aligns the value so that its ulp is 2^-24 and the
     * processor rounds to nearest even. */
    float shifted = wkv_f32_from_bits(a) + 0.5f;
    return (uint16_t)(sign | (wkv_f32_bits(shifted) - 0x3f000000u));
}

#endif
