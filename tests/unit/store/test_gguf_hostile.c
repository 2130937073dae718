/* GGUF files made to break a reader. */
#include "test.h"

#include <math.h>

#include "gguf_made.h"
#include "hostile.h"
#include "store/format.h"

static void refuse(wkv_strbuf *b, wkv_status status, const char *words)
{
    assert_refused(b, status, words);
    wkv_strbuf_deinit(b);
}

static void counts_that_overflow_are_refused(void **state)
{
    (void)state;
    static const uint64_t counts[] = {UINT64_MAX, (uint64_t)1 << 61, (uint64_t)1 << 32, 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        wkv_strbuf tensors = gguf_file(counts[i], 0);
        refuse(&tensors, WKV_E_FORMAT, "tensors, more than it can hold");
        wkv_strbuf values = gguf_file(0, counts[i]);
        refuse(&values, WKV_E_FORMAT, "metadata values, more than it can hold");
        static const uint32_t types[] = {GGUF_U8, GGUF_U16, GGUF_F32, GGUF_F64, GGUF_STRING};
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            wkv_strbuf list = gguf_file(0, 1);
            gguf_array(&list, "list", types[t], counts[i]);
            refuse(&list, WKV_E_FORMAT, "'list' reaches beyond the end of the file");
        }
    }
}

static void lengths_of_strings_are_checked(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(0, 1);
    gguf_put(&b, UINT64_MAX, 8);
    gguf_put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "the key at byte 24 is cut short");
    b = gguf_file(0, 1);
    gguf_key(&b, "text", GGUF_STRING);
    gguf_put(&b, UINT64_MAX, 8);
    refuse(&b, WKV_E_FORMAT, "'text' reaches beyond the end of the file");
    static const uint64_t longs[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 64};
    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++) {
        b = gguf_file(0, 1);
        gguf_array(&b, "list", GGUF_STRING, 2); /* the first is good, the second is not */
        gguf_put_string(&b, "a");
        gguf_put(&b, longs[i], 8);
        gguf_put(&b, 0, 8);
        refuse(&b, WKV_E_FORMAT, "'list' reaches beyond the end of the file");
    }
    b = gguf_file(0, 1);
    gguf_put(&b, 3, 8);
    gguf_put(&b, 'a' | (uint64_t)'b' << 16, 3); /* "a", NUL, "b" */
    gguf_put(&b, GGUF_U8, 4);
    gguf_put(&b, 1, 1);
    refuse(&b, WKV_E_FORMAT, "is empty or no valid UTF-8");
    b = gguf_file(1, 0);
    gguf_put(&b, UINT64_MAX - 7, 8);
    gguf_put(&b, 0, 8);
    gguf_put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "the name of a tensor at byte 24 is cut short");
    b = gguf_file(0, 1);
    gguf_number(&b, "\xff\xfe", GGUF_U64, 1, 8);
    refuse(&b, WKV_E_FORMAT, "no valid UTF-8");
    b = gguf_file(0, 1);
    gguf_string(&b, "text", "\xff");
    refuse(&b, WKV_E_FORMAT, "'text' is no valid UTF-8");
}

static void keys_are_unique_and_of_known_types(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(0, 3);
    gguf_number(&b, "a", GGUF_U32, 1, 4);
    gguf_number(&b, "b", GGUF_U32, 1, 4);
    gguf_number(&b, "a", GGUF_U32, 2, 4);
    refuse(&b, WKV_E_FORMAT, "'a' is there twice");
    b = gguf_file(0, 1);
    gguf_number(&b, "a", 13, 1, 8);
    refuse(&b, WKV_E_FORMAT, "'a' is of the unknown type 13");
    b = gguf_file(0, 1);
    gguf_array(&b, "a", 77, 1);
    refuse(&b, WKV_E_FORMAT, "'a' is of the unknown type 77");
}

static void nested_arrays_are_refused(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(0, 1);
    gguf_key(&b, "deep", GGUF_ARRAY);
    for (int i = 0; i < 10000; i++) {
        gguf_put(&b, GGUF_ARRAY, 4);
        gguf_put(&b, 1, 8);
    }
    refuse(&b, WKV_E_UNSUPPORTED, "'deep' is an array of arrays");
}

