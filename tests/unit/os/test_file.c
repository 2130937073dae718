/* test_file.c - writing beside and putting in place: links, modes, what is no file, and several
 * threads at a time (os.h). */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "test.h"

static wkv_status put(const char *path, const char *text, wkv_error *err)
{
    wkv_writer *w;
    wkv_status s = wkv_writer_open(&w, path, err);
    if (s == WKV_OK && (s = wkv_writer_write(w, text, strlen(text), err)) == WKV_OK)
        return wkv_writer_commit(&w, err);
    wkv_writer_abort(&w);
    return s;
}

static void holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(found, sizeof found, f));
    fclose(f);
    assert_string_equal(found, text);
}

static void nothing_is_left(void)
{
    glob_t left;
    assert_int_equal(glob("f_*.tmp", 0, NULL, &left), GLOB_NOMATCH);
}

static void a_link_stays_one(void **state)
{
    struct stat st;
    assert_int_equal(put("f_real", "old", NULL), WKV_OK);
    unlink("f_link");
    assert_int_equal(symlink("f_real", "f_link"), 0);
    assert_int_equal(put("f_link", "new", NULL), WKV_OK);
    assert_int_equal(lstat("f_link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    holds("f_real", "new");
    nothing_is_left();
}

static void what_is_private_stays_so(void **state)
{
    struct stat st;
    assert_int_equal(put("f_own", "old", NULL), WKV_OK);
    assert_int_equal(chmod("f_own", 0600), 0);
    assert_int_equal(put("f_own", "new", NULL), WKV_OK);
    assert_int_equal(stat("f_own", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void only_files_are_replaced(void **state)
{
    wkv_error err;
    struct stat st;
    unlink("f_pipe");
    assert_int_equal(mkfifo("f_pipe", 0600), 0);
    assert_int_equal(put("f_pipe", "text", &err), WKV_E_IO);
    assert_string_equal(err.text,
                        "f_pipe: expected a file to write, found a device, pipe or socket");
    assert_int_equal(stat("f_pipe", &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    mkdir("f_dir", 0700);
    assert_int_equal(put("f_dir", "text", &err), WKV_E_IO);
    assert_string_equal(err.text, "f_dir: expected a file to write, found a folder");
    nothing_is_left();
}

/* What a killed process left has its number, and may be a link. */
static void what_is_in_the_way(void **state)
{
    assert_int_equal(put("f_victim", "victim", NULL), WKV_OK);
    for (int i = 0; i < 64; i++) {
        char name[64];
        snprintf(name, sizeof name, "f_out.%ld.%d.tmp", (long)getpid(), i);
        unlink(name);
        assert_int_equal(symlink("f_victim", name), 0);
    }
    assert_int_equal(put("f_out", "out", NULL), WKV_OK);
    holds("f_out", "out");
    holds("f_victim", "victim");
    for (int i = 0; i < 64; i++) {
        char name[64];
        snprintf(name, sizeof name, "f_out.%ld.%d.tmp", (long)getpid(), i);
        unlink(name);
    }
}

static void *put_often(void *failures)
{
    for (int i = 0; i < 50; i++)
        if (put("f_shared", "from a thread", NULL) != WKV_OK)
            ++*(int *)failures;
    return NULL;
}

static void threads_do_not_meet(void **state)
{
    pthread_t thread[2];
    int failures[2] = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, put_often, &failures[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(failures[i], 0);
    }
    holds("f_shared", "from a thread");
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_stays_one),        cmocka_unit_test(what_is_private_stays_so),
        cmocka_unit_test(only_files_are_replaced), cmocka_unit_test(what_is_in_the_way),
        cmocka_unit_test(threads_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
