/* kern/simd/rwkv6_avx512.c - rwkv6_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/rwkv6_tmpl.h"

void wkv_kern_init_rwkv6_avx512(wkv_kern *k)
{
    set_rwkv6(k);
}
