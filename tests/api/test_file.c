/* Files: looking into them, converting them, and the measurements of the machine. */
#include "api.h"

#include "support/forge.h"

#define MODEL "file_model.safetensors"
#define COPY "file_copy.safetensors"
#define COPY_PTH "file_copy.pth"
#define PLAIN "file_plain.safetensors"

static int set_up(void **state)
{
    tiny_model_write(MODEL, &tiny_rwkv7);
    return 0;
}

static int remove_files(void **state)
{
    unlink(MODEL);
    unlink(COPY);
    unlink(COPY_PTH);
    unlink(PLAIN);
    return 0;
}

static wkv_file *open_file(const char *path)
{
    wkv_error err;
    wkv_file *f = NULL;
    must(wkv_file_open(&f, path, &err), &err);
    return f;
}

static const char *meta_of(const wkv_file *f, const char *key)
{
    for (size_t i = 0; i < wkv_file_meta_count(f); i++) {
        const char *k, *v;
        wkv_file_meta_at(f, i, &k, &v);
        if (strcmp(k, key) == 0)
            return v;
    }
    return NULL;
}

static size_t count_of(const wkv_file_tensor *t, int *wide)
{
    size_t n = 1;
    *wide = 0;
    for (int d = 0; d < t->ndim; d++) {
        n *= (size_t)t->dim[d];
        *wide += t->dim[d] > 1;
    }
    return n;
}

/* The same tensors in the same order with the same values, but for what rounding the
 * matrices to a type does; vectors are never rounded. */
static void must_hold_the_same(const char *a_path, const char *b_path, const char *matrices,
                               double rounding)
{
    wkv_error err;
    wkv_file *a = open_file(a_path), *b = open_file(b_path);
    assert_int_equal(wkv_file_tensor_count(a), wkv_file_tensor_count(b));
    assert_true(wkv_file_tensor_count(a) > 50);
    for (size_t i = 0; i < wkv_file_tensor_count(a); i++) {
        wkv_file_tensor ta, tb;
        int wide, wide_b;
        wkv_file_tensor_at(a, i, &ta);
        wkv_file_tensor_at(b, i, &tb);
        assert_string_equal(ta.name, tb.name);
        assert_int_equal(ta.ndim, tb.ndim);
        const size_t n = count_of(&ta, &wide);
        assert_int_equal(n, count_of(&tb, &wide_b));
        assert_int_equal(wide, wide_b);
        assert_string_equal(tb.dtype, wide >= 2 && matrices != NULL ? matrices : ta.dtype);
        float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
        must(wkv_file_tensor_read(a, i, x, &err), &err);
        must(wkv_file_tensor_read(b, i, y, &err), &err);
        for (size_t k = 0; k < n; k++)
            if (fabs((double)x[k] - (double)y[k]) >
                (wide >= 2 ? rounding * fabs((double)x[k]) + rounding * 1e-4 : 0))
                fail_msg("%s[%zu]: %.9g became %.9g", ta.name, k, (double)x[k], (double)y[k]);
        free(x);
        free(y);
    }
    wkv_file_close(&a);
    wkv_file_close(&b);
}

static void convert(const char *in, const char *out, const char *dtype, const char *vocab)
{
    wkv_error err;
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = dtype;
    o.vocab = vocab;
    must(wkv_convert(in, out, &o, &err), &err);
}

static void test_a_copy_is_the_same(void **state)
{
    wkv_error err;
    must(wkv_convert(MODEL, COPY, NULL, &err), &err);
    must_hold_the_same(MODEL, COPY, NULL, 0);
    convert(MODEL, COPY_PTH, NULL, NULL);
    must_hold_the_same(MODEL, COPY_PTH, NULL, 0);
    convert(COPY_PTH, COPY, NULL, NULL);
    must_hold_the_same(MODEL, COPY, NULL, 0);
    convert(COPY, COPY, NULL, NULL); /* onto itself */
    must_hold_the_same(MODEL, COPY, NULL, 0);
    wkv_file *f = open_file(COPY_PTH);
    assert_string_equal(wkv_file_format(f), "pth");
    wkv_file_close(&f);
}

