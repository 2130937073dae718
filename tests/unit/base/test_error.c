/* tests/unit/base/test_error.c - the sentence of an error is UTF-8, whatever it quotes and wherever
 * it is cut. */
#include "base/error.h"

#include "test.h"

static wkv_error err;

/* "x" and then n times the character é. */
static char *long_name(size_t n)
{
    char *name = malloc(2 * n + 2);
    assert_non_null(name);
    memcpy(name, "x", 2);
    for (size_t i = 0; i < n; i++)
        memcpy(name + 1 + 2 * i, "\xc3\xa9", 3);
    return name;
}

static void must_end_whole(size_t least)
{
    const size_t n = strlen(err.text);
    assert_true(n >= least && n < sizeof err.text);
    assert_memory_equal(err.text + n - 2, "\xc3\xa9", 2);
}

static void test_cut(void **state)
{
    char *name = long_name(600);
    for (int skip = 0; skip < 2; skip++) {
        assert_int_equal(WKV_SET(&err, WKV_E_IO, "%s: cannot open", name + skip), WKV_E_IO);
        must_end_whole(sizeof err.text - 3);
    }
    free(name);
}

static void test_prefix(void **state)
{
    char *name = long_name(400), *rest = long_name(200);
    for (int skip = 0; skip < 2; skip++) {
        WKV_SET(&err, WKV_E_FORMAT, "%s", rest + skip);
        wkv_error_prefix(&err, WKV_E_FORMAT, name);
        must_end_whole(sizeof err.text - 3);
    }
    free(name);
    free(rest);
}

static void test_bad_bytes(void **state)
{
    WKV_SET(&err, WKV_E_IO, "bad\xff\xfe.pth: \xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82 \xed\xa0\x80");
    assert_string_equal(err.text, "bad??.pth: \xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82 ???");
    WKV_SET(&err, WKV_E_IO, "%.3s is cut", "ab\xc3\xa9");
    assert_string_equal(err.text, "ab? is cut");
    wkv_error_prefix(&err, WKV_E_IO, "\x80");
    assert_string_equal(err.text, "?: ab? is cut");
    WKV_SET(&err, WKV_E_IO, "at the end \xe2\x82");
    assert_string_equal(err.text, "at the end ??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
