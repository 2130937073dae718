/* os/posix/processors.c - how many threads are of use to this process.
 *
 * Three things bound it, and the least counts.  The affinity mask says which processors the
 * process may run on.  Of the hardware threads of one core only one counts: products keep the
 * core's arithmetic units, or the memory, busy by themselves, and a second thread only makes
 * the first one wait.  The control groups may grant less time than that: threads in excess of
 * the quota are all stopped for the rest of each period, and with them those that wait for
 * them.
 *
 * Where Linux's files are not there, what they would say does not count. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

enum { PATH = 4096, MOST = 4096 };

/* The first line of the file, without its end; false when there is none. */
static bool first_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    const bool read = fgets(line, (int)size, f) != NULL;
    fclose(f);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

/* ---- cores --------------------------------------------------------------------------- */

/* Whether a list "0-3,8" names an allowed processor below `cpu`. */
static bool names_earlier(const char *list, const bool *allowed, int cpu)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        for (long i = first; i <= last && i < cpu; i++)
            if (allowed[i])
                return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* Allowed processors, those of one core counted once: as its lowest. */
static int count_cores(const char *root, const bool *allowed, int n)
{
    int cores = 0;
    for (int i = 0; i < n; i++) {
        char path[PATH], list[1024];
        if (!allowed[i])
            continue;
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 root, i);
        cores += !first_line(path, list, sizeof list) || !names_earlier(list, allowed, i);
    }
    return cores;
}

/* ---- control groups -------------------------------------------------------------------- */

/* What one folder grants, in processors; 0: any. */
static double quota_of(const char *folder, bool v2)
{
    char path[PATH + 32], text[128];
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!first_line(path, text, sizeof text))
        return 0;
    if (v2) /* "max 100000" is no quota */
        return sscanf(text, "%lf %lf", &quota, &period) == 2 && period > 0 ? quota / period : 0;
    quota = strtod(text, NULL); /* -1: none */
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    period = first_line(path, text, sizeof text) ? strtod(text, NULL) : 0;
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The least that the group and those above it, up to the mount, grant. */
static double quota_along(const char *mount, const char *group, bool v2)
{
    char folder[PATH];
    const size_t top = strlen(mount);
    double least = 0;
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, group) >= sizeof folder)
        return 0;
    for (;;) {
        const double q = quota_of(folder, v2);
        if (q > 0 && (least == 0 || q < least))
            least = q;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < top)
            return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is among controllers separated by commas. */
static bool is_cpu(const char *names, size_t n)
{
    for (const char *end = names + n; names < end;) {
        const char *comma = memchr(names, ',', (size_t)(end - names));
        const char *stop = comma != NULL ? comma : end;
        if (stop - names == 3 && memcmp(names, "cpu", 3) == 0)
            return true;
        names = stop + 1;
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::/group" (version 2) or "4:cpu,cpuacct:/group". */
static double quota_of_line(const char *root, char *line)
{
    char mount[PATH];
    char *names = strchr(line, ':'), *group = names != NULL ? strchr(names + 1, ':') : NULL;
    if (group == NULL)
        return 0;
    group[strcspn(group, "\n")] = '\0';
    const size_t n = (size_t)(group - names - 1);
    if (n == 0) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return quota_along(mount, group + 1, true);
    }
    if (!is_cpu(names + 1, n))
        return 0;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%.*s", root, (int)n, names + 1);
    return quota_along(mount, group + 1, false);
}

/* Whole processors' worth of the quota: the nearest number, since one thread too many loses
 * less than a good half of a processor left idle.  0: no quota. */
static int count_quota(const char *root)
{
    char path[PATH], line[PATH];
    double least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        const double q = quota_of_line(root, line);
        if (q > 0 && (least == 0 || q < least))
            least = q;
    }
    fclose(f);
    if (least == 0 || least >= MOST)
        return 0;
    return least < 1.5 ? 1 : (int)(least + 0.5);
}

/* ---- all together ------------------------------------------------------------------------ */

int wkv_cpu_count_under(const char *root, const bool *allowed, int n)
{
    const int cores = count_cores(root, allowed, n), quota = count_quota(root);
    const int least = quota > 0 && quota < cores ? quota : cores;
    return least > 0 ? least : 1;
}

int wkv_cpu_count(void)
{
    bool allowed[MOST] = {false};
    cpu_set_t *set = CPU_ALLOC(MOST);
    if (set == NULL)
        return 1;
    const size_t size = CPU_ALLOC_SIZE(MOST);
    CPU_ZERO_S(size, set);
    if (sched_getaffinity(0, size, set) == 0)
        for (int i = 0; i < MOST; i++)
            allowed[i] = CPU_ISSET_S((size_t)i, size, set);
    CPU_FREE(set);
    return wkv_cpu_count_under("", allowed, MOST);
}
