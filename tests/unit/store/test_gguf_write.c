/* Writing GGUF: what is written and read again is the same, bit for bit and name by name,
 * whatever the file was like in between. */
#include "test.h"

#include "base/mem.h"
#include "store/format.h"

static const char path[] = "written.gguf";

static wkv_store *open_ok(const char *p)
{
    wkv_store *s;
    wkv_error err;
    if (wkv_store_open(&s, p, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static wkv_store_out everything(const wkv_store *s, wkv_dtype dtype)
{
    const size_t n = wkv_store_count(s);
    wkv_tensor *list = wkv_malloc(n * sizeof *list);
    assert_non_null(list);
    for (size_t i = 0; i < n; i++)
        list[i] = *wkv_store_at(s, i);
    return (wkv_store_out){.tensors = list, .n_tensors = n, .dtype = dtype};
}

static void assert_same_tensor(const wkv_tensor *a, const wkv_tensor *b)
{
    const int64_t n = wkv_tensor_count(a);
    assert_int_equal(a->ndim, b->ndim);
    assert_memory_equal(a->dim, b->dim, (size_t)a->ndim * sizeof a->dim[0]);
    float *x = wkv_malloc((size_t)n * sizeof *x), *y = wkv_malloc((size_t)n * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    wkv_tensor_copy(x, a, WKV_DTYPE_F32);
    wkv_tensor_copy(y, b, WKV_DTYPE_F32);
    if (memcmp(x, y, (size_t)n * sizeof *x) != 0)
        fail_msg("%s differs", a->name);
    wkv_free(x);
    wkv_free(y);
}

static void goes_round(const char *model)
{
    char relative[128];
    snprintf(relative, sizeof relative, "tiny-rwkv/tiny-rwkv-%s-FP32.bin", model);
    wkv_store *before = open_ok(test_data_path(relative));
    wkv_store_out what = everything(before, WKV_DTYPE_COUNT);
    wkv_error err;
    if (wkv_store_write(path, "gguf", &what, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_store *after = open_ok(path);
    assert_string_equal(wkv_store_format(after), "gguf");
    assert_int_equal(wkv_store_count(after), wkv_store_count(before));
    for (size_t i = 0; i < wkv_store_count(before); i++) {
        const wkv_tensor *a = wkv_store_at(before, i), *b = wkv_store_find(after, a->name);
        if (b == NULL)
            fail_msg("%s is gone", a->name);
        assert_same_tensor(a, b);
    }
    wkv_store_close(&after);
    wkv_store_close(&before);
    wkv_free((void *)(uintptr_t)what.tensors);
}

static void models_go_round(void **state)
{
    (void)state;
    static const char *const models[] = {"4v0-660K", "5v2-730K", "6v0-1m", "7v0-834K"};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        goes_round(models[i]);
}

/* A source of RWKV-7 of these names, two values each. */
static wkv_status write_names(const char *const *names, size_t n, wkv_error *err)
{
    static const float values[2] = {1, 2};
    wkv_tensor list[8];
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++) {
        list[i] = (wkv_tensor){.name = names[i],
                               .ndim = 1,
                               .dim = {2},
                               .dtype = WKV_DTYPE_F32,
                               .data = (const uint8_t *)values};
        wkv_tensor_set_strides(&list[i]);
    }
    const wkv_meta meta[] = {{"wkv.gn_eps", "0.00064", 7}, {"wkv.tokenizer", "bytes", 5}};
    const wkv_store_out what = {
        .tensors = list, .n_tensors = n, .meta = meta, .n_meta = 2, .dtype = WKV_DTYPE_COUNT};
    return wkv_store_write(path, "gguf", &what, err);
}

static void a_mix_without_its_fellows_is_refused(void **state)
{
    (void)state;
    wkv_error err;
    const char *const headless[] = {"blocks.0.att.r_k", "blocks.0.att.x_w"};
    assert_int_equal(write_names(headless, 2, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "'blocks.0.att.x_r' is missing"));
    const char *const torn[] = {"blocks.0.att.r_k", "blocks.0.att.x_r"};
    assert_int_equal(write_names(torn, 2, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "'blocks.0.att.x_w' is missing"));
}

static void metadata_and_unknown_tensors_are_kept(void **state)
{
    (void)state;
    wkv_error err;
    const char *const names[] = {"blocks.0.att.r_k", "other"};
    assert_int_equal(write_names(names, 2, &err), WKV_OK);
    wkv_store *s = open_ok(path);
    assert_string_equal(wkv_store_meta(s, "wkv.gn_eps"), "0.00064");
    assert_string_equal(wkv_store_meta(s, "wkv.tokenizer"), "bytes");
    assert_null(wkv_store_meta(s, "tokenizer.ggml.model"));
    assert_non_null(wkv_store_find(s, "other"));
    wkv_store_close(&s);
}

/* llama.cpp takes the type of what it does not multiply with for granted. */
static void only_products_get_another_type(void **state)
{
    (void)state;
    wkv_error err;
    wkv_store *s = open_ok(test_data_path("tiny-rwkv/tiny-rwkv-6v0-1m-FP32.bin"));
    wkv_store_out what = everything(s, WKV_DTYPE_F16);
    if (wkv_store_write(path, "gguf", &what, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_store *after = open_ok(path);
    for (size_t i = 0; i < wkv_store_count(after); i++) {
        const wkv_tensor *t = wkv_store_at(after, i);
        const char *end = strrchr(t->name, '.');
        const bool product = strcmp(end, ".weight") == 0 && strstr(t->name, ".ln") == NULL &&
                             strncmp(t->name, "ln_", 3) != 0;
        if ((t->dtype == WKV_DTYPE_F16) != product)
            fail_msg("%s is %s", t->name, wkv_dtype_of(t->dtype)->name);
    }
    wkv_store_close(&after);
    wkv_store_close(&s);
    wkv_free((void *)(uintptr_t)what.tensors);
}

static void vocabulary_and_ids_go_round(void **state)
{
    (void)state;
    static const float values[12] = {0};
    static const char vocab[] = "1 '\xc3\xa9\\n\"' 4\n2 b'\\xff\\\\a' 3\n4 \"b'\" 2\n";
    wkv_tensor list[] = {
        {.name = "emb.weight", .dtype = WKV_DTYPE_F32, .ndim = 2, .dim = {6, 2}},
        {.name = "blocks.0.att.r_k", .dtype = WKV_DTYPE_F32, .ndim = 2, .dim = {1, 2}}};
    for (int i = 0; i < 2; i++) {
        list[i].data = (const uint8_t *)values;
        wkv_tensor_set_strides(&list[i]);
    }
    wkv_meta meta[] = {{"wkv.tokenizer", "world", 5},
                       {"wkv.vocab", vocab, sizeof vocab - 1},
                       {"tokenizer.ggml.eos_token_id", "0", 1},
                       {"tokenizer.ggml.add_bos_token", "false", 5}};
    wkv_store_out what = {
        .tensors = list, .n_tensors = 2, .meta = meta, .n_meta = 4, .dtype = WKV_DTYPE_COUNT};
    wkv_error err;
    assert_int_equal(wkv_store_write(path, "gguf", &what, &err), WKV_OK);
    wkv_store *s = open_ok(path);
    assert_string_equal(wkv_store_meta(s, "wkv.tokenizer"), "world");
    assert_string_equal(wkv_store_meta(s, "wkv.vocab"), "1 b'\\xc3\\xa9\\x0a\"' 4\n"
                                                        "2 b'\\xff\\x5ca' 3\n"
                                                        "4 b'b\\x27' 2\n");
    assert_string_equal(wkv_store_meta(s, "tokenizer.ggml.eos_token_id"), "0");
    assert_string_equal(wkv_store_meta(s, "tokenizer.ggml.add_bos_token"), "false");
    wkv_store_close(&s);
    meta[1] = (wkv_meta){"wkv.vocab", "6 'a' 1\n", 8};
    assert_int_equal(wkv_store_write(path, "gguf", &what, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "line 1 of the vocabulary"));
}

int main(void)
{
    test_need_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_go_round),
        cmocka_unit_test(only_products_get_another_type),
        cmocka_unit_test(a_mix_without_its_fellows_is_refused),
        cmocka_unit_test(vocabulary_and_ids_go_round),
        cmocka_unit_test(metadata_and_unknown_tensors_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
