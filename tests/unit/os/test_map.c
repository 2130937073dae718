/* tests/unit/os/test_map.c - mapping files: what fails for want of memory says so. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "os/os.h"
#include "test.h"

static const char PATH[] = "t_map.bin";

static void test_map(void **state)
{
    wkv_map map;
    wkv_error err;
    FILE *f = fopen(PATH, "w");
    assert_non_null(f);
    fputs("some text", f);
    fclose(f);
    assert_int_equal(wkv_map_open(&map, PATH, &err), WKV_OK);
    assert_int_equal(map.size, 9);
    assert_memory_equal(map.data, "some text", 9);
    wkv_map_close(&map);
}

/* In a child that may map nothing more. */
static void test_memory(void **state)
{
    const pid_t child = fork();
    if (child == 0) {
        wkv_map map;
        wkv_error err = {0};
        setrlimit(RLIMIT_AS, &(struct rlimit){4096, 4096});
        wkv_status s = wkv_map_open(&map, PATH, &err);
        _exit(s == err.code && strstr(err.text, "cannot map 9 bytes") != NULL ? (int)s : 100);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WKV_E_MEMORY);
    unlink(PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
