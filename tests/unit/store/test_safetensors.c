/* Reading .safetensors: what is right, and every way to be wrong. */
#include "test.h"

#include "hostile.h"
#include "store/bytes.h"
#include "store/format.h"

/* A file of this header and `bytes` bytes of data: 0, 1, 2, ... */
static wkv_strbuf file_of(const char *header, size_t bytes)
{
    wkv_strbuf b;
    uint8_t size[8];
    wkv_strbuf_init(&b);
    wkv_put_u64(size, strlen(header));
    wkv_strbuf_add(&b, size, sizeof size);
    wkv_strbuf_puts(&b, header);
    for (size_t i = 0; i < bytes; i++)
        wkv_strbuf_add(&b, &(char){(char)i}, 1);
    return b;
}

static void refuse(const char *header, size_t bytes, wkv_status status, const char *words)
{
    wkv_strbuf b = file_of(header, bytes);
    assert_refused(&b, status, words);
    wkv_strbuf_deinit(&b);
}

static const char good[] =
    "{\"__metadata__\":{\"k\":\"v\\u00e9\"},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]},"
    "\"b.\xc3\xa9\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]},"
    "\"c\":{\"dtype\":\"I8\",\"shape\":[2,1],\"data_offsets\":[2,4]},"
    "\"none\":{\"dtype\":\"U64\",\"shape\":[3,0],\"data_offsets\":[20,20]}} ";

static void tensors_and_metadata_are_found(void **state)
{
    wkv_store *s;
    wkv_error err;
    wkv_strbuf b = file_of(good, 20);
    if (wkv_store_open_memory(&s, "name", b.data, b.len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_string_equal(wkv_store_path(s), "name");
    assert_string_equal(wkv_store_format(s), "safetensors");
    assert_int_equal(wkv_store_count(s), 4);
    assert_string_equal(wkv_store_meta(s, "k"), "v\xc3\xa9");
    assert_null(wkv_store_meta(s, "K"));
    const wkv_tensor *t = wkv_store_find(s, "a");
    assert_int_equal(t->dtype, WKV_DTYPE_F32);
    assert_int_equal(t->stride[0], 2);
    assert_int_equal(t->data[0], 4);
    t = wkv_store_find(s, "b.\xc3\xa9");
    assert_int_equal(t->ndim, 0);
    assert_int_equal(wkv_tensor_count(t), 1);
    assert_int_equal(wkv_tensor_count(wkv_store_find(s, "none")), 0);
    assert_null(wkv_store_find(s, "d"));
    assert_ptr_equal(wkv_store_at(s, 0), wkv_store_find(s, "a"));
    wkv_store_close(&s);
    assert_null(s);
    wkv_strbuf_deinit(&b);
}

static void damage_is_survived_everywhere(void **state)
{
    wkv_strbuf b = file_of(good, 20);
    assert_accepted(&b);
    assert_int_equal(truncate_everywhere(b.data, b.len), 0);
    /* Data carries no checksum, so flips there go unseen; names may change, too. */
    size_t accepted = flip_every_bit(b.data, b.len);
    assert_true(accepted >= 8 * 20 && accepted < 4 * b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
}

static void the_header_must_fit(void **state)
{
    wkv_strbuf b = file_of("{}", 0);
    assert_accepted(&b);
    wkv_put_u64((uint8_t *)b.data, (uint64_t)1 << 60);
    assert_refused(&b, WKV_E_FORMAT, "the header claims 1152921504606846976 bytes, but 2 follow");
    wkv_put_u64((uint8_t *)b.data, UINT64_MAX);
    assert_refused(&b, WKV_E_FORMAT, "the header claims");
    wkv_strbuf_deinit(&b);
    refuse("{\"a\":{}}", 0, WKV_E_FORMAT, "tensor 'a' has no dtype");
    refuse("{\"a\":3}", 0, WKV_E_FORMAT, "tensor 'a' is no object");
    refuse("{\"a\":", 0, WKV_E_FORMAT, "not valid JSON: line 1");
    refuse("{}x", 0, WKV_E_FORMAT, "not valid JSON");
    refuse("{\"__metadata__\":3}", 0, WKV_E_FORMAT, "the metadata is no JSON object");
    refuse("{\"__metadata__\":{\"k\":3}}", 0, WKV_E_FORMAT, "metadata 'k' is no string");
    refuse("{\"\xff\":{}}", 0, WKV_E_FORMAT, "not valid JSON");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
           "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
           1, WKV_E_FORMAT, "duplicate");
    refuse("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, WKV_E_FORMAT, "duplicate");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, WKV_E_FORMAT, "duplicate");
}

static void entry(const char *entry_text, size_t bytes, wkv_status status, const char *words)
{
    char header[512];
    snprintf(header, sizeof header, "{\"w\":{%s}}", entry_text);
    refuse(header, bytes, status, words);
}

static void entries_must_make_sense(void **state)
{
    entry("\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]", 1, WKV_E_UNSUPPORTED,
          "tensor 'w' is of type F8_E4M3");
    entry("\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]", 1, WKV_E_FORMAT, "has no dtype");
    entry("\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]", 1, WKV_E_FORMAT, "has no shape");
    entry("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]", 1, WKV_E_FORMAT,
          "dimension 0 of tensor 'w'");
    entry("\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]", 1, WKV_E_FORMAT,
          "dimension 0 of tensor 'w'");
    entry("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]", 1, WKV_E_LIMIT,
          "9 dimensions");
    entry("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]", 0,
          WKV_E_FORMAT, "the shape of tensor 'w' overflows");
    entry("\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]", 0,
          WKV_E_FORMAT, "the shape of tensor 'w' overflows");
    entry("\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]", 0,
          WKV_E_FORMAT, "not valid JSON");
    entry("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]", 1, WKV_E_FORMAT,
          "has 1 bytes of data; its shape needs 2");
    entry("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]", 1, WKV_E_FORMAT,
          "ends at byte 2 of 1");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,18446744073709551615]", 1,
          WKV_E_FORMAT, "not valid JSON");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]", 1,
          WKV_E_FORMAT, "ends at byte 9223372036854775807 of 1");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9223372036854775806,"
          "9223372036854775807]",
          1, WKV_E_FORMAT, "ends at byte 9223372036854775807 of 1");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]", 1, WKV_E_FORMAT,
          "no valid data_offsets");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]", 1, WKV_E_FORMAT,
          "no valid data_offsets");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]", 1, WKV_E_FORMAT,
          "no valid data_offsets");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]", 1, WKV_E_FORMAT,
          "no valid data_offsets");
    entry("\"dtype\":\"U8\",\"shape\":[1]", 1, WKV_E_FORMAT, "no valid data_offsets");
}

