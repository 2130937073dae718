/* kern/simd/norm_avx2.c - norm_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/norm_tmpl.h"

void wkv_kern_init_norm_avx2(wkv_kern *k)
{
    set_norm(k);
}
