/* kern/simd/adamw_avx512.c - adamw_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/adamw_tmpl.h"

void wkv_kern_init_adamw_avx512(wkv_kern *k)
{
    set_adamw(k);
}
