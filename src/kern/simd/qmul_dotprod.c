/* kern/simd/qmul_dotprod.c - qmul_tmpl.h compiled for ARM's dot product of bytes (SDOT). */
#include <string.h>

#include "kern/simd/simd.h"
#include "kern/simd/vi_neon.h"

enum { QMUL_SUMS = 4, QMUL_PARTS = 1, QMUL_STREAMS = 1 };

#include "kern/simd/sdot.h"

#include "kern/simd/qmul_tmpl.h"
#include "kern/simd/qsparse_tmpl.h"

void wkv_kern_init_qmul_dotprod(wkv_kern *k)
{
    set_qmul(k);
    set_qsparse(k);
}
