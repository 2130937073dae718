/* base/arena.h - one block from which a pass takes its activations.
 *
 * A bump allocator, 64-byte aligned.  An arena that is `measuring` hands out
 * addresses that must not be touched and only counts: running the same forward
 * code over it, with ops that do nothing, finds the size to allocate, so that no
 * second formula for memory can drift.  Under AddressSanitizer every piece is
 * followed by a poisoned gap. */
#ifndef WKV_BASE_ARENA_H
#define WKV_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

typedef struct wkv_arena {
    unsigned char *base; /* NULL while measuring */
    size_t size;         /* bytes at base */
    size_t used;         /* bytes handed out since the last reset */
    size_t peak;         /* the highest `used` so far */
} wkv_arena;

/* Starts an arena that only measures. */
void wkv_arena_measure(wkv_arena *a);

/* Allocates size bytes; false when out of memory.  The arena is then empty. */
bool wkv_arena_init(wkv_arena *a, size_t size);
void wkv_arena_deinit(wkv_arena *a);

/* n reals, uninitialised.  Running past the end is our own bug: it asserts. */
real *wkv_arena_reals(wkv_arena *a, size_t n);
void *wkv_arena_alloc(wkv_arena *a, size_t bytes);

/* All that is handed out, as one block: what lies between the pieces may be read and written too. */
void *wkv_arena_whole(wkv_arena *a);

/* Everything handed out after mark is given back. */
size_t wkv_arena_mark(const wkv_arena *a);
void wkv_arena_reset(wkv_arena *a, size_t mark);

#endif