static void test_types_of_the_matrices(void **state)
{
    convert(MODEL, COPY, "bf16", NULL);
    must_hold_the_same(MODEL, COPY, "bf16", 0x1p-8);
    convert(MODEL, COPY, "f16", NULL);
    must_hold_the_same(MODEL, COPY, "f16", 0x1p-11);
    convert(MODEL, COPY, "f32", NULL);
    must_hold_the_same(MODEL, COPY, "f32", 0x1p-24);
    convert(MODEL, COPY_PTH, "bf16", NULL);
    must_hold_the_same(MODEL, COPY_PTH, "bf16", 0x1p-8);
}

/* Without a word in the input, the output says what it is. */
static void test_metadata_is_filled_in_and_kept(void **state)
{
    convert(MODEL, COPY_PTH, NULL, NULL);
    convert(COPY_PTH, COPY, NULL, NULL);
    wkv_file *f = open_file(COPY);
    assert_string_equal(meta_of(f, "wkv.arch"), "rwkv7");
    assert_string_equal(meta_of(f, "wkv.layers"), "3");
    assert_null(meta_of(f, "wkv.tokenizer"));
    wkv_file_close(&f);

    tiny_model big = tiny_rwkv7;
    big.vocab = 300;
    tiny_model_write(COPY, &big);
    convert(COPY, COPY, "f16", "bytes");
    convert(COPY, COPY, NULL, NULL); /* keeps it */
    f = open_file(COPY);
    assert_string_equal(meta_of(f, "wkv.tokenizer"), "bytes");
    assert_null(meta_of(f, "wkv.vocab"));
    assert_string_equal(meta_of(f, "wkv.arch"), "rwkv7");
    wkv_file_close(&f);
    wkv_model *m = open_model(COPY, 1);
    assert_string_equal(wkv_tokenizer_kind(wkv_model_tokenizer(m)), "bytes");
    wkv_model_close(&m);
}

static void test_what_is_no_model_is_converted_all_the_same(void **state)
{
    forge_plain(PLAIN, true);
    convert(PLAIN, COPY, "f16", NULL);
    wkv_file *f = open_file(COPY);
    assert_int_equal(wkv_file_tensor_count(f), 3);
    assert_string_equal(meta_of(f, "author"), "nobody");
    assert_null(meta_of(f, "wkv.arch"));
    static const float square[6] = {1, -2, 3, 4.5f, -5, 6};
    float values[6];
    wkv_error err;
    wkv_file_tensor t;
    for (size_t i = 0; i < 3; i++) {
        wkv_file_tensor_at(f, i, &t);
        if (strcmp(t.name, "whole") == 0) {
            assert_string_equal(t.dtype, "i64");
            must_fail(wkv_file_tensor_read(f, i, values, &err), WKV_E_UNSUPPORTED, &err, "whole");
        } else if (strcmp(t.name, "square") == 0) {
            assert_string_equal(t.dtype, "f16");
            must(wkv_file_tensor_read(f, i, values, &err), &err);
            must_be_same_bits(values, square, 6);
        } else {
            assert_string_equal(t.name, "scalar");
            assert_int_equal(t.ndim, 0);
        }
    }
    wkv_file_close(&f);
}

static size_t read_bytes(const char *path, unsigned char *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, cap, f);
    fclose(f);
    assert_true(n > 0 && n < cap);
    return n;
}

/* There and back, byte for byte, integers included. */
static void test_what_is_no_model_comes_back_the_same(void **state)
{
    unsigned char before[4096], after[4096];
    forge_plain(PLAIN, false);
    convert(PLAIN, COPY_PTH, NULL, NULL);
    convert(COPY_PTH, COPY, NULL, NULL);
    size_t n = read_bytes(PLAIN, before, sizeof before);
    assert_int_equal(read_bytes(COPY, after, sizeof after), n);
    assert_memory_equal(before, after, n);
}

static void refuse(const char *in, const char *out, const wkv_convert_opts *o, wkv_status want,
                   const char *names)
{
    wkv_error err;
    must_fail(wkv_convert(in, out, o, &err), want, &err, names);
    assert_int_equal(wkv_convert(in, out, o, NULL), want);
}

