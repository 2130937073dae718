/* kern/simd/wkv7_avx512.c - wkv7_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/wkv7_tmpl.h"

void wkv_kern_init_wkv7_avx512(wkv_kern *k)
{
    set_wkv7(k);
}
