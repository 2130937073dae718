/* kern/simd/wkv7_neon.c - wkv7_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/wkv7_tmpl.h"

void wkv_kern_init_wkv7_neon(wkv_kern *k)
{
    set_wkv7(k);
}
