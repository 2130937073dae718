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

/* From the lowest level up. */
static const struct addition {
    wkv_cpu_level level;
    void (*init)(wkv_kern *k);
} additions[] = {{WKV_CPU_REF, fill_ref},
#define ADDITION(level, family, isa) {WKV_CPU_##level, wkv_kern_init_##family##_##isa},
                 WKV_KERN_ADDITIONS(ADDITION)
#undef ADDITION
};

/* Only the levels that may be used here: the functions that fill a table are compiled
 * for its instruction set, so that calling them is as forbidden as calling the kernels. */
static void build(void)
{
    for (int level = 0; level <= (int)wkv_cpu_detect(); level++) {
        wkv_kern *k = &tables[level];
        for (size_t i = 0; i < sizeof additions / sizeof *additions; i++)
            if ((int)additions[i].level <= level && wkv_cpu_has(additions[i].level))
                additions[i].init(k);
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
