/* kern/simd/vi_neon.h - one vector of 32-bit integers beside the floats of vec_neon.h: the names
 * of vi_vnni.h but for the products of bytes, which qmul_neon.c, qmul_dotprod.c and
 * qmul_i8mm.c bring along, with QMUL_SUMS.  ARM multiplies signed bytes with signed ones.
 *
 * Activations come by 16, of which an instruction takes the four of a group, whose number is
 * part of it: the compiler must know it. */
#ifndef WKV_KERN_VI_NEON_H
#define WKV_KERN_VI_NEON_H

#include "kern/simd/vec_neon.h"

typedef struct vi {
    int32x4_t lo, hi;
} vi;
typedef struct vx {
    int8x16_t sixteen;
    int group;
} vx;
#define VI_CONSTANT_GROUPS
enum { VI_SIGNED = 1, VX_BYTES = 16 };

#define EACH_INT2(f, a, b) ((vi){f((a).lo, (b).lo), f((a).hi, (b).hi)})

WKV_INLINE vi vi_set1(int32_t x)
{
    return (vi){vdupq_n_s32(x), vdupq_n_s32(x)};
}

WKV_INLINE vi vi_load(const void *p)
{
    const int8_t *b = p;
    return (vi){vreinterpretq_s32_s8(vld1q_s8(b)), vreinterpretq_s32_s8(vld1q_s8(b + 16))};
}

WKV_INLINE void vi_store(void *p, vi a)
{
    int8_t *b = p;
    vst1q_s8(b, vreinterpretq_s8_s32(a.lo));
    vst1q_s8(b + 16, vreinterpretq_s8_s32(a.hi));
}

WKV_INLINE vi vi_add(vi a, vi b)
{
    return EACH_INT2(vaddq_s32, a, b);
}

WKV_INLINE vi vi_mul(vi a, vi b)
{
    return EACH_INT2(vmulq_s32, a, b);
}

WKV_INLINE vi vi_and(vi a, vi b)
{
    return EACH_INT2(vandq_s32, a, b);
}

WKV_INLINE vi vi_xor(vi a, vi b)
{
    return EACH_INT2(veorq_s32, a, b);
}

WKV_INLINE vi vi_or(vi a, vi b)
{
    return EACH_INT2(vorrq_s32, a, b);
}

#define RIGHT_ONE(a, n) vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n))
#define vi_right(a, n) ((vi){RIGHT_ONE((a).lo, n), RIGHT_ONE((a).hi, n)})
#define vi_left(a, n) ((vi){vshlq_n_s32((a).lo, n), vshlq_n_s32((a).hi, n)})

WKV_INLINE vx vx_of(const int8_t *x, int group)
{
    return (vx){vld1q_s8(x + group / 4 * 16), group % 4};
}

/* The bytes of one register with the activations of a group. */
WKV_INLINE int32x4_t dot_one(int32x4_t s, int32x4_t w, vx x);

WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    return (vi){dot_one(s.lo, w.lo, x), dot_one(s.hi, w.hi, x)};
}

WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    return vi_dot(s, w, x);
}

WKV_INLINE vf vi_to_float(vi a)
{
    return (vf){vcvtq_f32_s32(a.lo), vcvtq_f32_s32(a.hi)};
}

WKV_INLINE vi vi_load_u8(const unsigned char *p)
{
    uint16x8_t h = vmovl_u8(vld1_u8(p));
    return (vi){vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(h))),
                vreinterpretq_s32_u32(vmovl_high_u16(h))};
}

WKV_INLINE vi vi_load_s8(const unsigned char *p)
{
    int16x8_t h = vmovl_s8(vreinterpret_s8_u8(vld1_u8(p)));
    return (vi){vmovl_s16(vget_low_s16(h)), vmovl_high_s16(h)};
}

WKV_INLINE void vi_store_s8(int8_t *p, vf x)
{
    int16x4_t lo = vqmovn_s32(vcvtnq_s32_f32(x.lo));
    vst1_s8(p, vqmovn_s16(vqmovn_high_s32(lo, vcvtnq_s32_f32(x.hi))));
}

WKV_INLINE int32_t vi_sum_rounded(vf x)
{
    return vaddvq_s32(vaddq_s32(vcvtnq_s32_f32(x.lo), vcvtnq_s32_f32(x.hi)));
}

WKV_INLINE int32x4_t most_bits(vf a)
{
    vf b = vf_abs(a);
    return vmaxq_s32(vreinterpretq_s32_f32(b.lo), vreinterpretq_s32_f32(b.hi));
}

WKV_INLINE float vi_most(vf a, vf b)
{
    int32_t most = vmaxvq_s32(vmaxq_s32(most_bits(a), most_bits(b)));
    return vget_lane_f32(vreinterpret_f32_s32(vdup_n_s32(most)), 0);
}

WKV_INLINE vi vi_here(vi sum)
{
    __asm__ volatile("" : "+w"(sum.lo), "+w"(sum.hi));
    return sum;
}

/* One register of each of four vectors. */
WKV_INLINE void interleave_one(int32x4_t *a, int32x4_t *b, int32x4_t *c, int32x4_t *d)
{
    int8x16_t v0 = vreinterpretq_s8_s32(*a), v1 = vreinterpretq_s8_s32(*b);
    int8x16_t v2 = vreinterpretq_s8_s32(*c), v3 = vreinterpretq_s8_s32(*d);
    int16x8_t lo01 = vreinterpretq_s16_s8(vzip1q_s8(v0, v1));
    int16x8_t hi01 = vreinterpretq_s16_s8(vzip2q_s8(v0, v1));
    int16x8_t lo23 = vreinterpretq_s16_s8(vzip1q_s8(v2, v3));
    int16x8_t hi23 = vreinterpretq_s16_s8(vzip2q_s8(v2, v3));
    *a = vreinterpretq_s32_s16(vzip1q_s16(lo01, lo23));
    *b = vreinterpretq_s32_s16(vzip2q_s16(lo01, lo23));
    *c = vreinterpretq_s32_s16(vzip1q_s16(hi01, hi23));
    *d = vreinterpretq_s32_s16(vzip2q_s16(hi01, hi23));
}

WKV_INLINE void vi_interleave(vi v[4])
{
    interleave_one(&v[0].lo, &v[1].lo, &v[2].lo, &v[3].lo);
    interleave_one(&v[0].hi, &v[1].hi, &v[2].hi, &v[3].hi);
}

#endif
