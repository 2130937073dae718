/* Byte-level BPE on a small vocabulary: each step on its way, any bytes, texts longer
 * than a chunk, and every way in which a tokenizer.json can be wrong. */
#include "test.h"

#include "base/mem.h"
#include "support/bpe_json.h"
#include "tok/tok.h"
#include "tok/utf8.h"

static wkv_tok *open_small(void)
{
    wkv_strbuf json;
    wkv_tok *t;
    wkv_error err;
    wkv_strbuf_init(&json);
    bpe_json_make(&json);
    if (wkv_tok_open_bpe(&t, "small", json.data, json.len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_strbuf_deinit(&json);
    assert_int_equal(t->vocab_size, BPE_SIZE);
    return t;
}

static void check_ids(const wkv_tok *t, const char *text, const int32_t *want, size_t count)
{
    int32_t got[64];
    assert_int_equal(t->kind->encode(t, (const uint8_t *)text, strlen(text), got, 64), count);
    assert_memory_equal(got, want, count * sizeof *want);
}

#define CHECK(text, ...) \
    check_ids(t, text, (const int32_t[]){__VA_ARGS__}, \
              sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void test_steps(void **state)
{
    wkv_tok *t = open_small();
    CHECK("the the", BPE_THE, BPE_SPACE_THE);
    CHECK("th", BPE_TH);
    CHECK("the<|end|>the", BPE_THE, BPE_END, BPE_THE);
    CHECK("<|en", '<', '|', 'e', 'n');
    /* The lowest rank first, from the left. */
    CHECK("aaa", BPE_AA, 'a');
    CHECK("aaaaaaa", BPE_AAAA, BPE_AA, 'a');
    /* The longest run of spaces is an added token; what is left joins the word. */
    CHECK("  ", BPE_TWO);
    CHECK("   the", BPE_TWO, BPE_SPACE_THE);
    CHECK("       x", BPE_FOUR, BPE_TWO, ' ', 'x');
    /* Words: a contraction ends one; letters, numbers and signs are apart. */
    CHECK("t'he", 't', '\'', 'h', 'e');
    CHECK("a1a", 'a', '1', 'a');
    CHECK("a\n the", 'a', '\n', BPE_SPACE_THE);
    CHECK("a\n\n", 'a', '\n', '\n');
    /* The normal form: e and U+0301 become U+00E9; two marks are sorted. */
    CHECK("e\xcc\x81", 0xc3, 0xa9);
    CHECK("\xe4\xb8\xad", 0xe4, 0xb8, 0xad);
    int32_t none[1];
    assert_int_equal(t->kind->encode(t, (const uint8_t *)"", 0, none, 1), 0);
    assert_int_equal(t->kind->encode(t, NULL, 0, NULL, 0), 0);
    wkv_tok_close(&t);
}

static void test_tokens(void **state)
{
    wkv_tok *t = open_small();
    for (int32_t id = 0; id < 256; id++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, id, &n);
        assert_int_equal(n, 1);
        assert_int_equal(bytes[0], id);
    }
    size_t n;
    assert_memory_equal(t->kind->token(t, BPE_SPACE_THE, &n), " the", 4);
    assert_int_equal(n, 4);
    assert_memory_equal(t->kind->token(t, BPE_END, &n), "<|end|>", 7);
    assert_null(t->kind->token(t, BPE_SIZE, &n));
    assert_null(t->kind->token(t, -1, &n));
    wkv_tok_close(&t);
}

/* ---- longer texts ------------------------------------------------------------------ */

enum { LONG = 400000 };

static size_t decode(const wkv_tok *t, const int32_t *ids, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, ids[i], &n);
        assert_true(at + n <= LONG);
        memcpy(out + at, bytes, n);
        at += n;
    }
    return at;
}

/* A text that is normal already comes back byte for byte, and its parts, however much is
 * seen at a time, have the ids of the whole. */
static void check_long(const wkv_tok *t, const uint8_t *text, size_t n)
{
    static int32_t whole[LONG], ids[LONG];
    static uint8_t back[LONG];
    size_t count = t->kind->encode(t, text, n, whole, LONG);
    assert_true(count <= n);
    assert_int_equal(decode(t, whole, count, back), n);
    assert_memory_equal(back, text, n);
    for (size_t window = 70000; window < n; window += 65537) {
        size_t done = 0, at = 0;
        while (n - at > window) {
            size_t used;
            done += t->kind->encode_part(t, text + at, window, ids + done, LONG - done, &used);
            assert_true(used > 0 && used <= window);
            at += used;
        }
        done += t->kind->encode(t, text + at, n - at, ids + done, LONG - done);
        assert_int_equal(done, count);
        assert_memory_equal(ids, whole, count * sizeof *ids);
    }
}

static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

