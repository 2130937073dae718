/* os/posix/thread.c - how many processors this process may really use. */
#include <sched.h>
#include <stdio.h>

#include "os/os.h"

/* The cgroup v2 quota in whole processors, rounded up; 0 when there is none. */
static int cgroup_quota(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f == NULL)
        return 0;
    long long quota = 0, period = 0;
    int fields = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    if (fields != 2 || quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

int wkv_cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = cgroup_quota();
    if (quota > 0 && quota < n)
        n = quota;
    return n > 0 ? n : 1;
}
