/* kern/simd/rwkv6_neon.c - rwkv6_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/rwkv6_tmpl.h"

void wkv_kern_init_rwkv6_neon(wkv_kern *k)
{
    set_rwkv6(k);
}
