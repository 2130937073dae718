/* kern/simd/rwkv7_neon.c - rwkv7_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/rwkv7_tmpl.h"

void wkv_kern_init_rwkv7_neon(wkv_kern *k)
{
    set_rwkv7(k);
}
