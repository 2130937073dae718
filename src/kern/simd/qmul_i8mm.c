/* kern/simd/qmul_i8mm.c - qmul_tmpl.h compiled for ARM's matrix product of bytes (SMMLA): eight
 * inputs of two rows of activations times those of two outputs.  A row alone goes the way of
 * SDOT. */
#include <string.h>

#include "kern/simd/simd.h"
#include "kern/simd/vi_neon.h"

enum { QMUL_SUMS = 8, QMUL_PARTS = 1, QMUL_STREAMS = 1 };

#include "kern/simd/sdot.h"

#define VI_PAIRS

/* Groups g and g + 1 become eight inputs of output after output, two in a register. */
WKV_INLINE void vi_pair_groups(vi w[2])
{
    vi a = w[0], b = w[1];
    w[0] = (vi){vzip1q_s32(a.lo, b.lo), vzip2q_s32(a.lo, b.lo)};
    w[1] = (vi){vzip1q_s32(a.hi, b.hi), vzip2q_s32(a.hi, b.hi)};
}

/* Eight inputs of the rows a and b. */
WKV_INLINE int8x16_t vi_pair_rows(const int8_t *a, const int8_t *b)
{
    return vcombine_s8(vld1_s8(a), vld1_s8(b));
}

/* Adds to each register: row a with two outputs, then row b with the same two. */
WKV_INLINE vi vi_dot_pairs(vi s, vi w, int8x16_t rows)
{
    return (vi){vmmlaq_s32(s.lo, rows, vreinterpretq_s8_s32(w.lo)),
                vmmlaq_s32(s.hi, rows, vreinterpretq_s8_s32(w.hi))};
}

WKV_INLINE int32x4_t first_halves(vi s)
{
    return vreinterpretq_s32_s64(
        vzip1q_s64(vreinterpretq_s64_s32(s.lo), vreinterpretq_s64_s32(s.hi)));
}

WKV_INLINE int32x4_t second_halves(vi s)
{
    return vreinterpretq_s32_s64(
        vzip2q_s64(vreinterpretq_s64_s32(s.lo), vreinterpretq_s64_s32(s.hi)));
}

/* Two such sums become a vector for row a and one for row b. */
WKV_INLINE void vi_part_rows(vi s[2])
{
    vi lo = s[0], hi = s[1];
    s[0] = (vi){first_halves(lo), first_halves(hi)};
    s[1] = (vi){second_halves(lo), second_halves(hi)};
}

#include "kern/simd/qmul_tmpl.h"

void wkv_kern_init_qmul_i8mm(wkv_kern *k)
{
    set_qmul(k);
}
