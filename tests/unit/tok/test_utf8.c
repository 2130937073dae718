/* The hold-back of unfinished UTF-8: however a stream is cut, the same bytes come
 * out, every piece ends on a whole character, and rubbish is not held for ever. */
#include "test.h"

#include <wkv/tokenizer.h>

/* Pushes s in pieces of `step` bytes; returns what came out before the flush. */
static size_t push_all(const char *s, size_t n, size_t step, char *out, size_t *held)
{
    wkv_utf8 u = {0};
    size_t len = 0;
    for (size_t i = 0; i < n; i += step) {
        char piece[64];
        size_t m = wkv_utf8_push(&u, s + i, n - i < step ? n - i : step, piece);
        memcpy(out + len, piece, m);
        len += m;
    }
    *held = wkv_utf8_flush(&u, out + len);
    assert_int_equal(u.n, 0);
    return len;
}

static void expect_held(const char *s, size_t held)
{
    size_t n = strlen(s);
    for (size_t step = 1; step <= n; step++) {
        char out[64];
        size_t got, len = push_all(s, n, step, out, &got);
        assert_int_equal(got, held);
        assert_int_equal(len + got, n);
        assert_memory_equal(out, s, n);
    }
}

static void test_whole_characters(void **state)
{
    expect_held("plain", 0);
    expect_held("caf\xc3\xa9", 0);
    expect_held("\xe4\xbb\x8a\xe5\xa4\xa9", 0);
    expect_held("\xf0\x9f\x98\x80!", 0);
    expect_held("\xef\xbf\xbd", 0); /* the replacement character itself is a character */
}

static void test_unfinished_ends(void **state)
{
    expect_held("a\xc3", 1);
    expect_held("a\xe4\xbb", 2);
    expect_held("a\xe4", 1);
    expect_held("a\xf0\x9f\x98", 3);
    expect_held("\xf4\x8f\xbf", 3);
    expect_held("\xe0\xa0", 2);
}

static void test_hopeless_bytes_pass(void **state)
{
    expect_held("a\xff", 0);
    expect_held("a\x80\x80", 0);
    expect_held("\xc0", 0);
    expect_held("\xc1\xbf", 0);
    expect_held("\xe0\x80", 0); /* overlong */
    expect_held("\xed\xa0", 0); /* a surrogate */
    expect_held("\xf4\x90", 0); /* above U+10FFFF */
    expect_held("\xf5\x80\x80", 0);
    expect_held("\xc3\xc3", 1); /* the first is hopeless, the second is not */
    expect_held("\xe4\xbbz", 0);
}

static void test_pieces_end_on_characters(void **state)
{
    static const char text[] = "\xe4\xbb\x8a\xf0\x9f\x98\x80\xc3\xa9z";
    wkv_utf8 u = {0};
    char out[8];
    static const size_t want[] = {0, 0, 3, 0, 0, 0, 4, 0, 2, 1};
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(wkv_utf8_push(&u, text + i, 1, out), want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_characters),
        cmocka_unit_test(test_unfinished_ends),
        cmocka_unit_test(test_hopeless_bytes_pass),
        cmocka_unit_test(test_pieces_end_on_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
