/* kern/simd/norm_neon.c - norm_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/norm_tmpl.h"

void wkv_kern_init_norm_neon(wkv_kern *k)
{
    set_norm(k);
}
