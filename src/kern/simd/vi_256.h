/* kern/simd/vi_256.h - one vector of 32-bit integers beside the floats of vec_avx2.h: the names of
 * vi_vnni.h but for the products of bytes, which vi_avx2.h and vi_avxvnni.h bring along. */
#ifndef WKV_KERN_VI_256_H
#define WKV_KERN_VI_256_H

#include "kern/simd/vec_avx2.h"

typedef __m256i vi;
enum { QMUL_SUMS = 8, QMUL_PARTS = 2, QMUL_STREAMS = 2 };

WKV_INLINE vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

WKV_INLINE vi vi_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

WKV_INLINE void vi_store(void *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, a);
}

WKV_INLINE vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

WKV_INLINE vi vi_mul(vi a, vi b)
{
    return _mm256_mullo_epi32(a, b);
}

WKV_INLINE vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}

WKV_INLINE vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}

WKV_INLINE vi vi_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}

#define vi_right(a, n) _mm256_srli_epi32(a, n)
#define vi_left(a, n) _mm256_slli_epi32(a, n)

#include "kern/simd/vi_x86.h"

WKV_INLINE vf vi_to_float(vi a)
{
    return _mm256_cvtepi32_ps(a);
}

WKV_INLINE vi vi_load_u8(const unsigned char *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

WKV_INLINE vi vi_load_s8(const unsigned char *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

WKV_INLINE __m128i halves_packed(vi a)
{
    return _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

WKV_INLINE void vi_store_s8(int8_t *p, vf x)
{
    __m128i h = halves_packed(_mm256_cvtps_epi32(x));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(h, h));
}

WKV_INLINE int32_t vi_sum_rounded(vf x)
{
    __m128i s = _mm_madd_epi16(halves_packed(_mm256_cvtps_epi32(x)), _mm_set1_epi16(1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

WKV_INLINE float vi_most(vf a, vf b)
{
    vi most = _mm256_max_epi32(_mm256_castps_si256(vf_abs(a)), _mm256_castps_si256(vf_abs(b)));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

/* A sum that is made where it stands: compilers would make all products first, and run out of
 * registers. */
WKV_INLINE vi vi_here(vi sum)
{
    __asm__ volatile("" : "+x"(sum));
    return sum;
}

/* Four vectors of bytes, interleaved within each 16: lane by lane a byte of each. */
WKV_INLINE void vi_interleave(vi v[4])
{
    vi a = _mm256_unpacklo_epi8(v[0], v[1]), b = _mm256_unpackhi_epi8(v[0], v[1]);
    vi c = _mm256_unpacklo_epi8(v[2], v[3]), d = _mm256_unpackhi_epi8(v[2], v[3]);
    v[0] = _mm256_unpacklo_epi16(a, c);
    v[1] = _mm256_unpackhi_epi16(a, c);
    v[2] = _mm256_unpacklo_epi16(b, d);
    v[3] = _mm256_unpackhi_epi16(b, d);
}

#endif
