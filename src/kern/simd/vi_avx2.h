/* kern/simd/vi_avx2.h - products of bytes for vi_256.h on AVX2. */
#ifndef WKV_KERN_VI_AVX2_H
#define WKV_KERN_VI_AVX2_H

#include "kern/simd/vi_256.h"

enum { VI_SIGNED = 1 };

/* Lanes of 16 bits hold the sums of so many pairs of products of an activation, at most 127, with
 * numbers up to 15: those of a block; and of two groups with numbers up to 63. */
#define VI_NARROW

WKV_INLINE vi vi_dot_narrow(vi s, vi w, vx x)
{
    return vi_here(_mm256_add_epi16(s, _mm256_maddubs_epi16(w, x)));
}

/* To 32 bits: the sum of both lanes, each times its lane of `times`. */
WKV_INLINE vi vi_widen(vi narrow, vi times)
{
    return _mm256_madd_epi16(narrow, times);
}

/* Factors for vi_widen: one for each lane of a pair, or for both; -32768 to 32767. */
WKV_INLINE vi vi_two_times(vi first, vi second)
{
    return _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa);
}

WKV_INLINE vi vi_times(vi times)
{
    return vi_two_times(times, times);
}

/* s += times the products of two groups. */
WKV_INLINE vi vi_dot_two(vi s, const vi w[2], const vx x[2], vi times)
{
    const vi both =
        _mm256_add_epi16(_mm256_maddubs_epi16(w[0], x[0]), _mm256_maddubs_epi16(w[1], x[1]));
    return vi_here(vi_add(s, vi_widen(both, times)));
}

WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    const vi product = vi_widen(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
    __asm__ volatile("vpaddd %1, %0, %0"
                     : "+x"(s)
                     : "x"(product)); /* in place, as vi_here is not */
    return s;
}

/* 2 * 128 * 127 is held, too: a weight's sign goes to the activation. */
WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    return vi_dot_small(s, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

/* The same where s holds the sum of |w| over negative w already, since -x = ~x + 1: more ports can
 * flip bits than take signs over.  From so many rows on this pays for that sum. */
#define VI_FLIPS
enum { VI_FLIP_ROWS = 12 };

typedef struct vi_flip {
    vi size, negative; /* |w|; -1 where w < 0, else 0 */
} vi_flip;

WKV_INLINE vi_flip vi_flip_of(vi w)
{
    return (vi_flip){_mm256_abs_epi8(w), _mm256_cmpgt_epi8(_mm256_setzero_si256(), w)};
}

WKV_INLINE vi vi_dot_flip(vi s, vi_flip w, vx x)
{
    return vi_dot_small(s, w.size, vi_xor(x, w.negative));
}

/* s, in lanes of 16 bits, + w where it is negative. */
WKV_INLINE vi vi_add_negative(vi s, vi w)
{
    const vi negative = _mm256_min_epi8(w, _mm256_setzero_si256());
    return _mm256_add_epi16(s, _mm256_maddubs_epi16(_mm256_set1_epi8(1), negative));
}

#endif
