/* What a file of tensors is for, told from its names. */
#include "test.h"

#include "store/content.h"
#include "store/format.h"

static const char file[] = "content_test.pth";

typedef struct entry {
    const char *name;
    int64_t rows, cols;
} entry;

static const float zeros[64];

static wkv_store *open_entries(const entry *e, size_t n, const char *meta_key)
{
    wkv_error err;
    wkv_store *s = NULL;
    wkv_tensor t[16];
    assert_true(n <= 16);
    for (size_t i = 0; i < n; i++) {
        t[i] = (wkv_tensor){.name = e[i].name,
                            .dtype = WKV_DTYPE_F32,
                            .ndim = 2,
                            .dim = {e[i].rows, e[i].cols},
                            .data = (const uint8_t *)zeros};
        wkv_tensor_set_strides(&t[i]);
    }
    const wkv_meta meta = {meta_key, "state", 5};
    const wkv_store_out out = {.tensors = t,
                               .n_tensors = n,
                               .meta = &meta,
                               .n_meta = meta_key != NULL,
                               .dtype = WKV_DTYPE_COUNT};
    if (wkv_store_write(file, "pth", &out, &err) != WKV_OK ||
        wkv_store_open(&s, file, &err) != WKV_OK)
        fail_msg("%s", err.text);
    unlink(file);
    return s;
}

static wkv_content content_of(const entry *e, size_t n, const char *meta_key)
{
    wkv_content c;
    wkv_store *s = open_entries(e, n, meta_key);
    wkv_store_content(&c, s);
    wkv_store_close(&s);
    return c;
}

static void test_adapters(void **state)
{
    static const entry lora[] = {
        {"blocks.0.att.key.lora_A", 4, 8},   {"blocks.0.att.key.lora_B", 6, 4},
        {"blocks.3.ffn.value.lora_A", 2, 8}, {"blocks.3.ffn.value.lora_B", 6, 2},
        {"blocks.0.ln1.weight", 1, 8},
    };
    wkv_content c = content_of(lora, 5, NULL);
    assert_int_equal(c.id, WKV_CONTENT_LORA);
    assert_int_equal(c.layers, 4);
    assert_int_equal(c.matrices, 2);
    assert_int_equal(c.rank_min, 2);
    assert_int_equal(c.rank_max, 4);
    assert_int_equal(c.whole, 1);
    assert_true(c.complete);
    assert_false(content_of(lora, 3, NULL).complete); /* an A without its B */
    static const entry unequal[] = {{"blocks.0.att.key.lora_A", 4, 8},
                                    {"blocks.0.att.key.lora_B", 6, 5}};
    assert_false(content_of(unequal, 2, NULL).complete);
    static const entry init[] = {{"blocks.0.att.key.init_lora_A", 4, 8},
                                 {"blocks.0.att.key.init_lora_B", 6, 4}};
    c = content_of(init, 2, NULL);
    assert_int_equal(c.id, WKV_CONTENT_PISSA_INIT);
    assert_int_equal(c.rank_max, 4);
    static const entry bone[] = {{"blocks.0.att.key.bone", 4, 8}, {"blocks.1.ffn.key.bone", 4, 8}};
    c = content_of(bone, 2, NULL);
    assert_int_equal(c.id, WKV_CONTENT_BONE);
    assert_int_equal(c.matrices, 2);
    static const entry states[] = {{"blocks.0.att.time_state", 8, 8},
                                   {"blocks.1.att.time_state", 8, 8}};
    c = content_of(states, 2, NULL);
    assert_int_equal(c.id, WKV_CONTENT_STATE);
    assert_int_equal(c.layers, 2);
}

/* A model that carries the initial states that it was tuned with is a model. */
static void test_models(void **state)
{
    static const entry model[] = {
        {"emb.weight", 4, 8}, {"blocks.0.att.key.weight", 8, 8}, {"blocks.0.att.time_state", 8, 8}};
    assert_int_equal(content_of(model, 2, NULL).id, WKV_CONTENT_MODEL);
    assert_int_equal(content_of(model, 3, NULL).id, WKV_CONTENT_MODEL);
    assert_int_equal(content_of(model, 2, "train.checkpoint").id, WKV_CONTENT_CHECKPOINT);
    assert_int_equal(content_of(model, 1, NULL).id, WKV_CONTENT_TENSORS);
    assert_int_equal(content_of(model, 1, "wkv.kind").id, WKV_CONTENT_SESSION);
    for (int i = WKV_CONTENT_TENSORS; i <= WKV_CONTENT_BONE; i++)
        assert_true(strlen(wkv_content_name((wkv_content_id)i)) > 3);
}

static void test_factors_are_found_by_the_matrix(void **state)
{
    static const entry both[] = {
        {"blocks.0.att.key.lora_A", 4, 8},      {"blocks.0.att.key.lora_B", 6, 4},
        {"blocks.0.att.key.init_lora_A", 3, 8}, {"blocks.0.att.key.init_lora_B", 6, 3},
        {"blocks.1.att.key.lora_A", 4, 8},
    };
    const wkv_tensor *a, *b;
    wkv_store *s = open_entries(both, 5, NULL);
    assert_true(wkv_content_factors(s, "blocks.0.att.key.weight", false, &a, &b));
    assert_int_equal(a->dim[0], 4);
    assert_int_equal(b->dim[1], 4);
    assert_true(wkv_content_factors(s, "blocks.0.att.key.weight", true, &a, &b));
    assert_int_equal(a->dim[0], 3);
    assert_false(wkv_content_factors(s, "blocks.1.att.key.weight", false, &a, &b));
    assert_false(wkv_content_factors(s, "blocks.0.att.key", false, &a, &b));
    assert_false(wkv_content_factors(s, "blocks.0.att.value.weight", false, &a, &b));
    wkv_store_close(&s);
}

/* A PiSSA adapter that holds where it began: its matrices count once, whichever comes first. */
static void test_pissa_counts_matrices_once(void **state)
{
    static const entry init_first[] = {
        {"blocks.0.att.key.init_lora_A", 3, 8}, {"blocks.0.att.key.init_lora_B", 6, 3},
        {"blocks.0.att.key.lora_A", 4, 8},      {"blocks.0.att.key.lora_B", 6, 4},
        {"blocks.0.att.key.init_lora_A", 3, 8},
    };
    for (size_t first = 0; first < 2; first++) {
        wkv_content c = content_of(first == 0 ? init_first : init_first + 2, first == 0 ? 4 : 3,
                                   NULL);
        assert_int_equal(c.id, WKV_CONTENT_LORA);
        assert_int_equal(c.matrices, 1);
        assert_int_equal(c.rank_min, 4);
        assert_int_equal(c.rank_max, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_factors_are_found_by_the_matrix),
        cmocka_unit_test(test_pissa_counts_matrices_once),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
