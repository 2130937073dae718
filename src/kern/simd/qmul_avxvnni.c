/* kern/simd/qmul_avxvnni.c - qmul_tmpl.h compiled for AVX-VNNI. */
#include <string.h>

#include "kern/simd/simd.h"
#include "kern/simd/vi_avxvnni.h"

#include "kern/simd/peak_tmpl.h"
#include "kern/simd/qmul_tmpl.h"
#include "kern/simd/qsparse_tmpl.h"

void wkv_kern_init_qmul_avxvnni(wkv_kern *k)
{
    set_qmul(k);
    k->byte_products = byte_products;
    set_qsparse(k);
}
