/* Real models, made and evaluated by an independent program: the logits after the bytes
 * `"in`, step by step and as one sequence, from the files as they are and along a chain of
 * conversions through the other formats and back.  The bounds are those of the data's own
 * description: twice what float32 arithmetic in another order costs, and the loss of
 * the narrower types. */
#include "api.h"

enum { V = 256, LINKS = 5 };

static const char *const chain[LINKS] = {"golden.pth", "golden.safetensors", "golden.gguf",
                                         "golden.bin", "golden_back.pth"};

static const int32_t prompt[3] = {0x22, 0x69, 0x6e};

static void read_expected(const char *name, float *out)
{
    char relative[128];
    snprintf(relative, sizeof relative, "tiny-rwkv/expected-logits-%s.bin", name);
    FILE *f = fopen(test_data_path(relative), "rb");
    assert_non_null(f);
    assert_int_equal(fread(out, sizeof *out, V, f), V);
    fclose(f);
}

static void must_be_near(const wkv_session *s, const float *want, double bound, const char *what)
{
    const float *got = wkv_session_logits(s);
    double most = 0;
    for (int i = 0; i < V; i++) {
        assert_true(isfinite(got[i]));
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
    }
    printf("  %s: within %.3g (bound %.3g)\n", what, most, bound);
    if (most > bound)
        fail_msg("%s: %.9g from the expected logits; at most %.9g is allowed", what, most, bound);
}

static void check_file(const char *path, const float *want, double bound, const char *what)
{
    char text[256];
    wkv_model *m = open_model(path, 2);
    assert_int_equal(vocab_of(m), V);
    wkv_session *s = open_session(m);
    feed(s, prompt, 3);
    snprintf(text, sizeof text, "%s, one sequence", what);
    must_be_near(s, want, bound, text);
    wkv_session_reset(s);
    for (int i = 0; i < 3; i++)
        feed(s, prompt + i, 1);
    snprintf(text, sizeof text, "%s, step by step", what);
    must_be_near(s, want, bound, text);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

/* file: "4v0-660K-FP32"; expected: "4v0-660K". */
static void check_model(const char *file, const char *expected, double bound)
{
    char path[4200], what[160], relative[128];
    float want[V];
    wkv_error err;
    read_expected(expected, want);
    snprintf(relative, sizeof relative, "tiny-rwkv/tiny-rwkv-%s.bin", file);
    snprintf(path, sizeof path, "%s", test_data_path(relative));
    check_file(path, want, bound, file);
    for (int i = 0; i < LINKS; i++) {
        must(wkv_convert(i > 0 ? chain[i - 1] : path, chain[i], NULL, &err), &err);
        snprintf(what, sizeof what, "%s, then %s", file, chain[i]);
        check_file(chain[i], want, bound, what);
    }
}

static void test_4v0_fp32(void **state)
{
    check_model("4v0-660K-FP32", "4v0-660K", 5e-6);
}

static void test_5v2_fp32(void **state)
{
    check_model("5v2-730K-FP32", "5v2-730K", 5e-6);
}

static void test_6v0_fp32(void **state)
{
    check_model("6v0-1m-FP32", "6v0-1m", 5e-6);
}

static void test_7v0_fp32(void **state)
{
    check_model("7v0-834K-FP32", "7v0-834K", 5e-6);
}

static void test_4v0_fp16(void **state)
{
    check_model("4v0-660K-FP16", "4v0-660K", 0.0025);
}

static void test_4v0_q5_1(void **state)
{
    check_model("4v0-660K-Q5_1", "4v0-660K", 0.102);
}

static int remove_files(void **state)
{
    for (int i = 0; i < LINKS; i++)
        unlink(chain[i]);
    return 0;
}

int main(void)
{
    test_need_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_4v0_fp32), cmocka_unit_test(test_7v0_fp32),
        cmocka_unit_test(test_5v2_fp32), cmocka_unit_test(test_6v0_fp32),
        cmocka_unit_test(test_4v0_fp16), cmocka_unit_test(test_4v0_q5_1),
    };
    return cmocka_run_group_tests_name("golden", tests, NULL, remove_files);
}
