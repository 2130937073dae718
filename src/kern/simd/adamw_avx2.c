/* kern/simd/adamw_avx2.c - adamw_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/adamw_tmpl.h"

void wkv_kern_init_adamw_avx2(wkv_kern *k)
{
    set_adamw(k);
}
