/* Quantised models: every type in every version runs and stays near the model it was made of,
 * the number of threads changes nothing, and what cannot be done is said. */
#include "api.h"

#include "support/forge.h"

#define MODEL "quantize.safetensors"
#define OUT "quantize.gguf"
#define OTHER "quantize_other.gguf"

enum { V = 512 };

static void make(const char *arch, int width)
{
    wkv_error err;
    wkv_random_opts o;
    wkv_random_opts_init(&o);
    o.arch = arch;
    o.layers = 2;
    o.width = width;
    o.head_size = 32;
    o.vocab_size = V;
    o.vocab = "bytes";
    must(wkv_random_model(MODEL, &o, &err), &err);
}

static void read_logits(const char *path, float *out)
{
    static const int32_t ids[] = {7, 200, 0, 42, 42, 13};
    wkv_model *m = open_model(path, 1);
    wkv_session *s = open_session(m);
    feed(s, ids, 6);
    memcpy(out, wkv_session_logits(s), V * sizeof *out);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static wkv_quantize_result quantize(const char *out, const char *type, int threads)
{
    wkv_error err;
    wkv_quantize_opts o;
    wkv_quantize_result r;
    wkv_quantize_opts_init(&o);
    o.type = type;
    o.threads = threads;
    must(wkv_quantize(MODEL, out, &o, &r, &err), &err);
    return r;
}

/* Types from the best to the worst, with how far the logits may be from the model's, relative
 * to the largest, and how much a weight may err. */
static const struct {
    const char *type;
    double logits, weights;
} types[] = {
    {"q8_0", 0.03, 0.006}, {"q6_k", 0.06, 0.02},  {"q5_k_m", 0.15, 0.04}, {"q5_k", 0.15, 0.04},
    {"q5_1", 0.15, 0.04},  {"q5_0", 0.15, 0.045}, {"q4_k_m", 0.3, 0.075}, {"q4_k", 0.3, 0.075},
    {"q4_1", 0.3, 0.075},  {"q4_0", 0.3, 0.085},  {"q3_k", 0.5, 0.15},    {"q2_k", 0.9, 0.3},
};

/* Every step-th of the types. */
static void check_types(const char *arch, size_t step)
{
    float want[V], got[V];
    make(arch, 256);
    read_logits(MODEL, want);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i += step) {
        const wkv_quantize_result r = quantize(OUT, types[i].type, 2);
        read_logits(OUT, got);
        const double off = relative_difference(got, want, V);
        printf("  %s %s: logits within %.3f, weights %.4f\n", arch, types[i].type, off, r.error);
        if (off > types[i].logits || r.error > types[i].weights)
            fail_msg("%s as %s: logits off by %g, weights by %g", arch, types[i].type, off,
                     r.error);
        assert_true(r.quantised > 0 && r.quantised < r.elements);
        assert_true(r.bytes_after < r.bytes_before / 2);
    }
}

static void test_rwkv4(void **state)
{
    check_types("rwkv4", 5);
}

static void test_rwkv5(void **state)
{
    check_types("rwkv5", 4);
}

static void test_rwkv6(void **state)
{
    check_types("rwkv6", 3);
}

static void test_rwkv7(void **state)
{
    check_types("rwkv7", 1);
}

static void test_aft(void **state)
{
    check_types("aft-local", 6);
    check_types("aft-conv", 6);
    check_types("aft-full", 6);
}

static const char *dtype_in(const char *path, const char *name)
{
    static char dtype[16];
    wkv_error err;
    wkv_file *f;
    must(wkv_file_open(&f, path, &err), &err);
    dtype[0] = '\0';
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor t;
        wkv_file_tensor_at(f, i, &t);
        if (strcmp(t.name, name) == 0)
            snprintf(dtype, sizeof dtype, "%s", t.dtype);
    }
    wkv_file_close(&f);
    return dtype;
}

