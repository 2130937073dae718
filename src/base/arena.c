/* base/arena.c - see arena.h. */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/mem.h"

#if WKV_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 128 };
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
enum { RED_ZONE = 0 };
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

void wkv_arena_measure(wkv_arena *a)
{
    *a = (wkv_arena){0};
}

bool wkv_arena_init(wkv_arena *a, size_t size)
{
    *a = (wkv_arena){.size = size};
    a->base = wkv_malloc_aligned(size);
    if (a->base == NULL)
        return false;
    POISON(a->base, size);
    return true;
}

void wkv_arena_deinit(wkv_arena *a)
{
    if (a->base != NULL)
        UNPOISON(a->base, a->size);
    wkv_free_aligned(a->base);
    *a = (wkv_arena){0};
}

void *wkv_arena_alloc(wkv_arena *a, size_t bytes)
{
    size_t offset = a->used;
    a->used += ((bytes + 63) & ~(size_t)63) + RED_ZONE;
    if (a->used > a->peak)
        a->peak = a->used;
    if (a->base == NULL) /* measuring: an address that is aligned and never touched */
        return (void *)(uintptr_t)(offset + 64);
    assert(a->used <= a->size);
    UNPOISON(a->base + offset, bytes);
    return a->base + offset;
}

real *wkv_arena_reals(wkv_arena *a, size_t n)
{
    return wkv_arena_alloc(a, n * sizeof(real));
}

void *wkv_arena_whole(wkv_arena *a)
{
    if (a->base != NULL)
        UNPOISON(a->base, a->used);
    return a->base;
}

size_t wkv_arena_mark(const wkv_arena *a)
{
    return a->used;
}

void wkv_arena_reset(wkv_arena *a, size_t mark)
{
    if (a->base != NULL && a->used > mark)
        POISON(a->base + mark, a->used - mark);
    a->used = mark;
}
