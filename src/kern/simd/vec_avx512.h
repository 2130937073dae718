/* kern/simd/vec_avx512.h - one vector of floats, on AVX-512: what the templates are
 * written in.  vec_avx2.h gives the same names; another instruction set is another such
 * file.
 *
 *   vf            VF_N floats             VF_GEMM_ROWS  rows of gemm's register block
 *                                         VF_BLOCK      vectors of a block of blocks.h
 *   vf_load_n     the first n < VF_N lanes, the others zero (memory beyond is not read)
 *   vf_stream(p, v)       stores past the caches, p being a multiple of the vector's size
 *   vf_stream_end()       comes behind them, before another thread looks
 *   vf_max(a, b), vf_min(a, b)            b where either is NaN
 *   vf_sums(v)    lane l is the sum of v[l]'s lanes
 *   vf_four_sums(to, v)   to[i] = that of v[i]'s lanes, for four
 *   vd            VF_N doubles, to add floats up in */
#ifndef WKV_KERN_VEC_AVX512_H
#define WKV_KERN_VEC_AVX512_H

#include <immintrin.h>

#include "base/attr.h"
#include "kern/kern.h"

typedef __m512 vf;
enum { VF_N = 16, VF_GEMM_ROWS = 8, VF_BLOCK = 4 };

WKV_INLINE __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

/* ---- moving ------------------------------------------------------------------------- */

WKV_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}

WKV_INLINE vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}

WKV_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

WKV_INLINE vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

WKV_INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

WKV_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), v);
}

WKV_INLINE void vf_stream(float *p, vf v)
{
    _mm512_stream_ps(p, v);
}

WKV_INLINE void vf_stream_end(void)
{
    _mm_sfence();
}

WKV_INLINE vf vf_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

WKV_INLINE vf vf_load_f16_n(const uint16_t *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

WKV_INLINE vf widen_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

WKV_INLINE vf vf_load_bf16(const uint16_t *p)
{
    return widen_bf16(_mm256_loadu_si256((const __m256i *)p));
}

WKV_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n)
{
    return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

/* To nearest, ties to even; NaN stays NaN.  The processor's own conversion, where it has one,
 * makes zeros of denormal numbers. */
WKV_INLINE __m256i narrow_bf16(vf v)
{
    __m512i bits = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}

WKV_INLINE void vf_store_bf16(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, narrow_bf16(v));
}

WKV_INLINE void vf_store_bf16_n(uint16_t *p, vf v, size_t n)
{
    _mm256_mask_storeu_epi16(p, first_lanes(n), narrow_bf16(v));
}

/* ---- arithmetic --------------------------------------------------------------------- */

WKV_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

WKV_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

WKV_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

WKV_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

/* a b + c */
WKV_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* c - a b */
WKV_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

WKV_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

WKV_INLINE vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

WKV_INLINE vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

WKV_INLINE vf vf_neg(vf a)
{
    return _mm512_xor_ps(a, vf_set1(-0.0f));
}

WKV_INLINE vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}

/* |a| with the sign of b */
WKV_INLINE vf vf_copysign(vf a, vf b)
{
    vf sign = vf_set1(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b));
}

/* 1 / a for a >= 1, within an ulp: an estimate good to 2^-14, refined once.  Where 1 / a
 * is no normal number the refinement would make inf * 0; the estimate stands there. */
WKV_INLINE vf vf_recip(vf a)
{
    vf y = _mm512_rcp14_ps(a);
    __mmask16 huge = _mm512_cmp_ps_mask(a, vf_set1(0x1p126f), _CMP_GT_OQ);
    vf error = vf_fnma(a, y, vf_set1(1));
    return _mm512_mask_mov_ps(vf_fma(y, error, y), huge, y);
}

/* To the nearest integer. */
WKV_INLINE vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* a 2^n for an integral n in [-252, 252]; rounds once, denormals included */
WKV_INLINE vf vf_scale2(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}

