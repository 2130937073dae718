/* kern/simd/loss_neon.c - loss_tmpl.h compiled for NEON. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_neon.h"

#include "kern/simd/loss_tmpl.h"

void wkv_kern_init_loss_neon(wkv_kern *k)
{
    set_loss(k);
}
