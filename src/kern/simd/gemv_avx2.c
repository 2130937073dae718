/* kern/simd/gemv_avx2.c - gemv_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/gemv_tmpl.h"

void wkv_kern_init_gemv_avx2(wkv_kern *k)
{
    set_gemv(k);
}
