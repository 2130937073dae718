/* kern/simd/aft_avx2.c - aft_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/aft_tmpl.h"

void wkv_kern_init_aft_avx2(wkv_kern *k)
{
    set_aft(k);
}
