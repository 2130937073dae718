/* kern/simd/vec_neon.h - one vector of floats, on 64-bit ARM's NEON: two of its registers, of
 * which there are 32.  Two are as much work at a time as AVX2's one, and the second fills
 * the time in which the first is waited for.  The meaning of each name is in
 * vec_avx512.h. */
#ifndef WKV_KERN_VEC_NEON_H
#define WKV_KERN_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "base/attr.h"
#include "kern/kern.h"

typedef struct vf {
    float32x4_t lo, hi;
} vf;
enum { VF_N = 8, VF_GEMM_ROWS = 6, VF_BLOCK = 2 };

/* f of both registers of one vector, of two, of three. */
#define EACH(f, a) ((vf){f((a).lo), f((a).hi)})
#define EACH2(f, a, b) ((vf){f((a).lo, (b).lo), f((a).hi, (b).hi)})
#define EACH3(f, a, b, c) ((vf){f((a).lo, (b).lo, (c).lo), f((a).hi, (b).hi, (c).hi)})

/* ---- moving ------------------------------------------------------------------------- */

WKV_INLINE vf vf_set1(float x)
{
    return (vf){vdupq_n_f32(x), vdupq_n_f32(x)};
}

WKV_INLINE vf vf_zero(void)
{
    return vf_set1(0);
}

WKV_INLINE vf vf_load(const float *p)
{
    return (vf){vld1q_f32(p), vld1q_f32(p + 4)};
}

/* n < 4 lanes of one register. */
WKV_INLINE float32x4_t load_lanes(const float *p, size_t n)
{
    float32x4_t v = vdupq_n_f32(0);
    if (n >= 2)
        v = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    if (n == 3)
        v = vld1q_lane_f32(p + 2, v, 2);
    if (n == 1)
        v = vld1q_lane_f32(p, v, 0);
    return v;
}

WKV_INLINE void store_lanes(float *p, float32x4_t v, size_t n)
{
    if (n >= 2)
        vst1_f32(p, vget_low_f32(v));
    if (n == 3)
        vst1q_lane_f32(p + 2, v, 2);
    if (n == 1)
        vst1q_lane_f32(p, v, 0);
}

WKV_INLINE vf vf_load_n(const float *p, size_t n)
{
    if (n < 4)
        return (vf){load_lanes(p, n), vdupq_n_f32(0)};
    return (vf){vld1q_f32(p), load_lanes(p + 4, n - 4)};
}

WKV_INLINE void vf_store(float *p, vf v)
{
    vst1q_f32(p, v.lo);
    vst1q_f32(p + 4, v.hi);
}

WKV_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    if (n >= 4)
        vst1q_f32(p, v.lo);
    store_lanes(n >= 4 ? p + 4 : p, n >= 4 ? v.hi : v.lo, n % 4);
}

/* C has no such store for ARM. */
WKV_INLINE void vf_stream(float *p, vf v)
{
    vf_store(p, v);
}

WKV_INLINE void vf_stream_end(void)
{
}

/* n < 4 halves, the others zero. */
WKV_INLINE uint16x4_t few_halves(const uint16_t *p, size_t n)
{
    uint16x4_t v = vdup_n_u16(0);
    if (n > 0)
        v = vld1_lane_u16(p, v, 0);
    if (n > 1)
        v = vld1_lane_u16(p + 1, v, 1);
    if (n > 2)
        v = vld1_lane_u16(p + 2, v, 2);
    return v;
}

/* n < 8 of them. */
WKV_INLINE uint16x8_t load_halves(const uint16_t *p, size_t n)
{
    if (n < 4)
        return vcombine_u16(few_halves(p, n), vdup_n_u16(0));
    return vcombine_u16(vld1_u16(p), few_halves(p + 4, n - 4));
}

WKV_INLINE vf widen_f16(uint16x8_t h)
{
    float16x8_t f = vreinterpretq_f16_u16(h);
    return (vf){vcvt_f32_f16(vget_low_f16(f)), vcvt_high_f32_f16(f)};
}

WKV_INLINE vf vf_load_f16(const uint16_t *p)
{
    return widen_f16(vld1q_u16(p));
}