static void test_any_bytes(void **state)
{
    static const uint8_t some[] = {'a',  't',  'h',  'e',  ' ',  ' ',  '\n', '1', 0xc3, 0xa9,
                                   0xe4, 0xb8, 0xad, 0xff, 0xf0, 0x9f, 0x80, 0,   '\''};
    static uint8_t text[LONG];
    wkv_tok *t = open_small();
    uint32_t x = 7;
    for (size_t i = 0; i < LONG; i++)
        text[i] = some[next_random(&x) % sizeof some];
    check_long(t, text, LONG);
    wkv_tok_close(&t);
}

/* A word longer than a chunk, of one byte and of three, and white space without end. */
static void test_endless_words(void **state)
{
    static uint8_t text[LONG];
    wkv_tok *t = open_small();
    memset(text, 'a', LONG);
    check_long(t, text, LONG);
    memset(text, ' ', LONG);
    check_long(t, text, LONG);
    for (size_t i = 0; i + 3 <= LONG; i += 3)
        memcpy(text + i, "\xe4\xb8\xad", 3);
    check_long(t, text, LONG / 3 * 3);
    wkv_tok_close(&t);
}

/* Where a chunk ends is not seen in the ids: they are those of the lines, one by one. */
static void test_chunks_are_not_seen(void **state)
{
    static const char line[] = "the  the aaaa 'the <|end|> \xc3\xa9";
    static uint8_t text[LONG];
    static int32_t whole[LONG];
    enum { N = sizeof line };
    wkv_tok *t = open_small();
    uint8_t one[N];
    int32_t ids[N];
    one[0] = '\n';
    memcpy(one + 1, line, N - 1);
    size_t lines = LONG / N, per_line = t->kind->encode(t, one, N, ids, N);
    for (size_t i = 0; i < lines; i++)
        memcpy(text + i * N, one, N);
    size_t count = t->kind->encode(t, text, lines * N, whole, LONG);
    assert_int_equal(count, lines * per_line);
    for (size_t i = 0; i < lines; i++)
        assert_memory_equal(whole + i * per_line, ids, per_line * sizeof *ids);
    wkv_tok_close(&t);
}

/* Marks without end neither take long nor get lost: 300 acute accents stay as many. */
static void test_many_marks(void **state)
{
    enum { MARKS = 30000 };
    static uint8_t text[2 * MARKS];
    static int32_t ids[2 * MARKS];
    wkv_tok *t = open_small();
    for (size_t i = 0; i < MARKS; i++)
        memcpy(text + 2 * i, i % 2 == 0 ? "\xcc\x81" : "\xcc\xa3", 2);
    assert_int_equal(t->kind->encode(t, text, sizeof text, ids, 2 * MARKS), 2 * MARKS);
    wkv_tok_close(&t);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t valid, invalid; /* the latter of what follows */
    } cases[] = {
        {"abcdefghij", 10, 0},      {"abcdefgh\xc3\xa9", 10, 0}, {"\xc3", 0, 1},
        {"a\x80\x80z", 1, 2},       {"\xe4\xb8\xad!", 4, 0},     {"\xed\xa0\x80", 0, 3},
        {"\xf4\x90\x80\x80", 0, 4}, {"\xc0\x80x", 0, 2},         {"ab\xf0\x9f\x98", 2, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *s = (const uint8_t *)cases[i].text;
        size_t n = strlen(cases[i].text), valid = wkv_utf8_valid(s, n);
        assert_int_equal(valid, cases[i].valid);
        if (valid < n)
            assert_int_equal(wkv_utf8_invalid(s + valid, n - valid), cases[i].invalid);
    }
}

/* ---- what is refused ------------------------------------------------------------------ */

/* The small vocabulary with its first `from` replaced. */
static void make_wrong(wkv_strbuf *out, const char *from, const char *to)
{
    wkv_strbuf json;
    wkv_strbuf_init(&json);
    bpe_json_make(&json);
    const char *at = strstr(json.data, from);
    assert_non_null(at);
    wkv_strbuf_init(out);
    wkv_strbuf_add(out, json.data, (size_t)(at - json.data));
    wkv_strbuf_puts(out, to);
    wkv_strbuf_puts(out, at + strlen(from));
    wkv_strbuf_deinit(&json);
}