/* What is not there is said to be so. */
static void test_beyond_the_last(void **state)
{
    wkv_error err;
    wkv_file *f;
    wkv_file_tensor t;
    wkv_file_range range;
    float value;
    const char *key = "key", *text = "value";
    forge_plain(PLAIN, true);
    must(wkv_file_open(&f, PLAIN, &err), &err);
    const size_t n = wkv_file_tensor_count(f), metas = wkv_file_meta_count(f);
    wkv_file_tensor_at(f, n, &t);
    assert_null(t.name);
    assert_int_equal(t.ndim, 0);
    wkv_file_meta_at(f, metas, &key, &text);
    assert_null(key);
    assert_null(text);
    must_fail(wkv_file_tensor_read(f, n, &value, &err), WKV_E_ARGUMENT, &err, PLAIN);
    must_fail(wkv_file_tensor_range(f, SIZE_MAX, &range, &err), WKV_E_ARGUMENT, &err, PLAIN);
    wkv_file_close(&f);
}

static void test_closing_nothing(void **state)
{
    wkv_file_close(&(wkv_file *){NULL});
    wkv_model_close(&(wkv_model *){NULL});
    wkv_session_close(&(wkv_session *){NULL});
    wkv_batch_close(&(wkv_batch *){NULL});
    wkv_sampler_close(&(wkv_sampler *){NULL});
    wkv_tokenizer_close(&(wkv_tokenizer *){NULL});
    wkv_prepare_close(&(wkv_prepare *){NULL});
    wkv_trainer_close(&(wkv_trainer *){NULL});
    wkv_trial_close(&(wkv_trial *){NULL});
    wkv_events_close(&(wkv_events *){NULL});
}

static void test_refusals(void **state)
{
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    unlink(COPY);
    refuse(MODEL, "file_copy", NULL, WKV_E_ARGUMENT, "file_copy");
    refuse(MODEL, "no such folder/x.pth", NULL, WKV_E_IO, "no such folder/x.pth");
    refuse("no such model", COPY, NULL, WKV_E_IO, "no such model");
    o.format = "papyrus";
    refuse(MODEL, COPY, &o, WKV_E_UNSUPPORTED, "papyrus");
    o.format = "rwkv.cpp";
    o.dtype = "bf16";
    refuse(MODEL, COPY, &o, WKV_E_UNSUPPORTED, "rwkv.cpp");
    o.format = NULL;
    static const char *const types[] = {"f64", "i32", "q5_1", "", "BF16"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        o.dtype = types[i];
        refuse(MODEL, COPY, &o, WKV_E_ARGUMENT, types[i]);
    }
    o.dtype = NULL;
    o.vocab = "bytes"; /* 256 ids, 96 logits */
    refuse(MODEL, COPY, &o, WKV_E_SHAPE, "bytes");
    o.vocab = "no such vocabulary";
    refuse(MODEL, COPY, &o, WKV_E_IO, "no such vocabulary");
    assert_int_not_equal(access(COPY, F_OK), 0); /* nothing was left behind */
    wkv_error err;
    wkv_file *f = (wkv_file *)&err;
    must_fail(wkv_file_open(&f, "no such file", &err), WKV_E_IO, &err, "no such file");
    assert_null(f);
}

static void test_measurements(void **state)
{
    assert_true(wkv_measure_bandwidth(1, 0.01) > 1e8);
    assert_true(wkv_measure_flops(1, 0.01) > 1e6);
    static const char *const names[] = {"ref", "avx2", "avxvnni", "avx512", "vnni",
                                        "amx", "neon", "dotprod", "i8mm"};
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known = known || strcmp(wkv_cpu_name(), names[i]) == 0;
    assert_true(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_the_same),
        cmocka_unit_test(test_types_of_the_matrices),
        cmocka_unit_test(test_metadata_is_filled_in_and_kept),
        cmocka_unit_test(test_what_is_no_model_is_converted_all_the_same),
        cmocka_unit_test(test_what_is_no_model_comes_back_the_same),
        cmocka_unit_test(test_beyond_the_last),
        cmocka_unit_test(test_closing_nothing),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_measurements),
    };
    return cmocka_run_group_tests_name("file", tests, set_up, remove_files);
}