static void alignments_are_checked(void **state)
{
    (void)state;
    static const uint64_t bad[] = {
        0, 3, 31, 48, UINT32_MAX, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const bool narrow = bad[i] <= UINT32_MAX;
        wkv_strbuf b = gguf_file(0, 1);
        gguf_number(&b, "general.alignment", narrow ? GGUF_U32 : GGUF_U64, bad[i], narrow ? 4 : 8);
        refuse(&b, WKV_E_FORMAT, "; a power of two below 2^32 was expected");
    }
    wkv_strbuf b = gguf_file(0, 1);
    gguf_number(&b, "general.alignment", GGUF_I32, 32, 4);
    refuse(&b, WKV_E_FORMAT, "'general.alignment' is no unsigned integer");
    b = gguf_file(0, 1);
    gguf_string(&b, "general.alignment", "32");
    refuse(&b, WKV_E_FORMAT, "'general.alignment' is no unsigned integer");
    b = gguf_file(1, 1);
    gguf_number(&b, "general.alignment", GGUF_U32, (uint32_t)1 << 31, 4);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 1, 0, 0, 0, 0);
    gguf_floats(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'a' reaches beyond the end of the file");
}

/* One tensor with eight floats of data. */
static wkv_strbuf lone(uint32_t type, uint64_t d0, uint64_t d1, uint64_t d2, uint64_t d3,
                       uint64_t offset)
{
    wkv_strbuf b = gguf_file(1, 0);
    gguf_entry(&b, "t", type, d0, d1, d2, d3, offset);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 8);
    return b;
}

static void shapes_that_wrap_are_refused(void **state)
{
    (void)state;
    static const uint64_t dim[][4] = {{UINT64_MAX, 2, 1, 1},
                                      {(uint64_t)1 << 63, 2, 0, 0},
                                      {(uint64_t)1 << 32, (uint64_t)1 << 32, 0, 0},
                                      {4, ((uint64_t)1 << 42) + 1, (uint64_t)1 << 20, 1},
                                      {(uint64_t)1 << 62, 1, 0, 0}};
    for (size_t i = 0; i < sizeof dim / sizeof dim[0]; i++) {
        wkv_strbuf b = lone(GGUF_TYPE_F32, dim[i][0], dim[i][1], dim[i][2], dim[i][3], 0);
        refuse(&b, WKV_E_FORMAT, "'t' is impossible");
    }
    wkv_strbuf b = lone(GGUF_TYPE_F32, 4, ((uint64_t)1 << 42) + 1, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' reaches beyond the end of the file");
    b = lone(GGUF_TYPE_F32, 9, 0, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' reaches beyond the end of the file");
    b = lone(GGUF_TYPE_Q8_0, 16, 2, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' is impossible");
    b = gguf_file(1, 0);
    gguf_put_string(&b, "t");
    gguf_put(&b, 1, 4);
    gguf_put(&b, 0, 8);
    gguf_put(&b, GGUF_TYPE_F32, 4);
    gguf_put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'t' is impossible");
}

/* Each size is possible; their sum, padded, is past 2^64, so that the last would lie at its
 * place again. */
static void sums_that_wrap_are_refused(void **state)
{
    (void)state;
    const uint64_t half = (uint64_t)1 << 63;
    wkv_strbuf b = gguf_file(3, 0);
    gguf_entry(&b, "a", GGUF_TYPE_I8, half - 32, 0, 0, 0, 0);
    gguf_entry(&b, "b", GGUF_TYPE_I8, half - 32, 0, 0, 0, half - 32);
    gguf_entry(&b, "c", GGUF_TYPE_I8, 96, 0, 0, 0, 0);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 32);
    refuse(&b, WKV_E_FORMAT, "'a' reaches beyond the end of the file");
    b = gguf_file(2, 0);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 8, 0, 0, 0, 0);
    gguf_entry(&b, "b", GGUF_TYPE_I8, half - 32, 0, 0, 0, 32);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "'b' reaches beyond the end of the file");
}

static void entries_are_checked(void **state)
{
    (void)state;
    static const uint32_t dims[] = {5, 9, UINT32_MAX};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        wkv_strbuf b = gguf_file(1, 0);
        gguf_put_string(&b, "t");
        gguf_put(&b, dims[i], 4);
        for (int d = 0; d < 20; d++)
            gguf_put(&b, 1, 8);
        refuse(&b, WKV_E_FORMAT, "dimensions; GGUF has 4");
    }
    static const uint32_t types[] = {4, 15, 16, 40, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        wkv_strbuf b = lone(types[i], 8, 0, 0, 0, 0);
        refuse(&b, WKV_E_UNSUPPORTED, "which is not supported");
    }
}

