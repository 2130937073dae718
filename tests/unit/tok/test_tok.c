/* Tokenizers without outside data: hand-made vocabularies, right and broken, literals,
 * and the greedy match against a slow one. */
#include "test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "tok/tok.h"
#include "tok/tokenizer.h"

static wkv_tok *open_text(const char *text)
{
    wkv_tok *t;
    wkv_error err;
    if (wkv_tok_open_world(&t, "v.txt", text, strlen(text), &err) != WKV_OK)
        fail_msg("%s", err.text);
    return t;
}

static void expect_ids(const wkv_tok *t, const char *text, size_t n, const int32_t *want,
                       size_t count)
{
    int32_t got[64];
    assert_int_equal(t->kind->encode(t, (const uint8_t *)text, n, got, 64), count);
    assert_memory_equal(got, want, count * sizeof *want);
}

static void test_bytes(void **state)
{
    wkv_tok *t;
    assert_int_equal(wkv_tok_open_spec(&t, "bytes", NULL), WKV_OK);
    assert_string_equal(t->kind->name, "bytes");
    assert_int_equal(t->vocab_size, 256);
    expect_ids(t, "\0a\xff", 3, (const int32_t[]){0, 97, 255}, 3);
    for (int32_t id = -1; id <= 256; id++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, id, &n);
        assert_int_equal(n, id >= 0 && id < 256);
        if (n == 1)
            assert_int_equal(*bytes, id);
        else
            assert_null(bytes);
    }
    wkv_tok_close(&t);
    assert_null(t);
}

static void test_longest_match(void **state)
{
    wkv_tok *t = open_text("1 'a' 1\n2 'b' 1\n3 'ab' 2\n5 'abab' 4\r\n8 \"aba'b\" 5");
    assert_int_equal(t->vocab_size, 9);
    expect_ids(t, "ababab", 6, (const int32_t[]){5, 3}, 2);
    expect_ids(t, "aba'b", 5, (const int32_t[]){8}, 1);
    /* "aba" matches no token as a whole: back to the longest that ended. */
    expect_ids(t, "abaa", 4, (const int32_t[]){3, 1, 1}, 3);
    /* Bytes that no token begins with yield nothing. */
    expect_ids(t, "xaxx'b", 6, (const int32_t[]){1, 2}, 2);
    const uint8_t *text = (const uint8_t *)"abaxb";
    const int32_t ids[] = {3, 1, 2};
    expect_ids(t, "abaxb", 5, ids, 3);
    assert_int_equal(wkv_tok_covered(t, text, 5, ids, 3), 3);
    assert_int_equal(wkv_tok_covered(t, text, 3, ids, 2), 3);
    size_t n;
    assert_memory_equal(t->kind->token(t, 8, &n), "aba'b", 5);
    assert_int_equal(n, 5);
    assert_non_null(t->kind->token(t, 0, &n)); /* end of document: known, without bytes */
    assert_int_equal(n, 0);
    assert_null(t->kind->token(t, 4, &n));
    assert_null(t->kind->token(t, 9, &n));
    wkv_tok_close(&t);
}

static void test_writes_no_more_than_cap(void **state)
{
    wkv_tok *t = open_text("0 'a' 1\n");
    int32_t out[3] = {-7, -7, -7};
    assert_int_equal(t->kind->encode(t, (const uint8_t *)"aaaaa", 5, out, 2), 5);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[2], -7);
    assert_int_equal(t->kind->encode(t, (const uint8_t *)"aaaaa", 5, NULL, 0), 5);
    wkv_tok_close(&t);
}

static void test_literals(void **state)
{
    wkv_tok *t = open_text("1 b'\\xff\\x00' 2\n"
                           "2 '\\u4eca' 3\n"
                           "3 '\\x80' 2\n"
                           "4 ' ' 1\n"
                           "5 '  \\n' 3\n"
                           "6 '\\U0001f600' 4\n"
                           "7 '\\\\\\'\\\"\\t\\r' 5\n"
                           "8 'caf\xc3\xa9' 5\n"
                           "9 b'\"' 1\n");
    static const struct {
        size_t n;
        const char *bytes;
    } want[] = {
        {0, ""},     {2, "\xff\0"},           {3, "\xe4\xbb\x8a"}, {2, "\xc2\x80"},    {1, " "},
        {3, "  \n"}, {4, "\xf0\x9f\x98\x80"}, {5, "\\'\"\t\r"},    {5, "caf\xc3\xa9"}, {1, "\""}};
    for (int32_t id = 0; id < 10; id++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, id, &n);
        assert_int_equal(n, want[id].n);
        assert_memory_equal(bytes, want[id].bytes, n);
    }
    wkv_tok_close(&t);
}

