/* kern/simd/mix_avx2.c - mix_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/mix_tmpl.h"

void wkv_kern_init_mix_avx2(wkv_kern *k)
{
    set_mix(k);
}
