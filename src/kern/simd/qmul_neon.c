/* kern/simd/qmul_neon.c - qmul_tmpl.h compiled for NEON without products of bytes. */
#include <string.h>

#include "kern/simd/simd.h"
#include "kern/simd/vi_neon.h"

enum { QMUL_SUMS = 4, QMUL_PARTS = 1, QMUL_STREAMS = 1 };

WKV_INLINE int8x16_t group_bytes(vx x)
{
    int32x4_t four = vreinterpretq_s32_s8(x.sixteen);
    switch (x.group) { /* the instruction wants a constant, which the compiler sees late */
    case 0:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(four, 0));
    case 1:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(four, 1));
    case 2:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(four, 2));
    default:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(four, 3));
    }
}

/* Activations are no less than -127, so that two products fit 16 bits: 2 * 128 * 127. */
WKV_INLINE int32x4_t dot_one(int32x4_t s, int32x4_t w, vx x)
{
    int8x16_t bytes = vreinterpretq_s8_s32(w), activations = group_bytes(x);
    int16x8_t lo = vmull_s8(vget_low_s8(bytes), vget_low_s8(activations));
    int16x8_t hi = vmull_high_s8(bytes, activations);
    return vpadalq_s16(s, vpaddq_s16(lo, hi));
}

#include "kern/simd/qmul_tmpl.h"
#include "kern/simd/qsparse_tmpl.h"

void wkv_kern_init_qmul_neon(wkv_kern *k)
{
    set_qmul(k);
    set_qsparse(k);
}
