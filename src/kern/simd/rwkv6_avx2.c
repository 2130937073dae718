/* kern/simd/rwkv6_avx2.c - rwkv6_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/rwkv6_tmpl.h"

void wkv_kern_init_rwkv6_avx2(wkv_kern *k)
{
    set_rwkv6(k);
}
