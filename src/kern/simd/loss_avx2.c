/* kern/simd/loss_avx2.c - loss_tmpl.h compiled for AVX2. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx2.h"

#include "kern/simd/loss_tmpl.h"

void wkv_kern_init_loss_avx2(wkv_kern *k)
{
    set_loss(k);
}
