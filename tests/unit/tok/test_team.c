/* Several threads encode a text to the ids that one gives: whatever the text, wherever
 * it is cut, whether it goes on or ends, and where the vocabulary lacks bytes. */
#include "test.h"

#include "base/rng.h"
#include "base/strbuf.h"
#include "support/bpe_json.h"
#include "tok/tok.h"

enum { LONGEST = 700000 };

static uint8_t text[LONGEST];
static int32_t want[LONGEST], got[LONGEST];

/* Every byte but those from `lacking` on; words that overlap, and one of a hundred bytes. */
static wkv_tok *open_world(int lacking)
{
    static const char *const words[] = {"ab", "ba", "aba", "bab", "aaa", "aaaaaaa", "b'\n"};
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    for (int c = 0; c < lacking; c++)
        wkv_strbuf_printf(&b, "%d b'\\x%02x' 1\n", c + 1, (unsigned)c);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i]);
        wkv_strbuf_printf(&b, "%zu b'", 300 + i);
        for (size_t j = 0; j < n; j++)
            wkv_strbuf_printf(&b, "\\x%02x", (unsigned)words[i][j]);
        wkv_strbuf_printf(&b, "' %zu\n", n);
    }
    wkv_strbuf_puts(&b, "400 '");
    for (int i = 0; i < 100; i++)
        wkv_strbuf_puts(&b, "c");
    wkv_strbuf_puts(&b, "' 100\n");
    wkv_tok *t;
    wkv_error err;
    if (wkv_tok_open_world(&t, "v", b.data, b.len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_strbuf_deinit(&b);
    return t;
}

/* n bytes, each one of those of `from`, which then often comes again. */
static void fill(size_t n, const char *from, size_t n_from, double again, uint64_t seed)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++)
        text[i] = i > 0 && wkv_rng_uniform(&rng) < again
                      ? text[i - 1]
                      : (uint8_t)from[wkv_rng_u64(&rng) % n_from];
}

static void check(const wkv_tok *t, size_t n, const char *what)
{
    for (int last = 0; last < 2; last++) {
        size_t used = n;
        size_t count = last ? t->kind->encode(t, text, n, want, LONGEST)
                            : t->kind->encode_part(t, text, n, want, LONGEST, &used);
        size_t covered = wkv_tok_covered(t, text, used, want, count);
        for (int threads = 1; threads <= 7; threads += 2) {
            size_t his_used, his_covered;
            size_t his = wkv_tok_encode_team(t, text, n, last, threads, got, LONGEST, &his_used,
                                             &his_covered);
            if (his != count || his_used != used || his_covered != covered ||
                memcmp(got, want, count * sizeof *want) != 0)
                fail_msg("%s, %zu bytes, %d threads: %zu ids of %zu bytes, expected %zu of %zu",
                         what, n, threads, his, his_used, count, used);
        }
    }
}

static void check_texts(const wkv_tok *t)
{
    static const char all[] = "ab'\nc the\xc3\xa9\xff";
    static const size_t sizes[] = {0, 1, 131071, 131072, 300001, LONGEST};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill(sizes[i], "ab", 2, 0, i);
        check(t, sizes[i], "two letters");
        fill(sizes[i], all, sizeof all - 1, 0.5, i);
        check(t, sizes[i], "a few bytes");
        fill(sizes[i], "ac ", 3, 0.99, i);
        check(t, sizes[i], "runs");
        memset(text, 'a', sizes[i]); /* no place at which two ways to cut it meet */
        check(t, sizes[i], "one letter");
        memset(text, 'c', sizes[i]);
        check(t, sizes[i], "one long token");
    }
}

static void test_bytes(void **state)
{
    wkv_tok *t;
    assert_int_equal(wkv_tok_open_bytes(&t, NULL), WKV_OK);
    check_texts(t);
    wkv_tok_close(&t);
}

static void test_world(void **state)
{
    wkv_tok *t = open_world(256);
    check_texts(t);
    wkv_tok_close(&t);
}

static void test_what_a_vocabulary_lacks(void **state)
{
    static const size_t places[] = {0, 65535, 65536, 131073, 299999};
    wkv_tok *t = open_world(128);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        fill(300000, "ab'", 3, 0.1, i);
        text[places[i]] = 0xff;
        check(t, 300000, "a byte that is lacking");
    }
    wkv_tok_close(&t);
}

static void test_bpe(void **state)
{
    wkv_strbuf json;
    wkv_strbuf_init(&json);
    bpe_json_make(&json);
    wkv_tok *t;
    wkv_error err;
    wkv_status status = wkv_tok_open_bpe(&t, "t.json", json.data, json.len, &err);
    wkv_strbuf_deinit(&json);
    if (status == WKV_E_UNSUPPORTED) /* built without PCRE2 or utf8proc */
        skip();
    if (status != WKV_OK)
        fail_msg("%s", err.text);
    check_texts(t);
    wkv_tok_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_world),
        cmocka_unit_test(test_what_a_vocabulary_lacks),
        cmocka_unit_test(test_bpe),
    };
    return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
