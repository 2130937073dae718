/* kern/simd/vec_avx2.c - vec_tmpl.h compiled for AVX2. */
#include "kern/simd/vec_avx2.h"
#include "kern/simd/simd.h"

#include "kern/simd/vec_tmpl.h"

void wkv_kern_init_vec_avx2(wkv_kern *k)
{
    set_vec(k);
}
