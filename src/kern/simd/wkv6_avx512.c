/* kern/simd/wkv6_avx512.c - wkv6_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/wkv6_tmpl.h"

void wkv_kern_init_wkv6_avx512(wkv_kern *k)
{
    set_wkv6(k);
}
