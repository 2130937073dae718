/* kern/simd/gemm_neon.c - gemm_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/gemm_tmpl.h"

void wkv_kern_init_gemm_neon(wkv_kern *k)
{
    set_gemm(k, true);
}
