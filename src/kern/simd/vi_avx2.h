/* kern/simd/vi_avx2.h - products of bytes for vi_256.h on AVX2. */
#ifndef WKV_KERN_VI_AVX2_H
#define WKV_KERN_VI_AVX2_H

#include "kern/simd/vi_256.h"

/* vpmaddubsw saturates its sums of two products of such numbers; so even and odd bytes
 * apart, as 16-bit numbers. */
WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    vi even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)),
                                _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    vi odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return vi_add(s, vi_add(even, odd));
}

/* 2 * 63 * 128 does not saturate. */
WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    return vi_add(s, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}

#endif