static void offsets_are_checked(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {UINT64_MAX, 32, 1, (uint64_t)1 << 63, UINT64_MAX - 31};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        wkv_strbuf b = lone(GGUF_TYPE_F32, 8, 0, 0, 0, offsets[i]);
        refuse(&b, WKV_E_FORMAT, "0 was expected");
    }
    wkv_strbuf b = gguf_file(2, 0);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 8, 0, 0, 0, 0);
    gguf_entry(&b, "b", GGUF_TYPE_F32, 8, 0, 0, 0, 0);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'b' begins at byte 0 of the data; 32 was expected");
    b = gguf_file(2, 0);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 8, 0, 0, 0, 0);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 8, 0, 0, 0, 32);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "two tensors are called 'a'");
    b = gguf_file(2, 1); /* two names that mean the same */
    gguf_string(&b, "general.architecture", "rwkv7");
    gguf_entry(&b, "blk.0.attn_norm.weight", GGUF_TYPE_F32, 8, 0, 0, 0, 0);
    gguf_entry(&b, "blocks.0.ln1.weight", GGUF_TYPE_F32, 8, 0, 0, 0, 32);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "two tensors are called 'blocks.0.ln1.weight'");
}

static void versions_are_checked(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(0, 0);
    b.data[4] = 2;
    assert_accepted(&b);
    b.data[4] = 1;
    assert_refused(&b, WKV_E_UNSUPPORTED, "version 1;");
    b.data[4] = 4;
    assert_refused(&b, WKV_E_UNSUPPORTED, "version 4;");
    b.data[4] = 0;
    b.data[7] = 3;
    assert_refused(&b, WKV_E_UNSUPPORTED, "big-endian");
    wkv_strbuf_deinit(&b);
}

static void epsilons_are_numbers(void **state)
{
    (void)state;
    static const char *const keys[] = {"rwkv7.attention.layer_norm_epsilon",
                                       "rwkv7.attention.group_norm_epsilon"};
    const float wrong[] = {0.0f, -1e-5f, 1.0f, NAN, INFINITY};
    for (size_t i = 0; i < 2 * sizeof wrong / sizeof wrong[0]; i++) {
        wkv_strbuf b = gguf_file(0, 2);
        gguf_string(&b, "general.architecture", "rwkv7");
        gguf_number(&b, keys[i % 2], GGUF_F32, gguf_bits(wrong[i / 2]), 4);
        assert_refused(&b, WKV_E_FORMAT, keys[i % 2]);
        refuse(&b, WKV_E_FORMAT, "expected a number above 0 and below 1, found ");
    }
}

static void a_count_of_123_tensors_is_no_brace(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file('{', 0);
    refuse(&b, WKV_E_FORMAT, "the file claims 123 tensors");
}

static void damaged_vocabularies_are_refused(void **state)
{
    (void)state;
    static const char *const cut[] = {"\\", "\\x", "\\x1", "\\xg0"};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        wkv_strbuf b = gguf_with_tokens(cut[i], GGUF_I32, 5);
        refuse(&b, WKV_E_FORMAT, "token 4 ends inside an escape");
    }
    wkv_strbuf narrow = gguf_with_tokens("a", GGUF_U8, 5);
    refuse(&narrow, WKV_E_FORMAT, "the vocabulary is damaged");
    wkv_strbuf few = gguf_with_tokens("a", GGUF_I32, 4);
    refuse(&few, WKV_E_FORMAT, "the vocabulary is damaged");
}

static void damage_is_survived(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_rwkv7();
    truncate_everywhere(b.data, b.len);
    flip_every_bit(b.data, b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
    b = gguf_with_tokens("a", GGUF_I32, 5);
    truncate_everywhere(b.data, b.len);
    flip_every_bit(b.data, b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_that_overflow_are_refused),
        cmocka_unit_test(lengths_of_strings_are_checked),
        cmocka_unit_test(keys_are_unique_and_of_known_types),
        cmocka_unit_test(nested_arrays_are_refused),
        cmocka_unit_test(alignments_are_checked),
        cmocka_unit_test(shapes_that_wrap_are_refused),
        cmocka_unit_test(sums_that_wrap_are_refused),
        cmocka_unit_test(entries_are_checked),
        cmocka_unit_test(offsets_are_checked),
        cmocka_unit_test(versions_are_checked),
        cmocka_unit_test(epsilons_are_numbers),
        cmocka_unit_test(a_count_of_123_tensors_is_no_brace),
        cmocka_unit_test(damaged_vocabularies_are_refused),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