/* x >= y ? a : b, lane by lane */
WKV_INLINE vf vf_select_ge(vf x, vf y, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GE_OQ), b, a);
}

/* Bit l is set where lane l of a and b are equal. */
WKV_INLINE unsigned vf_equal_bits(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

/* ---- across lanes -------------------------------------------------------------------- */

WKV_INLINE float vf_sum(vf a)
{
    return _mm512_reduce_add_ps(a);
}

WKV_INLINE float vf_highest(vf a)
{
    return _mm512_reduce_max_ps(a);
}

WKV_INLINE vf add_pairs(vf a, vf b)
{
    return vf_add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

WKV_INLINE vf add_quads(vf a, vf b)
{
    __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
    return vf_add(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                  _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}

WKV_INLINE vf add_lanes(vf a, vf b)
{
    return vf_add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

WKV_INLINE vf vf_sums(const vf v[VF_N])
{
    vf x[4];
    for (int i = 0; i < 4; i++)
        x[i] = add_quads(add_pairs(v[4 * i], v[4 * i + 1]), add_pairs(v[4 * i + 2], v[4 * i + 3]));
    return add_lanes(add_lanes(x[0], x[1]), add_lanes(x[2], x[3]));
}

WKV_INLINE void vf_four_sums(float to[4], const vf v[4])
{
    const vf x = add_quads(add_pairs(v[0], v[1]), add_pairs(v[2], v[3]));
    const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
}

/* Rows become columns: four lanes at a time within a quarter, then whole quarters. */
WKV_INLINE void vf_transpose(vf v[VF_N])
{
    vf t[VF_N];
    for (int i = 0; i < VF_N; i += 4) {
        __m512d lo01 = _mm512_castps_pd(_mm512_unpacklo_ps(v[i], v[i + 1]));
        __m512d hi01 = _mm512_castps_pd(_mm512_unpackhi_ps(v[i], v[i + 1]));
        __m512d lo23 = _mm512_castps_pd(_mm512_unpacklo_ps(v[i + 2], v[i + 3]));
        __m512d hi23 = _mm512_castps_pd(_mm512_unpackhi_ps(v[i + 2], v[i + 3]));
        t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo01, lo23));
        t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo01, lo23));
        t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(hi01, hi23));
        t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(hi01, hi23));
    }
    for (int i = 0; i < 4; i++) {
        vf a = _mm512_shuffle_f32x4(t[i], t[4 + i], 0x88);
        vf b = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0x88);
        vf c = _mm512_shuffle_f32x4(t[i], t[4 + i], 0xdd);
        vf d = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0xdd);
        v[i] = _mm512_shuffle_f32x4(a, b, 0x88);
        v[4 + i] = _mm512_shuffle_f32x4(c, d, 0x88);
        v[8 + i] = _mm512_shuffle_f32x4(a, b, 0xdd);
        v[12 + i] = _mm512_shuffle_f32x4(c, d, 0xdd);
    }
}

/* ---- sums in double -------------------------------------------------------------------- */

typedef struct vd {
    __m512d lo, hi;
} vd;

WKV_INLINE vd vd_zero(void)
{
    return (vd){_mm512_setzero_pd(), _mm512_setzero_pd()};
}

WKV_INLINE __m512d low_half(vf x)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}

WKV_INLINE __m512d high_half(vf x)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}

WKV_INLINE vd vd_add(vd s, vf x)
{
    return (vd){_mm512_add_pd(s.lo, low_half(x)), _mm512_add_pd(s.hi, high_half(x))};
}

/* s + x^2 */
WKV_INLINE vd vd_add_square(vd s, vf x)
{
    __m512d lo = low_half(x), hi = high_half(x);
    return (vd){_mm512_fmadd_pd(lo, lo, s.lo), _mm512_fmadd_pd(hi, hi, s.hi)};
}

WKV_INLINE double vd_sum(vd s)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(s.lo, s.hi));
}

#include "kern/simd/vmath.h"

#endif
