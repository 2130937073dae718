/* kern/simd/gemm_avx512.c - gemm_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/gemm_tmpl.h"

void wkv_kern_init_gemm_avx512(wkv_kern *k)
{
    set_gemm(k, false);
}
