/* kern/simd/vi_vnni.h - one vector of 32-bit integers beside the floats of vec_avx512.h, and
 * the product of bytes on AVX-512 VNNI.  vi_256.h with vi_avx2.h or vi_avxvnni.h gives the same
 * names.
 *
 *   vi               VF_N lanes of 32 bits, or four bytes in each
 *   vx, vx_of(x, g)  the four activations of group g, of a block (or of VX_BYTES) at x
 *   vi_dot(s, w, x)  s + in each lane the four products of bytes; x signed, w as VI_SIGNED says
 *   vi_dot_small     the same for w <= 63
 *   vi_here(s)       s, made where it stands: not before, and without copies
 *   QMUL_SUMS        sums that registers hold, of rows of activations that go together,
 *   QMUL_PARTS       each with so many vectors of outputs
 *   QMUL_STREAMS     panels that a row alone meets at a time */
#ifndef WKV_KERN_VI_VNNI_H
#define WKV_KERN_VI_VNNI_H

#include "kern/simd/vec_avx512.h"

typedef __m512i vi;
enum { QMUL_SUMS = 8, QMUL_PARTS = 2, QMUL_STREAMS = 2, VI_SIGNED = 0 };

WKV_INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

WKV_INLINE vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

WKV_INLINE void vi_store(void *p, vi a)
{
    _mm512_storeu_si512(p, a);
}

WKV_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

WKV_INLINE vi vi_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}

WKV_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

WKV_INLINE vi vi_xor(vi a, vi b)
{
    return _mm512_xor_si512(a, b);
}

WKV_INLINE vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}

/* Shifts by a constant, lanes of 32 bits. */
#define vi_right(a, n) _mm512_srli_epi32(a, n)
#define vi_left(a, n) _mm512_slli_epi32(a, n)

#include "kern/simd/vi_x86.h"

WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    return _mm512_dpbusd_epi32(s, w, x);
}

WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    return _mm512_dpbusd_epi32(s, w, x);
}

WKV_INLINE vf vi_to_float(vi a)
{
    return _mm512_cvtepi32_ps(a);
}

/* VF_N bytes as lanes. */
WKV_INLINE vi vi_load_u8(const unsigned char *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

WKV_INLINE vi vi_load_s8(const unsigned char *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* The nearest integers, as bytes. */
WKV_INLINE void vi_store_s8(int8_t *p, vf x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

/* The sum of the nearest integers, and the bits of the largest |x|, NaN above all. */
WKV_INLINE int32_t vi_sum_rounded(vf x)
{
    return _mm512_reduce_add_epi32(_mm512_cvtps_epi32(x));
}

WKV_INLINE float vi_most(vf a, vf b)
{
    vi most = _mm512_max_epi32(_mm512_castps_si512(vf_abs(a)), _mm512_castps_si512(vf_abs(b)));
    return _mm512_cvtss_f32(_mm512_castsi512_ps(_mm512_set1_epi32(_mm512_reduce_max_epi32(most))));
}

WKV_INLINE vi vi_here(vi sum)
{
    __asm__ volatile("" : "+v"(sum));
    return sum;
}

/* Four vectors of bytes, interleaved within each 16: lane by lane a byte of each. */
WKV_INLINE void vi_interleave(vi v[4])
{
    vi a = _mm512_unpacklo_epi8(v[0], v[1]), b = _mm512_unpackhi_epi8(v[0], v[1]);
    vi c = _mm512_unpacklo_epi8(v[2], v[3]), d = _mm512_unpackhi_epi8(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi16(a, c);
    v[1] = _mm512_unpackhi_epi16(a, c);
    v[2] = _mm512_unpacklo_epi16(b, d);
    v[3] = _mm512_unpackhi_epi16(b, d);
}

#endif
