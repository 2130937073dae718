/* kern/simd/wkv4_neon.c - wkv4_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/wkv4_tmpl.h"

void wkv_kern_init_wkv4_neon(wkv_kern *k)
{
    set_wkv4(k);
}