WKV_INLINE vf vf_load_f16_n(const uint16_t *p, size_t n)
{
    return widen_f16(load_halves(p, n));
}

WKV_INLINE vf widen_bf16(uint16x8_t h)
{
    return (vf){vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(h), 16)),
                vreinterpretq_f32_u32(vshll_high_n_u16(h, 16))};
}

WKV_INLINE vf vf_load_bf16(const uint16_t *p)
{
    return widen_bf16(vld1q_u16(p));
}

WKV_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n)
{
    return widen_bf16(load_halves(p, n));
}

WKV_INLINE uint32x4_t rounded_bf16(float32x4_t v)
{
    uint32x4_t bits = vreinterpretq_u32_f32(v);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t up = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    return vbslq_u32(vceqq_f32(v, v), up, vorrq_u32(bits, vdupq_n_u32(0x400000)));
}

WKV_INLINE void vf_store_bf16(uint16_t *p, vf v)
{
    vst1q_u16(p, vshrn_high_n_u32(vshrn_n_u32(rounded_bf16(v.lo), 16), rounded_bf16(v.hi), 16));
}

WKV_INLINE void vf_store_bf16_n(uint16_t *p, vf v, size_t n)
{
    uint16_t h[VF_N];
    vf_store_bf16(h, v);
    memcpy(p, h, n * sizeof *h);
}

/* ---- arithmetic --------------------------------------------------------------------- */

WKV_INLINE vf vf_add(vf a, vf b)
{
    return EACH2(vaddq_f32, a, b);
}

WKV_INLINE vf vf_sub(vf a, vf b)
{
    return EACH2(vsubq_f32, a, b);
}

WKV_INLINE vf vf_mul(vf a, vf b)
{
    return EACH2(vmulq_f32, a, b);
}

WKV_INLINE vf vf_div(vf a, vf b)
{
    return EACH2(vdivq_f32, a, b);
}

WKV_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return EACH3(vfmaq_f32, c, a, b);
}

WKV_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return EACH3(vfmsq_f32, c, a, b);
}

