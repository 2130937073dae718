/* kern/simd/rwkv7_avx2.c - rwkv7_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/rwkv7_tmpl.h"

void wkv_kern_init_rwkv7_avx2(wkv_kern *k)
{
    set_rwkv7(k);
}
