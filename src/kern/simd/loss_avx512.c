/* kern/simd/loss_avx512.c - loss_tmpl.h compiled for AVX-512. */
#include "kern/simd/simd.h"
#include "kern/simd/vec_avx512.h"

#include "kern/simd/loss_tmpl.h"

void wkv_kern_init_loss_avx512(wkv_kern *k)
{
    set_loss(k);
}
