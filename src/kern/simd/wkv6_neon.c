/* kern/simd/wkv6_neon.c - wkv6_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/wkv6_tmpl.h"

void wkv_kern_init_wkv6_neon(wkv_kern *k)
{
    set_wkv6(k);
}
