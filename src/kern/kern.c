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

#ifdef WKV_KERN_X86
static void fill_avx2(wkv_kern *k)
{
#define FAMILY(name) wkv_kern_init_##name##_avx2(k);
    WKV_KERN_FAMILIES(FAMILY)
#undef FAMILY
    wkv_kern_init_qmul_avx2(k);
}

static void fill_avx512(wkv_kern *k)
{
#define FAMILY(name) wkv_kern_init_##name##_avx512(k);
    WKV_KERN_FAMILIES(FAMILY)
#undef FAMILY
}
#endif

/* Only the levels that may be used here: the functions that fill a table are compiled
 * for its instruction set, so that calling them is as forbidden as calling the kernels. */
static void build(void)
{
    for (int level = 0; level <= (int)wkv_cpu_detect(); level++) {
        wkv_kern *k = &tables[level];
        fill_ref(k);
#ifdef WKV_KERN_X86
        if (level >= WKV_CPU_AVX2)
            fill_avx2(k);
        if (level >= WKV_CPU_AVX512)
            fill_avx512(k);
        if (level >= WKV_CPU_VNNI)
            wkv_kern_init_qmul_vnni(k);
        if (level >= WKV_CPU_AMX)
            wkv_kern_init_qmul_amx(k);
#endif
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
