/* kern/simd/vi_avx2.h - products of bytes for vi_256.h on AVX2. */
#ifndef WKV_KERN_VI_AVX2_H
#define WKV_KERN_VI_AVX2_H

#include "kern/simd/vi_256.h"

enum { VI_SIGNED = 1 };

/* A sum that is made where it stands: compilers would make all products first, and run out of
 * registers. */
WKV_INLINE vi in_order(vi sum)
{
    __asm__ volatile("" : "+x"(sum));
    return sum;
}

/* Lanes of 16 bits hold the sums of so many pairs of products of an activation, at most 127, with
 * numbers up to 15 or 63. */
#define VI_NARROW
enum { VI_NARROW_15 = 8, VI_NARROW_63 = 2 };

WKV_INLINE vi vi_dot_narrow(vi s, vi w, vx x)
{
    return in_order(_mm256_add_epi16(s, _mm256_maddubs_epi16(w, x)));
}

/* To 32 bits: the sum of both lanes. */
WKV_INLINE vi vi_widen(vi narrow)
{
    return _mm256_madd_epi16(narrow, _mm256_set1_epi16(1));
}

WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    return in_order(vi_add(s, vi_widen(_mm256_maddubs_epi16(w, x))));
}

/* 2 * 128 * 127 is held, too: a weight's sign goes to the activation. */
WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    return vi_dot_small(s, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

#endif
