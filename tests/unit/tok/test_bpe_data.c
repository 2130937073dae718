/* The GPT-NeoX vocabulary against an independent tokenizer's ids, both ways. */
#include "test.h"

#include "lines.h"

/* To the program that made the data, U+FEFF is white space, as JavaScript has it.  To the
 * vocabulary it is not, since the vocabulary has a token of a space and U+FEFF, nor to
 * Hugging Face's tokenizers 0.23.3, which gives our ids on every line. */
enum { SPACE = 209, MARK = 41497, SPACE_MARK = 35762 };

static size_t wanted_ids(const json_t *line, int32_t *want)
{
    const json_t *list = json_object_get(line, "ids");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        want[n++] = (int32_t)json_integer_value(json_array_get(list, i));
        if (n >= 2 && want[n - 2] == SPACE && want[n - 1] == MARK)
            want[--n - 1] = SPACE_MARK;
    }
    return n;
}

static size_t in_normal_form; /* lines whose text came back byte for byte */

/* The ids are those wanted; they decode to the text or to its normal form, which has the
 * same ids. */
static void check_line(const wkv_tok *t, const json_t *line, const uint8_t *text, size_t n)
{
    static uint8_t back[LINE_CAP];
    static int32_t ids[LINE_CAP], want[LINE_CAP];
    size_t wanted = wanted_ids(line, want), count = t->kind->encode(t, text, n, ids, LINE_CAP);
    assert_int_equal(count, wanted);
    assert_memory_equal(ids, want, count * sizeof *ids);
    size_t len = lines_decode(t, ids, count, back);
    in_normal_form += len == n && memcmp(back, text, n) == 0;
    assert_int_equal(t->kind->encode(t, back, len, ids, LINE_CAP), count);
    assert_memory_equal(ids, want, count * sizeof *ids);
}

static void test_every_line(void **state)
{
    wkv_tok *t = lines_open_vocab("20B_tokenizer.json");
    assert_int_equal(t->vocab_size, 50277);
    size_t lines = lines_each(t, "tokenizers/20b.jsonl", check_line);
    assert_true(lines > 600);
    assert_true(in_normal_form >= lines - 20);
    wkv_tok_close(&t);
}

/* The same from what a model file holds, which is smaller. */
static void test_minified_is_the_same(void **state)
{
    wkv_tok *t = lines_open_vocab("20B_tokenizer.json"), *again;
    assert_true(t->vocab_len < 1500000);
    assert_int_equal(wkv_tok_open(&again, "bpe", "m.st", t->vocab, t->vocab_len, NULL), WKV_OK);
    lines_each(again, "tokenizers/20b.jsonl", check_line);
    assert_int_equal(again->vocab_len, t->vocab_len);
    assert_memory_equal(again->vocab, t->vocab, t->vocab_len);
    wkv_tok_close(&again);
    wkv_tok_close(&t);
}

/* Thirteen bytes that UTF-8 never has are not in this vocabulary; it is said where. */
static void test_missing_bytes(void **state)
{
    wkv_tok *t = lines_open_vocab("20B_tokenizer.json");
    int32_t ids[8];
    const uint8_t text[] = "a\x80\xff";
    assert_int_equal(t->kind->encode(t, text, 3, ids, 8), 2);
    assert_int_equal(wkv_tok_covered(t, text, 3, ids, 2), 2);
    int missing = 0;
    for (int b = 0; b < 256; b++) {
        uint8_t byte = (uint8_t)b;
        missing += t->kind->encode(t, &byte, 1, ids, 8) == 0;
    }
    assert_int_equal(missing, 13);
    wkv_tok_close(&t);
}

int main(void)
{
    test_need_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line),
        cmocka_unit_test(test_minified_is_the_same),
        cmocka_unit_test(test_missing_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