/* What is sensitive gets more bits; rows of another length get blocks of another size. */
static void test_who_gets_what(void **state)
{
    wkv_error err;
    wkv_quantize_opts o;
    make("rwkv7", 256);
    quantize(OUT, "q4_k_m", 1);
    assert_string_equal(dtype_in(OUT, "blocks.1.att.key.weight"), "q4_k");
    assert_string_equal(dtype_in(OUT, "blocks.1.ffn.value.weight"), "q5_k");
    assert_string_equal(dtype_in(OUT, "blocks.1.att.output.weight"), "q5_k");
    assert_string_equal(dtype_in(OUT, "head.weight"), "q6_k");
    assert_string_equal(dtype_in(OUT, "emb.weight"), "q4_k");
    assert_string_equal(dtype_in(OUT, "blocks.1.att.w1"), "f32");
    assert_string_equal(dtype_in(OUT, "blocks.1.ln1.weight"), "f32");
    wkv_quantize_opts_init(&o);
    o.type = "q4_k";
    o.pure = true;
    must(wkv_quantize(MODEL, OUT, &o, NULL, &err), &err);
    assert_string_equal(dtype_in(OUT, "head.weight"), "q4_k");
    make("rwkv4", 96);
    quantize(OUT, "q4_k", 1);
    assert_string_equal(dtype_in(OUT, "blocks.1.att.key.weight"), "q5_0");
    assert_string_equal(dtype_in(OUT, "head.weight"), "q8_0");
    quantize("quantize.bin", "q5_1", 1);
    assert_string_equal(dtype_in("quantize.bin", "blocks.1.att.key.weight"), "q5_1");
    assert_string_equal(dtype_in("quantize.bin", "head.weight"), "q8_0");
}

static bool same_file(const char *a, const char *b)
{
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    assert_non_null(f);
    assert_non_null(g);
    int x, y;
    do {
        x = fgetc(f);
        y = fgetc(g);
    } while (x == y && x != EOF);
    fclose(f);
    fclose(g);
    return x == y;
}

static void test_threads_change_nothing(void **state)
{
    make("rwkv7", 256);
    const wkv_quantize_result one = quantize(OUT, "q4_k", 1), three = quantize(OTHER, "q4_k", 3);
    assert_true(same_file(OUT, OTHER));
    assert_true(one.error == three.error);
}

static void write_text(const char *path, const char *text, int times)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < times; i++)
        fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_calibration(void **state)
{
    static const char *const archs[] = {"rwkv4", "rwkv5", "rwkv6", "rwkv7"};
    write_text("quantize.txt", "what the columns of a matrix are used for\n", 40);
    write_text("quantize_empty.txt", "", 1);
    for (size_t i = 0; i < 4; i++) {
        wkv_error err;
        wkv_quantize_opts o;
        wkv_quantize_result r;
        float got[V], want[V];
        make(archs[i], 256);
        read_logits(MODEL, want);
        quantize(OTHER, "q4_0", 1);
        wkv_quantize_opts_init(&o);
        o.type = "q4_0";
        o.calibrate = "quantize.txt";
        o.calibrate_tokens = 64;
        must(wkv_quantize(MODEL, OUT, &o, &r, &err), &err);
        assert_int_equal(r.calibrated, 64);
        assert_false(same_file(OUT, OTHER));
        read_logits(OUT, got);
        assert_true(relative_difference(got, want, V) < 0.3);
        o.calibrate = "quantize_empty.txt";
        must_fail(wkv_quantize(MODEL, OUT, &o, NULL, &err), WKV_E_MISSING, &err,
                  "quantize_empty.txt");
    }
}

/* A text that is longer than any the model can have is read as several. */
static void test_calibration_with_a_longer_text(void **state)
{
    enum { LENGTH = 600 };
    wkv_error err;
    wkv_random_opts made;
    wkv_quantize_opts o;
    wkv_quantize_result r;
    wkv_random_opts_init(&made);
    made.arch = "aft-full";
    made.layers = 1;
    made.width = 64;
    made.vocab_size = V;
    made.vocab = "bytes";
    made.length = LENGTH;
    must(wkv_random_model(MODEL, &made, &err), &err);
    write_text("quantize.txt", "what the columns of a matrix are used for\n", 40);
    wkv_quantize_opts_init(&o);
    o.type = "q4_0";
    o.calibrate = "quantize.txt";
    must(wkv_quantize(MODEL, OUT, &o, &r, &err), &err);
    assert_true(r.calibrated > 2 * LENGTH);
}

