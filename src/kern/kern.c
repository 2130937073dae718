/* kern/kern.c - builds the tables of kernels, one for each level.
 *
 * A level starts from the reference versions; then each instruction set up to it, low
 * to high, puts its own over them.  A kernel that an instruction set does not write
 * stays what the one below it has. */
#include "kern/kern.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#include "kern/simd/simd.h"

static wkv_kern tables[WKV_CPU_LEVELS];

static void fill_ref(wkv_kern *k)
{
#define KERN(name, ret, args) k->name = wkv_##name##_ref;
#include "kern/kern.def"
#undef KERN
}

/* A level's own: all families, or only products of packed weights. */
#define FAMILY(name, isa) wkv_kern_init_##name##_##isa(k);
#define FILL_FAMILIES(isa) \
    static void fill_##isa(wkv_kern *k) \
    { \
        WKV_KERN_FAMILIES(FAMILY, isa) \
    }

#if defined(WKV_KERN_X86)
FILL_FAMILIES(avx2)
FILL_FAMILIES(avx512)
#elif defined(WKV_KERN_ARM)
FILL_FAMILIES(neon)
#endif

/* What each level adds to those below it. */
enum { MOST = 3 };

static void (*const fill[WKV_CPU_LEVELS][MOST])(wkv_kern *) = {
    [WKV_CPU_REF] = {fill_ref},
#if defined(WKV_KERN_X86)
    [WKV_CPU_AVX2] = {fill_avx2, wkv_kern_init_qmul_avx2},
    [WKV_CPU_AVXVNNI] = {wkv_kern_init_qmul_avxvnni},
    [WKV_CPU_AVX512] = {fill_avx512},
    [WKV_CPU_VNNI] = {wkv_kern_init_qmul_vnni},
    [WKV_CPU_AMX] = {wkv_kern_init_qmul_amx, wkv_kern_init_tile_amx, wkv_kern_init_gemm_amx},
#elif defined(WKV_KERN_ARM)
    [WKV_CPU_NEON] = {fill_neon, wkv_kern_init_qmul_neon},
    [WKV_CPU_DOTPROD] = {wkv_kern_init_qmul_dotprod},
    [WKV_CPU_I8MM] = {wkv_kern_init_qmul_i8mm},
#endif
};

/* Only the levels that may be used here: the functions that fill a table are compiled
 * for its instruction set, so that calling them is as forbidden as calling the kernels. */
static void build(void)
{
    for (int level = 0; level <= (int)wkv_cpu_detect(); level++) {
        wkv_kern *k = &tables[level];
        for (int below = 0; below <= level; below++)
            for (int i = 0; i < MOST && fill[below][i] != NULL; i++)
                if (wkv_cpu_has((wkv_cpu_level)below))
                    fill[below][i](k);
        k->level = (wkv_cpu_level)level;
    }
}

const wkv_kern *wkv_kern_for(wkv_cpu_level level)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
    assert(tables[level].add != NULL);
    return &tables[level];
}
