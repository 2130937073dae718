/* kern/simd/vec_avx2.h - one vector of floats, on AVX2 with FMA and F16C.  The meaning
 * of each name is in vec_avx512.h. */
#ifndef WKV_KERN_VEC_AVX2_H
#define WKV_KERN_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "base/attr.h"
#include "kern/kern.h"

typedef __m256 vf;
enum { VF_N = 8, VF_GEMM_ROWS = 6, VF_BLOCK = 4 };

WKV_INLINE __m256i first_lanes(size_t n)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(window + 8 - n));
}

/* ---- moving ------------------------------------------------------------------------- */

WKV_INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}

WKV_INLINE vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}

WKV_INLINE vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

WKV_INLINE vf vf_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, first_lanes(n));
}

WKV_INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

WKV_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), v);
}

WKV_INLINE void vf_stream(float *p, vf v)
{
    _mm256_stream_ps(p, v);
}

WKV_INLINE void vf_stream_end(void)
{
    _mm_sfence();
}

/* n < 8 halves, the others zero. */
WKV_INLINE __m128i load_halves(const uint16_t *p, size_t n)
{
    uint16_t h[8] = {0};
    memcpy(h, p, n * sizeof *h);
    return _mm_loadu_si128((const __m128i *)h);
}

WKV_INLINE vf vf_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

WKV_INLINE vf vf_load_f16_n(const uint16_t *p, size_t n)
{
    return _mm256_cvtph_ps(load_halves(p, n));
}

WKV_INLINE vf widen_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

WKV_INLINE vf vf_load_bf16(const uint16_t *p)
{
    return widen_bf16(_mm_loadu_si128((const __m128i *)p));
}

WKV_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n)
{
    return widen_bf16(load_halves(p, n));
}

WKV_INLINE __m128i narrow_bf16(vf v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    up = _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
}

WKV_INLINE void vf_store_bf16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, narrow_bf16(v));
}

WKV_INLINE void vf_store_bf16_n(uint16_t *p, vf v, size_t n)
{
    uint16_t h[8];
    vf_store_bf16(h, v);
    memcpy(p, h, n * sizeof *h);
}

/* ---- arithmetic --------------------------------------------------------------------- */

WKV_INLINE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

WKV_INLINE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

WKV_INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

WKV_INLINE vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

WKV_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

WKV_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

WKV_INLINE vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

WKV_INLINE vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

WKV_INLINE vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

WKV_INLINE vf vf_neg(vf a)
{
    return _mm256_xor_ps(a, vf_set1(-0.0f));
}

WKV_INLINE vf vf_abs(vf a)
{
    return _mm256_andnot_ps(vf_set1(-0.0f), a);
}

WKV_INLINE vf vf_copysign(vf a, vf b)
{
    return _mm256_or_ps(vf_abs(a), _mm256_and_ps(vf_set1(-0.0f), b));
}

WKV_INLINE vf vf_recip(vf a)
{
    return _mm256_div_ps(vf_set1(1), a);
}

WKV_INLINE vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* 2^n for an integral n in [-126, 127], made of exponent bits. */
WKV_INLINE vf power_of_2(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* In two halves, since 2^n itself need not be a normal number. */
WKV_INLINE vf vf_scale2(vf a, vf n)
{
    __m256i all = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(all, 1);
    return vf_mul(vf_mul(a, power_of_2(half)), power_of_2(_mm256_sub_epi32(all, half)));
}

WKV_INLINE vf vf_select_ge(vf x, vf y, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_GE_OQ));
}

WKV_INLINE unsigned vf_equal_bits(vf a, vf b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

/* ---- across lanes -------------------------------------------------------------------- */

WKV_INLINE float vf_sum(vf a)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

WKV_INLINE float vf_highest(vf a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

WKV_INLINE vf vf_sums(const vf v[VF_N])
{
    vf a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    vf b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return vf_add(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

WKV_INLINE void vf_four_sums(float to[4], const vf v[4])
{
    const vf x = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}

/* Rows become columns: four lanes at a time within a half, then whole halves. */
WKV_INLINE void vf_transpose(vf v[VF_N])
{
    vf t[VF_N];
    for (int i = 0; i < VF_N; i += 4) {
        vf lo01 = _mm256_unpacklo_ps(v[i], v[i + 1]), hi01 = _mm256_unpackhi_ps(v[i], v[i + 1]);
        vf lo23 = _mm256_unpacklo_ps(v[i + 2], v[i + 3]);
        vf hi23 = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
        t[i] = _mm256_shuffle_ps(lo01, lo23, 0x44);
        t[i + 1] = _mm256_shuffle_ps(lo01, lo23, 0xee);
        t[i + 2] = _mm256_shuffle_ps(hi01, hi23, 0x44);
        t[i + 3] = _mm256_shuffle_ps(hi01, hi23, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(t[i], t[4 + i], 0x20);
        v[4 + i] = _mm256_permute2f128_ps(t[i], t[4 + i], 0x31);
    }
}

/* ---- sums in double -------------------------------------------------------------------- */

typedef struct vd {
    __m256d lo, hi;
} vd;

WKV_INLINE vd vd_zero(void)
{
    return (vd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

WKV_INLINE __m256d low_half(vf x)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}

WKV_INLINE __m256d high_half(vf x)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}

WKV_INLINE vd vd_add(vd s, vf x)
{
    return (vd){_mm256_add_pd(s.lo, low_half(x)), _mm256_add_pd(s.hi, high_half(x))};
}

WKV_INLINE vd vd_add_square(vd s, vf x)
{
    __m256d lo = low_half(x), hi = high_half(x);
    return (vd){_mm256_fmadd_pd(lo, lo, s.lo), _mm256_fmadd_pd(hi, hi, s.hi)};
}

WKV_INLINE double vd_sum(vd s)
{
    __m256d a = _mm256_add_pd(s.lo, s.hi);
    __m128d x = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

#include "kern/simd/vmath.h"

#endif
