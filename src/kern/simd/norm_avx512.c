/* kern/simd/norm_avx512.c - norm_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/norm_tmpl.h"

void wkv_kern_init_norm_avx512(wkv_kern *k)
{
    set_norm(k);
}
