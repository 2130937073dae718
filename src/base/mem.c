/* base/mem.c - allocation with a hook in front. */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int (*hook)(void *user, size_t bytes);
static void *hook_user;

void wkv_mem_set_hook(int (*before)(void *user, size_t bytes), void *user)
{
    hook = before;
    hook_user = user;
}

static int refused(size_t bytes)
{
    return hook != NULL && hook(hook_user, bytes) != 0;
}

void *wkv_malloc(size_t n)
{
    return refused(n) ? NULL : malloc(n > 0 ? n : 1);
}

void *wkv_calloc(size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        return NULL;
    return refused(n * size) ? NULL : calloc(n > 0 ? n : 1, size > 0 ? size : 1);
}

void *wkv_realloc(void *p, size_t n)
{
    return refused(n) ? NULL : realloc(p, n > 0 ? n : 1);
}

void wkv_free(void *p)
{
    free(p);
}

void *wkv_malloc_aligned(size_t n)
{
    if (n > SIZE_MAX - 64 || refused(n))
        return NULL;
    size_t rounded = (n + 63) & ~(size_t)63;
    return aligned_alloc(64, rounded > 0 ? rounded : 64);
}

void wkv_free_aligned(void *p)
{
    free(p);
}

char *wkv_strndup(const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? wkv_malloc(n + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}
