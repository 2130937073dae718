/* os/posix/memory.c - the memory of this process. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/os.h"

uint64_t wkv_memory_now(void)
{
    unsigned long long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL)
        return 0;
    bool read = fscanf(f, "%llu %llu", &size, &resident) == 2;
    fclose(f);
    return read ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t wkv_memory_peak(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
#ifdef __APPLE__
    return (uint64_t)usage.ru_maxrss;
#else
    return 1024 * (uint64_t)usage.ru_maxrss;
#endif
}