/* No elements: the other dimensions may be as large as they like, but one by one. */
static void shapes_without_elements_are_harmless(void **state)
{
    wkv_strbuf b =
        file_of("{\"w\":{\"dtype\":\"F32\",\"shape\":[0,9007199254740992,9007199254740992],"
                "\"data_offsets\":[0,0]}}",
                0);
    assert_accepted(&b);
    wkv_strbuf_deinit(&b);
}

static void the_data_is_covered_exactly(void **state)
{
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]", 2, WKV_E_FORMAT,
          "begins at byte 1 of the data; 0 was expected");
    entry("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]", 2, WKV_E_FORMAT,
          "cover 1 bytes, but the file holds 2");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
           3, WKV_E_FORMAT, "tensor 'b' begins at byte 1 of the data; 2 was expected");
}

/* JSON that would cost a thousand times its size is refused before it is parsed. */
static void bombs_are_defused(void **state)
{
    wkv_strbuf header;
    wkv_strbuf_init(&header);
    wkv_strbuf_puts(&header, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        wkv_strbuf_puts(&header, "[");
    refuse(header.data, 0, WKV_E_FORMAT, "nested too deeply at byte 7");
    wkv_strbuf_deinit(&header);

    wkv_strbuf_init(&header);
    wkv_strbuf_puts(&header, "{\"a\":{\"shape\":[0");
    for (int i = 0; i < 1 << 20; i++)
        wkv_strbuf_puts(&header, ",0");
    wkv_strbuf_puts(&header, "]}}");
    refuse(header.data, 0, WKV_E_LIMIT, "more than 1048576 values");
    wkv_strbuf_deinit(&header);
}

static void names_have_a_limit(void **state)
{
    wkv_strbuf header;
    wkv_strbuf_init(&header);
    wkv_strbuf_puts(&header, "{\"");
    for (int i = 0; i < 5000; i++)
        wkv_strbuf_puts(&header, "n");
    wkv_strbuf_puts(&header, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    refuse(header.data, 0, WKV_E_LIMIT, "a tensor's name has 5000 bytes");
    wkv_strbuf_deinit(&header);
}

static void other_files_are_not_recognised(void **state)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    assert_refused(&(wkv_strbuf){.data = (char[]){""}}, WKV_E_FORMAT, "the file is empty");
    wkv_strbuf_puts(&b, "just some text that is not a model");
    assert_refused(&b, WKV_E_FORMAT, "not a model file of a known form");
    wkv_strbuf_deinit(&b);
    wkv_store *s;
    wkv_error err;
    assert_int_equal(wkv_store_open(&s, "/nonexistent/file", &err), WKV_E_IO);
    assert_null(s);
    assert_non_null(strstr(err.text, "/nonexistent/file"));
    assert_int_equal(wkv_store_open(&s, "/nonexistent/file", NULL), WKV_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_found),
        cmocka_unit_test(damage_is_survived_everywhere),
        cmocka_unit_test(the_header_must_fit),
        cmocka_unit_test(entries_must_make_sense),
        cmocka_unit_test(shapes_without_elements_are_harmless),
        cmocka_unit_test(the_data_is_covered_exactly),
        cmocka_unit_test(bombs_are_defused),
        cmocka_unit_test(names_have_a_limit),
        cmocka_unit_test(other_files_are_not_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
