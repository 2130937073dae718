/* tests/support/heap.c - see heap.h. */
#include "support/heap.h"

#include <limits.h>
#include <stddef.h>

#include "base/mem.h"

static heap_use use;
static int limit;

static int before(void *user, size_t bytes)
{
    (void)user;
    (void)bytes;
    if (use.asked++ < limit)
        return 0;
    use.refused++;
    return 1;
}

void heap_limit(int n)
{
    use = (heap_use){0};
    limit = n;
    wkv_mem_set_hook(before, NULL);
}

void heap_count(void)
{
    heap_limit(INT_MAX);
}

heap_use heap_release(void)
{
    wkv_mem_set_hook(NULL, NULL);
    return use;
}
