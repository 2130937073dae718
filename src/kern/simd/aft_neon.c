/* kern/simd/aft_neon.c - aft_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/aft_tmpl.h"

void wkv_kern_init_aft_neon(wkv_kern *k)
{
    set_aft(k);
}
