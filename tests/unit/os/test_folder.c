/* Folders that appear whole: each call one of its own, whatever lies about, and on file systems
 * that cannot sync folders. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"
#include "test.h"

#define PATH "folder_made"

static int folders_fail; /* errno of fsync on a folder; 0: none */

/* In the place of the C library's. */
int fsync(int fd)
{
    struct stat st;
    if (folders_fail != 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = folders_fail;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static char *create(void)
{
    char *temp;
    wkv_error err;
    if (wkv_folder_create(&temp, PATH, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return temp;
}

static void put(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static bool has(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, PATH "/%s", name);
    return access(path, F_OK) == 0;
}

static void remove_made(void)
{
    unlink(PATH "/a");
    unlink(PATH "/b");
    rmdir(PATH);
}

static void two_at_once_do_not_meet(void **state)
{
    wkv_error err;
    char *a = create(), *b = create();
    assert_string_not_equal(a, b);
    put(a, "a");
    put(b, "b");
    assert_int_equal(wkv_folder_commit(&a, PATH, &err), WKV_OK);
    assert_int_equal(wkv_folder_commit(&b, PATH, &err), WKV_E_IO);
    assert_non_null(strstr(err.text, PATH ": cannot put in place"));
    assert_null(b);
    assert_true(has("a") && !has("b"));
    remove_made();
}

/* Of a process of the same number, that died. */
static void what_others_left_is_passed(void **state)
{
    char *first = create(), left[256];
    unsigned number;
    assert_int_equal(sscanf(first, PATH ".%*d.%u.tmp", &number), 1);
    snprintf(left, sizeof left, PATH ".%ld.%u.tmp", (long)getpid(), number + 1);
    assert_int_equal(mkdir(left, 0777), 0);
    char *second = create();
    assert_string_not_equal(second, left);
    wkv_folder_abort(&second);
    wkv_folder_abort(&first);
    rmdir(left);
}

static void errors_name_the_folder(void **state)
{
    char *temp;
    wkv_error err;
    assert_int_equal(wkv_folder_create(&temp, "no/such/folder", &err), WKV_E_IO);
    assert_string_equal(err.text, "no/such/folder: cannot create: No such file or directory");
    assert_null(temp);
}

static void folders_need_not_sync(void **state)
{
    static const int harmless[] = {EINVAL, ENOTSUP};
    wkv_error err;
    for (int i = 0; i < 2; i++) {
        char *temp = create();
        wkv_writer *w;
        put(temp, "a");
        folders_fail = harmless[i];
        if (wkv_folder_commit(&temp, PATH, &err) != WKV_OK ||
            wkv_writer_open(&w, PATH "/b", &err) != WKV_OK || wkv_writer_commit(&w, &err) != WKV_OK)
            fail_msg("%s", err.text);
        folders_fail = 0;
        assert_true(has("a") && has("b"));
        remove_made();
    }
    char *temp = create();
    folders_fail = EIO;
    assert_int_equal(wkv_folder_commit(&temp, PATH, &err), WKV_E_IO);
    folders_fail = 0;
    assert_non_null(strstr(err.text, strerror(EIO)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_at_once_do_not_meet),
        cmocka_unit_test(what_others_left_is_passed),
        cmocka_unit_test(errors_name_the_folder),
        cmocka_unit_test(folders_need_not_sync),
    };
    remove_made();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
