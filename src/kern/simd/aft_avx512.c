/* kern/simd/aft_avx512.c - aft_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/aft_tmpl.h"

void wkv_kern_init_aft_avx512(wkv_kern *k)
{
    set_aft(k);
}
