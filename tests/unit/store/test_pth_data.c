/* Every checkpoint of the outside data: names, types, shapes, strides and the digest of
 * the contiguous elements as PyTorch itself saw them; and what must be refused. */
#include "test.h"

#include <jansson.h>

#include "store/tensor.h"
#include "support/sha256.h"

static json_t *expected;

static int load(void **state)
{
    json_error_t why;
    expected = json_load_file(test_data_path("pth/expected.json"), 0, &why);
    return expected == NULL;
}

static int unload(void **state)
{
    json_decref(expected);
    return 0;
}

/* "a > b" in the record is our "a.b"; the model's own dict goes without its name. */
static void our_name(char *out, const char *recorded)
{
    if (strncmp(recorded, "state_dict > ", 13) == 0)
        recorded += 13;
    while (*recorded != '\0') {
        if (strncmp(recorded, " > ", 3) == 0) {
            *out++ = '.';
            recorded += 3;
        } else {
            *out++ = *recorded++;
        }
    }
    *out = '\0';
}

static wkv_dtype dtype_of(const char *torch)
{
    static const char *const names[][2] = {
        {"float64", "f64"}, {"float32", "f32"}, {"float16", "f16"},  {"bfloat16", "bf16"},
        {"int64", "i64"},   {"int32", "i32"},   {"int16", "i16"},    {"int8", "i8"},
        {"uint8", "u8"},    {"bool", "bool"},   {"complex64", "c64"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], torch) == 0)
            return wkv_dtype_by_name(names[i][1]);
    fail_msg("unknown type %s", torch);
    return WKV_DTYPE_COUNT;
}

static void check_tensor(const wkv_tensor *t, const json_t *want)
{
    const json_t *shape = json_object_get(want, "shape"), *stride = json_object_get(want, "stride");
    assert_int_equal(t->dtype, dtype_of(json_string_value(json_object_get(want, "dtype"))));
    assert_int_equal(t->ndim, json_array_size(shape));
    for (int d = 0; d < t->ndim; d++) {
        assert_int_equal(t->dim[d], json_integer_value(json_array_get(shape, (size_t)d)));
        assert_int_equal(t->stride[d], json_integer_value(json_array_get(stride, (size_t)d)));
    }
    size_t bytes = (size_t)wkv_tensor_count(t) * (size_t)wkv_dtype_of(t->dtype)->bytes;
    void *copy = malloc(bytes + 1);
    wkv_tensor_copy(copy, t, t->dtype);
    char digest[65];
    sha256_hex(digest, copy, bytes);
    free(copy);
    assert_string_equal(digest, json_string_value(json_object_get(want, "sha256_contiguous_le")));
}

static void check_file(const char *path, const json_t *record)
{
    wkv_store *s;
    wkv_error err;
    const char *name;
    json_t *want;
    json_t *tensors = json_object_get(record, "tensors");
    if (wkv_store_open(&s, path, &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_string_equal(wkv_store_format(s), "pth");
    size_t found = 0;
    json_object_foreach(tensors, name, want)
    {
        char ours[1024];
        if (json_object_get(want, "dtype") == NULL)
            continue;
        our_name(ours, strcmp(name, "<root>") == 0 ? "" : name);
        const wkv_tensor *t = wkv_store_find(s, ours);
        if (t == NULL)
            fail_msg("%s: no tensor '%s'", path, ours);
        check_tensor(t, want);
        found++;
    }
    if (json_object_get(record, "truncated") == NULL)
        assert_int_equal(wkv_store_count(s), found);
    else
        assert_int_equal(wkv_store_count(s), 3000);
    wkv_store_close(&s);
}

static void every_recorded_file_reads_as_pytorch_reads_it(void **state)
{
    const char *name;
    json_t *record;
    int files = 0;
    json_object_foreach(expected, name, record)
    {
        char relative[512];
        snprintf(relative, sizeof relative, "pth/%s", name);
        if (json_object_get(record, "tensors") == NULL ||
            access(test_data_path(relative), R_OK) != 0)
            continue;
        check_file(test_data_path(relative), record);
        files++;
    }
    assert_int_equal(files, 80);
}

static void a_damaged_file_is_refused_by_name(void **state)
{
    wkv_store *s;
    wkv_error err;
    assert_int_equal(wkv_store_open(&s, test_data_path("pth/burn/reader/broken.pt"), &err),
                     WKV_E_FORMAT);
    assert_null(s);
    assert_non_null(strstr(err.text, "broken.pt"));
}

/* PyTorch 1.13's restricted loader refuses these for their floats alone; they hold
 * nothing but numbers, texts and tensors. */
static void configuration_beside_the_weights_is_skipped(void **state)
{
    wkv_store *s;
    wkv_error err;
    if (wkv_store_open(&s, test_data_path("pth/burn/modules/config__weights_with_config.pt"),
                       &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_int_equal(wkv_store_count(s), 3);
    assert_non_null(wkv_store_find(s, "my_model.fc1.weight"));
    wkv_store_close(&s);

    if (wkv_store_open(&s, test_data_path("pth/burn/reader/checkpoint.pt"), &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_non_null(wkv_store_find(s, "model_state_dict.fc1.weight"));
    assert_non_null(wkv_store_find(s, "optimizer_state_dict.state.0.momentum_buffer"));
    wkv_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_file_reads_as_pytorch_reads_it),
        cmocka_unit_test(a_damaged_file_is_refused_by_name),
        cmocka_unit_test(configuration_beside_the_weights_is_skipped),
    };
    test_need_data();
    return cmocka_run_group_tests(tests, load, unload);
}
