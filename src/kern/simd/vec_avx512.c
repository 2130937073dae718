/* kern/simd/vec_avx512.c - vec_tmpl.h compiled for AVX-512. */
#include "kern/simd/vec_avx512.h"
#include "kern/simd/simd.h"

#include "kern/simd/vec_tmpl.h"

void wkv_kern_init_vec_avx512(wkv_kern *k)
{
    set_vec(k);
}
