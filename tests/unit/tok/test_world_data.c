/* The real World vocabulary against an independent tokenizer's ids, both ways. */
#include "test.h"

#include "lines.h"

static void check_line(const wkv_tok *t, const json_t *line, const uint8_t *text, size_t n)
{
    static uint8_t back[LINE_CAP];
    static int32_t ids[LINE_CAP];
    const json_t *want = json_object_get(line, "ids");
    size_t count = t->kind->encode(t, text, n, ids, LINE_CAP);
    assert_int_equal(count, json_array_size(want));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(want, i)));
    assert_int_equal(lines_decode(t, ids, count, back), n);
    assert_memory_equal(back, text, n);
}

static void test_every_line(void **state)
{
    wkv_tok *t = lines_open_vocab("rwkv_vocab_v20230424.txt");
    assert_int_equal(t->vocab_size, 65530);
    assert_true(lines_each(t, "tokenizers/world.jsonl", check_line) > 500);
    assert_true(lines_each(t, "tokenizers/world_bytes.jsonl", check_line) > 20);
    wkv_tok_close(&t);
}

static void test_crlf_is_the_same(void **state)
{
    wkv_tok *t = lines_open_vocab("tokenizers/variant_crlf_rwkvlm_v5.txt");
    assert_int_equal(t->vocab_size, 65530);
    lines_each(t, "tokenizers/world.jsonl", check_line);
    wkv_tok_close(&t);
}

/* The older vocabulary opens, and is not taken for the newer. */
static void test_older_is_different(void **state)
{
    wkv_tok *older = lines_open_vocab("tokenizers/rwkv_vocab_v20230422_older.txt");
    wkv_tok *newer = lines_open_vocab("rwkv_vocab_v20230424.txt");
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
    wkv_tok *t = lines_open_vocab("rwkv_vocab_v20230424.txt");
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
