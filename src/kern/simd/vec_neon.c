/* kern/simd/vec_neon.c - vec_tmpl.h compiled for NEON. */
#include "kern/simd/vec_neon.h"
#include "kern/simd/simd.h"

#include "kern/simd/vec_tmpl.h"

void wkv_kern_init_vec_neon(wkv_kern *k)
{
    set_vec(k);
}
