/* os/posix/pages.c - large pages. */
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"

void wkv_prefer_large_pages(void *p, size_t n)
{
#ifdef MADV_HUGEPAGE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)p + page - 1) / page * page, end = (uintptr_t)p + n;
    if (end > begin)
        (void)madvise((void *)begin, (size_t)(end - begin), MADV_HUGEPAGE);
#else
    (void)p;
    (void)n;
#endif
}
