/* The real World vocabulary against an independent tokenizer's ids, both ways. */
#include "test.h"

#include <jansson.h>

#include "os/os.h"
#include "tok/tok.h"

static wkv_tok *open_vocab(const char *relative)
{
    wkv_tok *t;
    wkv_error err;
    if (wkv_tok_open_spec(&t, test_data_path(relative), &err) != WKV_OK)
        fail_msg("%s", err.text);
    return t;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The line's text as bytes, in a buffer of the caller; from "text" or from "hex". */
static size_t line_bytes(const json_t *line, uint8_t *out, size_t cap)
{
    const json_t *text = json_object_get(line, "text");
    if (text != NULL) {
        size_t n = json_string_length(text);
        assert_true(n <= cap);
        memcpy(out, json_string_value(text), n);
        return n;
    }
    const char *hex = json_string_value(json_object_get(line, "hex"));
    size_t n = strlen(hex) / 2;
    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return n;
}

enum { CAP = 1 << 20 };

static void check_line(const wkv_tok *t, const json_t *line)
{
    static uint8_t text[CAP], back[CAP];
    static int32_t ids[CAP];
    size_t n = line_bytes(line, text, CAP);
    const json_t *want = json_object_get(line, "ids");
    size_t count = t->kind->encode(t, text, n, ids, CAP), at = 0;
    assert_int_equal(count, json_array_size(want));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ids[i], json_integer_value(json_array_get(want, i)));
        size_t len;
        const uint8_t *bytes = t->kind->token(t, ids[i], &len);
        memcpy(back + at, bytes, len);
        at += len;
    }
    assert_int_equal(at, n);
    assert_memory_equal(back, text, n);
}

static size_t check_file(const wkv_tok *t, const char *relative)
{
    wkv_map map;
    assert_int_equal(wkv_map_open(&map, test_data_path(relative), NULL), WKV_OK);
    const char *p = (const char *)map.data, *end = p + map.size;
    size_t lines = 0;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline != NULL ? newline : end) - p);
        json_error_t err;
        json_t *line = json_loadb(p, n, JSON_ALLOW_NUL, &err);
        if (line == NULL)
            fail_msg("%s line %zu: %s", relative, lines + 1, err.text);
        check_line(t, line);
        json_decref(line);
        lines++;
        p += n + 1;
    }
    wkv_map_close(&map);
    return lines;
}

static void test_every_line(void **state)
{
    wkv_tok *t = open_vocab("rwkv_vocab_v20230424.txt");
    assert_int_equal(t->vocab_size, 65530);
    assert_true(check_file(t, "tokenizers/world.jsonl") > 500);
    assert_true(check_file(t, "tokenizers/world_bytes.jsonl") > 20);
    wkv_tok_close(&t);
}

static void test_crlf_is_the_same(void **state)
{
    wkv_tok *t = open_vocab("tokenizers/variant_crlf_rwkvlm_v5.txt");
    assert_int_equal(t->vocab_size, 65530);
    check_file(t, "tokenizers/world.jsonl");
    wkv_tok_close(&t);
}

/* The older vocabulary opens, and is not taken for the newer. */
static void test_older_is_different(void **state)
{
    wkv_tok *older = open_vocab("tokenizers/rwkv_vocab_v20230422_older.txt");
    wkv_tok *newer = open_vocab("rwkv_vocab_v20230424.txt");
    assert_int_equal(older->vocab_size, 65525);
    size_t differing = 0;
    for (int32_t id = 0; id < older->vocab_size; id++) {
        size_t a, b;
        const uint8_t *x = older->kind->token(older, id, &a);
        const uint8_t *y = newer->kind->token(newer, id, &b);
        differing += a != b || memcmp(x, y, a) != 0;
    }
    assert_true(differing > 1000);
    wkv_tok_close(&older);
    wkv_tok_close(&newer);
}

/* Every token's own bytes are that token, whatever may follow it in the vocabulary. */
static void test_every_token(void **state)
{
    wkv_tok *t = open_vocab("rwkv_vocab_v20230424.txt");
    for (int32_t id = 1; id < t->vocab_size; id++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, id, &n);
        int32_t got[2];
        assert_non_null(bytes);
        assert_int_equal(t->kind->encode(t, bytes, n, got, 2), 1);
        assert_int_equal(got[0], id);
    }
    wkv_tok_close(&t);
}

int main(void)
{
    test_need_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line),
        cmocka_unit_test(test_crlf_is_the_same),
        cmocka_unit_test(test_older_is_different),
        cmocka_unit_test(test_every_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
