/* kern/simd/gemm_avx2.c - gemm_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/gemm_tmpl.h"

void wkv_kern_init_gemm_avx2(wkv_kern *k)
{
    set_gemm(k, true);
}
