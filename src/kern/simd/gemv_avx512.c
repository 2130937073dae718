/* kern/simd/gemv_avx512.c - gemv_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/gemv_tmpl.h"

void wkv_kern_init_gemv_avx512(wkv_kern *k)
{
    set_gemv(k);
}