/* The processor's own maximum of a number and NaN is NaN, wherever it stands. */
WKV_INLINE float32x4_t larger(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

WKV_INLINE float32x4_t smaller(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

WKV_INLINE vf vf_max(vf a, vf b)
{
    return EACH2(larger, a, b);
}

WKV_INLINE vf vf_min(vf a, vf b)
{
    return EACH2(smaller, a, b);
}

WKV_INLINE vf vf_sqrt(vf a)
{
    return EACH(vsqrtq_f32, a);
}

WKV_INLINE vf vf_neg(vf a)
{
    return EACH(vnegq_f32, a);
}

WKV_INLINE vf vf_abs(vf a)
{
    return EACH(vabsq_f32, a);
}

WKV_INLINE vf vf_copysign(vf a, vf b)
{
    uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return (vf){vbslq_f32(sign, b.lo, a.lo), vbslq_f32(sign, b.hi, a.hi)};
}

WKV_INLINE vf vf_recip(vf a)
{
    return vf_div(vf_set1(1), a);
}

WKV_INLINE vf vf_round(vf a)
{
    return EACH(vrndnq_f32, a);
}

/* 2^n for an integral n in [-126, 127], made of exponent bits. */
WKV_INLINE float32x4_t power_of_2(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

/* In two halves, since 2^n itself need not be a normal number. */
WKV_INLINE float32x4_t scale_2(float32x4_t a, float32x4_t n)
{
    int32x4_t all = vcvtq_s32_f32(n), half = vshrq_n_s32(all, 1);
    return vmulq_f32(vmulq_f32(a, power_of_2(half)), power_of_2(vsubq_s32(all, half)));
}

WKV_INLINE vf vf_scale2(vf a, vf n)
{
    return EACH2(scale_2, a, n);
}

WKV_INLINE vf vf_select_ge(vf x, vf y, vf a, vf b)
{
    return (vf){vbslq_f32(vcgeq_f32(x.lo, y.lo), a.lo, b.lo),
                vbslq_f32(vcgeq_f32(x.hi, y.hi), a.hi, b.hi)};
}

WKV_INLINE unsigned vf_equal_bits(vf a, vf b)
{
    static const uint32_t bits[VF_N] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint32x4_t lo = vandq_u32(vceqq_f32(a.lo, b.lo), vld1q_u32(bits));
    uint32x4_t hi = vandq_u32(vceqq_f32(a.hi, b.hi), vld1q_u32(bits + 4));
    return vaddvq_u32(vorrq_u32(lo, hi));
}

/* ---- across lanes -------------------------------------------------------------------- */

WKV_INLINE float vf_sum(vf a)
{
    return vaddvq_f32(vaddq_f32(a.lo, a.hi));
}

WKV_INLINE float vf_highest(vf a)
{
    return vmaxnmvq_f32(vmaxnmq_f32(a.lo, a.hi));
}

/* Lane l is the sum of v[l]'s lanes, for four. */
WKV_INLINE float32x4_t four_sums(const vf *v)
{
    float32x4_t s[4];
    for (int i = 0; i < 4; i++)
        s[i] = vaddq_f32(v[i].lo, v[i].hi);
    return vpaddq_f32(vpaddq_f32(s[0], s[1]), vpaddq_f32(s[2], s[3]));
}

WKV_INLINE vf vf_sums(const vf v[VF_N])
{
    return (vf){four_sums(v), four_sums(v + 4)};
}

WKV_INLINE void vf_four_sums(float to[4], const vf v[4])
{
    vst1q_f32(to, four_sums(v));
}

/* Four registers: rows become columns. */
WKV_INLINE void transpose_four(float32x4_t v[4])
{
    float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(v[0], v[1]));
    float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(v[0], v[1]));
    float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(v[2], v[3]));
    float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(v[2], v[3]));
    v[0] = vreinterpretq_f32_f64(vtrn1q_f64(even01, even23));
    v[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23));
    v[2] = vreinterpretq_f32_f64(vtrn2q_f64(even01, even23));
    v[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23));
}

/* Each quarter by itself; the upper right and the lower left one change places. */
WKV_INLINE void vf_transpose(vf v[VF_N])
{
    float32x4_t q[4][4];
    for (int i = 0; i < 4; i++) {
        q[0][i] = v[i].lo;
        q[1][i] = v[4 + i].lo;
        q[2][i] = v[i].hi;
        q[3][i] = v[4 + i].hi;
    }
    for (int i = 0; i < 4; i++)
        transpose_four(q[i]);
    for (int i = 0; i < 4; i++) {
        v[i] = (vf){q[0][i], q[1][i]};
        v[4 + i] = (vf){q[2][i], q[3][i]};
    }
}

/* ---- sums in double -------------------------------------------------------------------- */

typedef struct vd {
    float64x2_t q[VF_N / 2];
} vd;

WKV_INLINE vd vd_zero(void)
{
    float64x2_t zero = vdupq_n_f64(0);
    return (vd){{zero, zero, zero, zero}};
}

WKV_INLINE vd widen(vf x)
{
    return (vd){{vcvt_f64_f32(vget_low_f32(x.lo)), vcvt_high_f64_f32(x.lo),
                 vcvt_f64_f32(vget_low_f32(x.hi)), vcvt_high_f64_f32(x.hi)}};
}

WKV_INLINE vd vd_add(vd s, vf x)
{
    vd d = widen(x);
    for (int i = 0; i < VF_N / 2; i++)
        s.q[i] = vaddq_f64(s.q[i], d.q[i]);
    return s;
}

WKV_INLINE vd vd_add_square(vd s, vf x)
{
    vd d = widen(x);
    for (int i = 0; i < VF_N / 2; i++)
        s.q[i] = vfmaq_f64(s.q[i], d.q[i], d.q[i]);
    return s;
}

WKV_INLINE double vd_sum(vd s)
{
    return vaddvq_f64(vaddq_f64(vaddq_f64(s.q[0], s.q[1]), vaddq_f64(s.q[2], s.q[3])));
}

#include "kern/simd/vmath.h"

#endif
