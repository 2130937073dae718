/* How many threads are of use, on systems that are folders of files made here. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "os/os.h"
#include "test.h"

enum { CPUS = 16 };

static char root[256];

/* Writes a file under root, making the folders on its way. */
static void put(const char *path, const char *text)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        assert_true(mkdir(full, 0777) == 0 || errno == EEXIST);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Processors i and i + CPUS / 2 are the two threads of a core. */
static void put_siblings(void)
{
    for (int i = 0; i < CPUS; i++) {
        char path[128], list[32];
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 i);
        snprintf(list, sizeof list, "%d,%d\n", i % (CPUS / 2), i % (CPUS / 2) + CPUS / 2);
        put(path, list);
    }
}

static int count(int first, int last)
{
    bool allowed[CPUS] = {false};
    for (int i = first; i <= last; i++)
        allowed[i] = true;
    return wkv_cpu_count_under(root, allowed, CPUS);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "processors.XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0;
}

static void test_mask(void **state)
{
    (void)state;
    assert_int_equal(count(0, CPUS - 1), CPUS);
    assert_int_equal(count(3, 5), 3);
    assert_int_equal(count(1, 0), 1); /* none at all: there must be one */
    assert_true(wkv_cpu_count() >= 1);
}

static void test_siblings(void **state)
{
    (void)state;
    put_siblings();
    assert_int_equal(count(0, CPUS - 1), CPUS / 2);
    assert_int_equal(count(0, 3), 4);
    assert_int_equal(count(6, 9), 4);            /* cores 6, 7, 0, 1 */
    assert_int_equal(count(4, CPUS / 2 + 4), 8); /* 4 to 7, 0 to 3, and 4 again */
    put("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-3\n");
    assert_int_equal(count(0, 1), 1);
    put("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "-3,x\n"); /* nonsense */
    assert_int_equal(count(0, 1), 2);
}

/* The quota of version 2, of the group or one above it. */
static void test_quota_2(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/user/job\n");
    put("sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
    assert_int_equal(count(0, 7), 8);
    static const struct {
        const char *text;
        int want;
    } cases[] = {{"400000 100000\n", 4}, {"150000 100000\n", 2},
                 {"149000 100000\n", 1}, {"10000 100000\n", 1},
                 {"250000 100000\n", 3}, {"99000000 100000\n", 8},
                 {"0 100000\n", 8},      {"", 8},
                 {"nonsense", 8},        {"100000 0\n", 8},
                 {"-5 100000\n", 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("sys/fs/cgroup/user/job/cpu.max", cases[i].text);
        assert_int_equal(count(0, 7), cases[i].want);
    }
    put("sys/fs/cgroup/user/job/cpu.max", "600000 100000\n");
    put("sys/fs/cgroup/user/cpu.max", "300000 100000\n");
    assert_int_equal(count(0, 7), 3);
    assert_int_equal(count(0, 1), 2); /* the mask is less */
    put("sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(count(0, 7), 2);
}

/* A container that sees its own group as the root. */
static void test_namespace(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(count(0, 7), 2);
    put("proc/self/cgroup", "0::/of/the/host\n"); /* no such folder here */
    assert_int_equal(count(0, 7), 2);
}

static void test_quota_1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "12:cpuset:/a\n4:cpu,cpuacct:/job\n1:name=systemd:/x\n");
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(count(0, 7), 8);
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "320000\n");
    assert_int_equal(count(0, 7), 3);
    put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n"); /* without a period */
    assert_int_equal(count(0, 7), 3);
    put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    assert_int_equal(count(0, 7), 2);
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "1\n"); /* another controller's folder */
    assert_int_equal(count(0, 7), 2);
    put("proc/self/cgroup", "garbage\n:\n::\n4:cpu\n");
    assert_int_equal(count(0, 7), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mask, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_siblings, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_quota_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_namespace, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_quota_1, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
