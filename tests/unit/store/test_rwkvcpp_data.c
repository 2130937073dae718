/* The small real models in rwkv.cpp's form: canonical names, shapes and values. */
#include "test.h"

#include <math.h>

#include "store/tensor.h"

static wkv_store *open_model(const char *version)
{
    char relative[128];
    wkv_store *s;
    wkv_error err;
    snprintf(relative, sizeof relative, "tiny-rwkv/tiny-rwkv-%s.bin", version);
    if (wkv_store_open(&s, test_data_path(relative), &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_string_equal(wkv_store_format(s), "rwkv.cpp");
    return s;
}

static const wkv_tensor *need(const wkv_store *s, const char *name, wkv_dtype dtype, int ndim,
                              int64_t d0, int64_t d1, int64_t d2)
{
    const wkv_tensor *t = wkv_store_find(s, name);
    if (t == NULL)
        fail_msg("no tensor '%s'", name);
    const int64_t dim[3] = {d0, d1, d2};
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->ndim, ndim);
    for (int d = 0; d < ndim; d++)
        assert_int_equal(t->dim[d], dim[d]);
    return t;
}

static float element(const wkv_tensor *t, int64_t i)
{
    float f;
    wkv_tensor_read(&f, t, WKV_DTYPE_F32, i, 1);
    return f;
}

static void rwkv4_holds_raw_decays(void **state)
{
    wkv_store *s = open_model("4v0-660K-FP32");
    assert_int_equal(wkv_store_count(s), 78);
    assert_null(wkv_store_meta(s, "wkv.gn_eps"));
    need(s, "emb.weight", WKV_DTYPE_F32, 2, 256, 128, 0);
    need(s, "blocks.3.ffn.key.weight", WKV_DTYPE_F32, 2, 256, 128, 0);
    need(s, "blocks.0.att.time_mix_k", WKV_DTYPE_F32, 3, 1, 1, 128);
    const wkv_tensor *t = need(s, "blocks.0.att.time_decay", WKV_DTYPE_F32, 1, 128, 0, 0);
    /* Raw values, of which the file holds -exp: the reference starts them between -5 and 3. */
    for (int64_t i = 0; i < 128; i++)
        assert_true(element(t, i) > -12.0f && element(t, i) < 12.0f);
    wkv_store_close(&s);
}

static void half_and_quantised_files_keep_their_types(void **state)
{
    wkv_store *s = open_model("4v0-660K-FP16");
    need(s, "blocks.0.att.key.weight", WKV_DTYPE_F16, 2, 128, 128, 0);
    need(s, "blocks.0.ln1.weight", WKV_DTYPE_F32, 1, 128, 0, 0);
    wkv_store_close(&s);
    s = open_model("4v0-660K-Q5_1");
    const wkv_tensor *q = need(s, "blocks.0.att.key.weight", WKV_DTYPE_Q5_1, 2, 128, 128, 0);
    wkv_store *full = open_model("4v0-660K-FP32");
    const wkv_tensor *f = need(full, "blocks.0.att.key.weight", WKV_DTYPE_F32, 2, 128, 128, 0);
    float a[128], b[128], scale = 0.0f, distance = 0.0f;
    wkv_tensor_read(a, q, WKV_DTYPE_F32, 96, 128);
    wkv_tensor_read(b, f, WKV_DTYPE_F32, 96, 128);
    for (int i = 0; i < 128; i++) {
        scale = fmaxf(scale, fabsf(b[i]));
        distance = fmaxf(distance, fabsf(a[i] - b[i]));
    }
    assert_true(scale > 0.0f && distance > 0.0f && distance < 0.05f * scale);
    wkv_store_close(&full);
    wkv_store_close(&s);
}

static void rwkv5_has_its_own_epsilon(void **state)
{
    wkv_store *s = open_model("5v2-730K-FP32");
    assert_string_equal(wkv_store_meta(s, "wkv.gn_eps"), "1e-05");
    const wkv_tensor *t = need(s, "blocks.0.att.time_decay", WKV_DTYPE_F32, 2, 8, 8, 0);
    need(s, "blocks.0.att.time_faaaa", WKV_DTYPE_F32, 2, 8, 8, 0);
    need(s, "blocks.0.att.gate.weight", WKV_DTYPE_F32, 2, 64, 64, 0);
    for (int64_t i = 0; i < 64; i++)
        assert_true(element(t, i) > -12.0f && element(t, i) < 6.0f);
    wkv_store_close(&s);
}

static void rwkv6_low_ranks_are_turned_back(void **state)
{
    wkv_store *s = open_model("6v0-1m-FP32");
    const wkv_tensor *w1 = need(s, "blocks.0.att.time_maa_w1", WKV_DTYPE_F32, 2, 64, 160, 0);
    assert_int_equal(w1->stride[0], 1);
    assert_int_equal(w1->stride[1], 64);
    const wkv_tensor *w2 = need(s, "blocks.0.att.time_maa_w2", WKV_DTYPE_F32, 3, 5, 32, 64);
    assert_int_equal(w2->stride[0], 2048);
    assert_int_equal(w2->stride[1], 1);
    assert_int_equal(w2->stride[2], 32);
    need(s, "blocks.0.att.time_decay", WKV_DTYPE_F32, 3, 1, 1, 64);
    need(s, "blocks.0.att.time_decay_w1", WKV_DTYPE_F32, 2, 64, 64, 0);
    need(s, "blocks.0.att.time_faaaa", WKV_DTYPE_F32, 2, 8, 8, 0);
    need(s, "blocks.0.att.time_maa_x", WKV_DTYPE_F32, 3, 1, 1, 64);
    wkv_store_close(&s);
}

static void rwkv7_mixes_are_split(void **state)
{
    wkv_store *s = open_model("7v0-834K-FP32");
    assert_null(wkv_store_meta(s, "wkv.gn_eps"));
    assert_int_equal(wkv_store_count(s), 339 + 12 * 5);
    static const char order[] = "rwkvag";
    const uint8_t *first = NULL;
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.11.att.x_%c", order[i]);
        const wkv_tensor *x = need(s, name, WKV_DTYPE_F32, 3, 1, 1, 64);
        first = i == 0 ? x->data : first;
        assert_ptr_equal(x->data, first + 256 * i);
    }
    assert_null(wkv_store_find(s, "blocks.11.att.x_rwkvag"));
    const wkv_tensor *w1 = need(s, "blocks.0.att.w1", WKV_DTYPE_F32, 2, 64, 32, 0);
    assert_int_equal(w1->stride[0], 1);
    need(s, "blocks.0.att.w2", WKV_DTYPE_F32, 2, 32, 64, 0);
    need(s, "blocks.0.att.r_k", WKV_DTYPE_F32, 2, 1, 64, 0);
    need(s, "blocks.0.att.w0", WKV_DTYPE_F32, 3, 1, 1, 64);
    assert_null(wkv_store_find(s, "blocks.0.att.v1"));
    wkv_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rwkv4_holds_raw_decays),
        cmocka_unit_test(half_and_quantised_files_keep_their_types),
        cmocka_unit_test(rwkv5_has_its_own_epsilon),
        cmocka_unit_test(rwkv6_low_ranks_are_turned_back),
        cmocka_unit_test(rwkv7_mixes_are_split),
    };
    test_need_data();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