static void test_refused(void **state)
{
    static const struct {
        const char *from, *to;
        wkv_status status;
        const char *says;
    } cases[] = {
        {"{\"version\"", "[\"version\"", WKV_E_FORMAT, "v is not valid JSON: line 1"},
        {"\"BPE\"", "\"Unigram\"", WKV_E_UNSUPPORTED, "a model of type \"BPE\""},
        {"\"dropout\": null", "\"dropout\": 0.1", WKV_E_UNSUPPORTED, "has \"dropout\""},
        {"\"dropout\": null", "\"byte_fallback\": true", WKV_E_UNSUPPORTED, "\"byte_fallback\""},
        {"\"NFC\"", "\"NFKC\"", WKV_E_UNSUPPORTED, "of normalizers"},
        {"\"ByteLevel\"", "\"Whitespace\"", WKV_E_UNSUPPORTED, "of pre-tokenizers"},
        {"\"add_prefix_space\": false", "\"add_prefix_space\": true", WKV_E_UNSUPPORTED, "space"},
        {"\"add_prefix_space\": false", "\"use_regex\": false", WKV_E_UNSUPPORTED, "pattern"},
        {"\"lstrip\": false", "\"lstrip\": true", WKV_E_UNSUPPORTED, "'<|end|>' has \"lstrip\""},
        {"\"<|end|>\"", "\"<| end|>\"", WKV_E_UNSUPPORTED, "white space after other"},
        {"\"<|end|>\"", "\"\"", WKV_E_FORMAT, "added token 0: expected its \"content\""},
        {"\"id\": 261", "\"id\": -1", WKV_E_FORMAT, "expected an id from 0"},
        {"\"id\": 261", "\"id\": 1.5", WKV_E_FORMAT, "expected an id from 0"},
        {"\"id\": 261", "\"id\": 2147483648", WKV_E_FORMAT, "expected an id from 0"},
        {"\"id\": 261", "\"id\": 97", WKV_E_FORMAT, "token 'a': id 97 is taken"},
        {"\"id\": 261", "\"id\": 262", WKV_E_FORMAT, "id 262 is taken"},
        {"\"    \"", "\"  \"", WKV_E_FORMAT, "added tokens 262 and 263 have the same"},
        {"\"the\": 257", "\"the\": \"257\"", WKV_E_FORMAT, "token 'the': expected an id"},
        {"\"the\": 257", "\"the\": 256", WKV_E_FORMAT, "token 'the': id 256 is taken"},
        {"\"the\": 257", "\"t e\": 257", WKV_E_FORMAT, "characters that stand for bytes"},
        {"\"the\": 257", "\"th\": 257", WKV_E_FORMAT, "duplicate"},
        {"\"the\": 257", "\"the\": 257, \"\": 300", WKV_E_FORMAT, "stand for bytes"},
        {"\"t h\"", "\"th\"", WKV_E_FORMAT, "merge 0: expected two tokens"},
        {"\"t h\"", "\"t h e\"", WKV_E_FORMAT, "merge 0: expected two tokens"},
        {"\"t h\"", "7", WKV_E_FORMAT, "merge 0: expected two tokens"},
        {"\"t h\"", "\"h t\"", WKV_E_FORMAT, "merge 0: 'ht' and its two parts"},
        {"\"a a\"", "\"t h\"", WKV_E_FORMAT, "merge 3 repeats merge 0"},
        {"\"vocab\"", "\"tokens\"", WKV_E_FORMAT, "expected an object \"vocab\""},
        {"\"merges\"", "\"rules\"", WKV_E_FORMAT, "expected an array \"merges\""},
        {"\"truncation\": null", "\"x\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", WKV_E_FORMAT,
         "nested"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wkv_strbuf json;
        wkv_tok *t;
        wkv_error err;
        make_wrong(&json, cases[i].from, cases[i].to);
        wkv_status s = wkv_tok_open_bpe(&t, "v", json.data, json.len, &err);
        if (s != cases[i].status || strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: status %d: %s", i, (int)s, s != WKV_OK ? err.text : "opened");
        assert_null(t);
        wkv_strbuf_deinit(&json);
    }
}

static int fail_nth(void *user, size_t bytes)
{
    int *left = user;
    (void)bytes;
    return (*left)-- == 0;
}

/* Each allocation fails in turn.  The one for compiled code is done without. */
static void test_no_memory(void **state)
{
    enum { MORE_THAN_ALL = 200 };
    wkv_strbuf json;
    wkv_strbuf_init(&json);
    bpe_json_make(&json);
    int refused = 0;
    for (int n = 0; n < MORE_THAN_ALL; n++) {
        int left = n;
        wkv_tok *t;
        wkv_mem_set_hook(fail_nth, &left);
        wkv_status s = wkv_tok_open_bpe(&t, "v", json.data, json.len, NULL);
        wkv_mem_set_hook(NULL, NULL);
        if (s == WKV_OK ? t == NULL : s != WKV_E_MEMORY || t != NULL)
            fail_msg("allocation %d: status %d", n, (int)s);
        refused += s != WKV_OK;
        assert_true(s == WKV_OK || left < 0);
        wkv_tok_close(&t);
    }
    assert_true(refused > 15 && refused < MORE_THAN_ALL);
    wkv_strbuf_deinit(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_endless_words),
        cmocka_unit_test(test_chunks_are_not_seen),
        cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
