/* base/mem.h - the library's only door to the heap.
 *
 * Process-wide and replaceable, so that tests can count allocations and make the
 * n-th one fail.  No function of ours calls malloc directly. */
#ifndef WKV_BASE_MEM_H
#define WKV_BASE_MEM_H

#include <stddef.h>

/* NULL when out of memory or when n * size overflows.  Zeroed: calloc only. */
void *wkv_malloc(size_t n);
void *wkv_calloc(size_t n, size_t size);
void *wkv_realloc(void *p, size_t n);
void wkv_free(void *p);

/* A block aligned to 64 bytes; released with wkv_free_aligned. */
void *wkv_malloc_aligned(size_t n);
void wkv_free_aligned(void *p);

/* A NUL-terminated copy of the first n bytes of s. */
char *wkv_strndup(const char *s, size_t n);

/* For tests: called before each allocation; returning nonzero makes it fail.
 * NULL restores the normal behaviour. */
void wkv_mem_set_hook(int (*before)(void *user, size_t bytes), void *user);

#endif
