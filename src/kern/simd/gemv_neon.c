/* kern/simd/gemv_neon.c - gemv_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/gemv_tmpl.h"

void wkv_kern_init_gemv_neon(wkv_kern *k)
{
    set_gemv(k);
}
