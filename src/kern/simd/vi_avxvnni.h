/* kern/simd/vi_avxvnni.h - products of bytes for vi_256.h on AVX-VNNI, which processors without
 * AVX-512 have as well. */
#ifndef WKV_KERN_VI_AVXVNNI_H
#define WKV_KERN_VI_AVXVNNI_H

#include "kern/simd/vi_256.h"

enum { VI_SIGNED = 0 };

WKV_INLINE vi vi_dot(vi s, vi w, vx x)
{
    return _mm256_dpbusd_avx_epi32(s, w, x);
}

WKV_INLINE vi vi_dot_small(vi s, vi w, vx x)
{
    return vi_dot(s, w, x);
}

#endif
