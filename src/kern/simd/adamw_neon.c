/* kern/simd/adamw_neon.c - adamw_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/adamw_tmpl.h"

void wkv_kern_init_adamw_neon(wkv_kern *k)
{
    set_adamw(k);
}
