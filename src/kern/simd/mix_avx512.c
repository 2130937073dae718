/* kern/simd/mix_avx512.c - mix_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/mix_tmpl.h"

void wkv_kern_init_mix_avx512(wkv_kern *k)
{
    set_mix(k);
}
