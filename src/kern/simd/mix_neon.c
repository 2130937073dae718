/* kern/simd/mix_neon.c - mix_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/mix_tmpl.h"

void wkv_kern_init_mix_neon(wkv_kern *k)
{
    set_mix(k);
}
