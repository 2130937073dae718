/* os/posix/clock.c - monotonic time. */
#include <time.h>

#include "os/os.h"

double wkv_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