static void test_broken_vocabularies(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "v.txt: expected a vocabulary, found an empty file"},
        {"1 'a' 1\n\n", "v.txt, line 2: expected an id from 0 to 1048575 and a space"},
        {"x 'a' 1\n", "v.txt, line 1: expected an id from 0 to 1048575 and a space"},
        {"-1 'a' 1\n", "v.txt, line 1: expected an id from 0 to 1048575 and a space"},
        {"1048576 'a' 1\n", "v.txt, line 1: expected an id from 0 to 1048575 and a space"},
        {"99999999999999999999 'a' 1",
         "v.txt, line 1: expected an id from 0 to 1048575 and a space"},
        {"2 'a' 1\n2 'b' 1\n", "v.txt, line 2: expected an id above 2, found 2"},
        {"2 'a' 1\n1 'b' 1\n", "v.txt, line 2: expected an id above 2, found 1"},
        {"1 'a'\n", "v.txt, line 1: expected a space and the token's length in bytes at the end"},
        {"1 'a' 1x\n",
         "v.txt, line 1: expected a space and the token's length in bytes at the end"},
        {"1 'a' 99999999999\n",
         "v.txt, line 1: expected a space and the token's length in bytes at the end"},
        {"1 'a' 2\n", "v.txt, line 1: expected a token of 2 bytes, as the line says, found 1"},
        {"1 '' 0\n", "v.txt, line 1: expected a token of at least one byte"},
        {"1 a 1\n", "v.txt, line 1: expected a Python literal in quotes"},
        {"1 'a\" 1\n", "v.txt, line 1: expected a Python literal in quotes"},
        {"1 ' 1\n", "v.txt, line 1: expected a Python literal in quotes"},
        {"1  1\n", "v.txt, line 1: expected a Python literal in quotes"},
        {"1 'a'b' 3\n", "v.txt, line 1: expected a quote inside the literal to be escaped"},
        {"1 '\\x4' 1\n", "v.txt, line 1: expected two hexadecimal digits after \\x"},
        {"1 '\\u12G4' 1\n", "v.txt, line 1: expected four hexadecimal digits after \\u"},
        {"1 '\\ud800' 3\n", "v.txt, line 1: expected an escape that is a Unicode character"},
        {"1 '\\q' 1\n",
         "v.txt, line 1: expected one of the escapes \\\\ \\' \\\" \\n \\t \\r \\x \\u \\U"},
        {"1 b'\\u1234' 1\n",
         "v.txt, line 1: expected one of the escapes \\\\ \\' \\\" \\n \\t \\r \\x"},
        {"1 '\\' 1\n", "v.txt, line 1: expected a character after the backslash"},
        {"1 '\x01' 1\n", "v.txt, line 1: expected control characters to be escaped"},
        {"1 '\xc3' 1\n", "v.txt, line 1: expected valid UTF-8"},
        {"1 '\xe0\x80\x80' 3\n", "v.txt, line 1: expected valid UTF-8"},
        {"1 b'\xc3\xa9' 2\n",
         "v.txt, line 1: expected bytes from 0x80 on to be escaped in a bytes literal"},
        {"1 'a' 1\n2 'b' 1\n7 '\\x61' 1\n",
         "v.txt: expected every token once, but ids 1 and 7 are the same bytes"},
        {"3 '123456789' 9\n4 '12345678' 8\n9 '123456789' 9\n",
         "v.txt: expected every token once, but ids 3 and 9 are the same bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wkv_tok *t = (wkv_tok *)&t;
        wkv_error err = {0};
        wkv_status s = wkv_tok_open_world(&t, "v.txt", cases[i].text, strlen(cases[i].text), &err);
        assert_string_equal(err.text, cases[i].message);
        assert_int_equal(s, WKV_E_FORMAT);
        assert_null(t);
    }
}