static bool stop_at_once(void *user, bool calibrating, uint64_t done, uint64_t total)
{
    ++*(int *)user;
    return false;
}

static void test_stopping_leaves_what_was_there(void **state)
{
    wkv_error err;
    wkv_quantize_opts o;
    int calls = 0;
    make("rwkv7", 256);
    quantize(OUT, "q8_0", 1);
    quantize(OTHER, "q8_0", 1);
    wkv_quantize_opts_init(&o);
    o.type = "q4_0";
    o.user = &calls;
    o.on_progress = stop_at_once;
    must_fail(wkv_quantize(MODEL, OUT, &o, NULL, &err), WKV_E_STATE, &err, "stopped");
    assert_int_equal(calls, 1);
    assert_true(same_file(OUT, OTHER));
}

/* Where a piece was written that was not quantised. */
static bool stop_between(void *user, bool calibrating, uint64_t done, uint64_t total)
{
    uint64_t *before = user;
    const bool same = done == *before;
    *before = done;
    return !same;
}

static void test_stopping_in_what_stays_as_it_is(void **state)
{
    wkv_error err;
    wkv_quantize_opts o;
    uint64_t before = 0;
    make("rwkv7", 256);
    wkv_quantize_opts_init(&o);
    o.type = "q4_0";
    o.user = &before;
    o.on_progress = stop_between;
    must_fail(wkv_quantize(MODEL, "quantize_stopped.gguf", &o, NULL, &err), WKV_E_STATE, &err,
              "stopped");
    assert_int_equal(access("quantize_stopped.gguf", F_OK), -1);
}

static void test_what_cannot_be_done(void **state)
{
    wkv_error err;
    wkv_quantize_opts o;
    make("rwkv7", 256);
    wkv_quantize_opts_init(&o);
    o.type = "q9";
    must_fail(wkv_quantize(MODEL, OUT, &o, NULL, &err), WKV_E_ARGUMENT, &err, "q9");
    o.type = "q4_k";
    o.calibrate_tokens = -3;
    must_fail(wkv_quantize(MODEL, OUT, &o, NULL, &err), WKV_E_ARGUMENT, &err, "found -3");
    o.calibrate_tokens = 0;
    must_fail(wkv_quantize(MODEL, "quantize.bin", &o, NULL, &err), WKV_E_UNSUPPORTED, &err, "q4_k");
    must_fail(wkv_quantize(MODEL, "quantize.pth", &o, NULL, &err), WKV_E_UNSUPPORTED, &err, "gguf");
    forge_plain("quantize_plain.safetensors", false);
    must_fail(wkv_quantize("quantize_plain.safetensors", OUT, &o, NULL, &err), WKV_E_UNSUPPORTED,
              &err, "not a model");
}

static int remove_files(void **state)
{
    static const char *const files[] = {MODEL,
                                        OUT,
                                        OTHER,
                                        "quantize.bin",
                                        "quantize.txt",
                                        "quantize_empty.txt",
                                        "quantize_plain.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(files[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rwkv4),
        cmocka_unit_test(test_rwkv5),
        cmocka_unit_test(test_rwkv6),
        cmocka_unit_test(test_rwkv7),
        cmocka_unit_test(test_aft),
        cmocka_unit_test(test_who_gets_what),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_calibration),
        cmocka_unit_test(test_calibration_with_a_longer_text),
        cmocka_unit_test(test_stopping_leaves_what_was_there),
        cmocka_unit_test(test_stopping_in_what_stays_as_it_is),
        cmocka_unit_test(test_what_cannot_be_done),
    };
    return cmocka_run_group_tests_name("quantize", tests, NULL, remove_files);
}