static void test_unknown_kinds_and_files(void **state)
{
    wkv_tok *t;
    wkv_error err;
    assert_int_equal(wkv_tok_open(&t, "unigram", "m.st", NULL, 0, &err), WKV_E_UNSUPPORTED);
    assert_string_equal(
        err.text,
        "m.st: tokenizer \"unigram\" is not known; expected \"bytes\", \"world\" or \"bpe\"");
    assert_int_equal(wkv_tok_open(&t, "world", "m.st", NULL, 0, &err), WKV_E_MISSING);
    assert_int_equal(wkv_tok_open_spec(&t, "no/such/file", &err), WKV_E_IO);
    assert_null(t);
    assert_int_equal(wkv_tok_open(&t, "world", "m.st", "7 'x' 1\n", 8, &err), WKV_OK);
    assert_int_equal(t->vocab_len, 8);
    wkv_tok_close(&t);
}

enum { WORDS = 3000, LETTERS = 5, LONGEST = 24 };

/* A vocabulary of distinct random words over few letters, so that prefixes abound. */
static size_t make_words(char words[WORDS][LONGEST + 1], wkv_strbuf *text)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 5);
    size_t n = 0;
    for (int attempt = 0; n < WORDS && attempt < 20 * WORDS; attempt++) {
        char word[LONGEST + 1];
        size_t len = 1 + wkv_rng_u64(&rng) % LONGEST;
        for (size_t i = 0; i < len; i++)
            word[i] = (char)('a' + wkv_rng_u64(&rng) % LETTERS);
        word[len] = '\0';
        size_t twin = 0;
        while (twin < n && strcmp(words[twin], word) != 0)
            twin++;
        if (twin < n)
            continue;
        strcpy(words[n++], word);
        wkv_strbuf_printf(text, "%zu '%s' %zu\n", n, word, len);
    }
    return n;
}

static void test_against_slow_match(void **state)
{
    static char words[WORDS][LONGEST + 1];
    wkv_strbuf vocab;
    wkv_strbuf_init(&vocab);
    size_t n = make_words(words, &vocab);
    wkv_tok *t;
    assert_int_equal(wkv_tok_open_world(&t, "v", vocab.data, vocab.len, NULL), WKV_OK);

    enum { LENGTH = 20000 };
    static char text[LENGTH + 1];
    static int32_t ids[LENGTH];
    wkv_rng rng;
    wkv_rng_seed(&rng, 6);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (char)('a' + wkv_rng_u64(&rng) % LETTERS);
    size_t count = t->kind->encode(t, (const uint8_t *)text, LENGTH, ids, LENGTH), at = 0;
    for (size_t k = 0; k < count; k++) {
        size_t best = 0, best_len = 0;
        for (size_t w = 0; w < n; w++) {
            size_t len = strlen(words[w]);
            if (len > best_len && at + len <= LENGTH && memcmp(words[w], text + at, len) == 0) {
                best = w + 1;
                best_len = len;
            }
        }
        assert_int_equal(ids[k], best);
        at += best_len;
    }
    assert_int_equal(at, LENGTH);
    wkv_tok_close(&t);
    wkv_strbuf_deinit(&vocab);
}

static int fail_nth(void *user, size_t bytes)
{
    (void)bytes;
    return --*(int *)user == 0;
}

/* Every allocation may fail: nothing leaks, nothing is half open. */
static void test_out_of_memory(void **state)
{
    static const char text[] = "1 'a' 1\n2 'b' 1\n3 'ab' 2\n";
    wkv_status s = WKV_E_MEMORY;
    int n = 0;
    for (n = 1; s == WKV_E_MEMORY; n++) {
        int countdown = n;
        wkv_tok *t;
        wkv_error err;
        wkv_mem_set_hook(fail_nth, &countdown);
        s = wkv_tok_open_world(&t, "v", text, sizeof text - 1, &err);
        wkv_mem_set_hook(NULL, NULL);
        if (s == WKV_OK)
            wkv_tok_close(&t);
        else
            assert_string_equal(err.text, "v: out of memory");
    }
    assert_int_equal(s, WKV_OK);
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_longest_match),
        cmocka_unit_test(test_writes_no_more_than_cap),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_broken_vocabularies),
        cmocka_unit_test(test_unknown_kinds_and_files),
        cmocka_unit_test(test_against_slow_match),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
