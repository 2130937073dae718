/* Every type that weights come in, decoded from blocks that ggml made and held against
 * the values that ggml got out of them, bit for bit. */
#include "test.h"

#include <math.h>

#include "base/blocks.h"
#include "base/dtype.h"
#include "base/mem.h"
#include "base/quant.h"

enum { VALUES = 32 * 256 };

/* The bytes of quant/TYPE SUFFIX, which are exactly as many as asked for. */
static void *load(const char *type, const char *suffix, uint64_t bytes)
{
    char relative[64];
    snprintf(relative, sizeof relative, "quant/%s%s", type, suffix);
    FILE *f = fopen(test_data_path(relative), "rb");
    assert_non_null(f);
    void *data = wkv_malloc(bytes);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, bytes, f), bytes);
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    return data;
}

static void check_type(wkv_dtype t, const char *name)
{
    uint64_t bytes;
    assert_true(wkv_dtype_bytes(t, VALUES, &bytes));
    void *blocks = load(name, ".q.bin", bytes);
    float *expected = load(name, ".deq.f32", VALUES * sizeof *expected);
    float *narrow = wkv_malloc(VALUES * sizeof *narrow);
    double *wide = wkv_malloc(VALUES * sizeof *wide);
    assert_non_null(narrow);
    assert_non_null(wide);
    wkv_dtype_to_f32(narrow, blocks, t, VALUES);
    wkv_dtype_to_f64(wide, blocks, t, VALUES);
    assert_memory_equal(narrow, expected, VALUES * sizeof *narrow);
    for (int i = 0; i < VALUES; i++)
        assert_true(wide[i] == (double)narrow[i]);
    wkv_free(wide);
    wkv_free(narrow);
    wkv_free(expected);
    wkv_free(blocks);
}

static void decodes_as_ggml_does(void **state)
{
    (void)state;
    static const struct {
        wkv_dtype t;
        const char *name;
    } types[] = {
        {WKV_DTYPE_F16, "f16"},   {WKV_DTYPE_BF16, "bf16"}, {WKV_DTYPE_Q4_0, "q4_0"},
        {WKV_DTYPE_Q4_1, "q4_1"}, {WKV_DTYPE_Q5_0, "q5_0"}, {WKV_DTYPE_Q5_1, "q5_1"},
        {WKV_DTYPE_Q8_0, "q8_0"}, {WKV_DTYPE_Q2_K, "q2_K"}, {WKV_DTYPE_Q3_K, "q3_K"},
        {WKV_DTYPE_Q4_K, "q4_K"}, {WKV_DTYPE_Q5_K, "q5_K"}, {WKV_DTYPE_Q6_K, "q6_K"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_true(wkv_dtype_is_weight(types[i].t));
        check_type(types[i].t, types[i].name);
    }
}

/* The relative error that types.tsv gives for what ggml made of the same values. */
static double reference_error(const char *name)
{
    FILE *f = fopen(test_data_path("quant/types.tsv"), "r");
    char line[256], type[32];
    double error = -1;
    assert_non_null(f);
    while (error < 0 && fgets(line, sizeof line, f) != NULL) {
        const char *at = strstr(line, "rel_rms=");
        if (at != NULL && sscanf(line, "%*d %31s", type) == 1 && strcmp(type, name) == 0)
            error = strtod(at + 8, NULL);
    }
    fclose(f);
    assert_true(error > 0);
    return error;
}

static void check_error(wkv_dtype t, const char *name)
{
    const wkv_dtype_info *info = wkv_dtype_of(t);
    float *x = load("input", ".f32", VALUES * sizeof *x);
    double sum = 0, error = 0;
    for (int i = 0; i < VALUES; i += info->block) {
        float y[256];
        uint8_t block[256];
        assert_true(wkv_block_encode(block, x + i, NULL, t));
        wkv_block_decode(y, block, t);
        for (int j = 0; j < info->block; j++) {
            sum += pow((double)x[i + j], 2);
            error += pow((double)x[i + j] - (double)y[j], 2);
        }
    }
    wkv_free(x);
    const double relative = sqrt(error / sum), limit = reference_error(name);
    print_message("%s: %.6f, ggml %.6f\n", name, relative, limit);
    if (relative > limit)
        fail_msg("%s errs by %g, more than %g", name, relative, limit);
}

static void encodes_no_worse_than_ggml(void **state)
{
    (void)state;
    static const struct {
        wkv_dtype t;
        const char *name;
    } types[] = {
        {WKV_DTYPE_Q4_0, "q4_0"}, {WKV_DTYPE_Q4_1, "q4_1"}, {WKV_DTYPE_Q5_0, "q5_0"},
        {WKV_DTYPE_Q5_1, "q5_1"}, {WKV_DTYPE_Q8_0, "q8_0"}, {WKV_DTYPE_Q2_K, "q2_K"},
        {WKV_DTYPE_Q3_K, "q3_K"}, {WKV_DTYPE_Q4_K, "q4_K"}, {WKV_DTYPE_Q5_K, "q5_K"},
        {WKV_DTYPE_Q6_K, "q6_K"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        check_error(types[i].t, types[i].name);
}

int main(void)
{
    test_need_data();
    const struct CMUnitTest tests[] = {cmocka_unit_test(decodes_as_ggml_does),
                                       cmocka_unit_test(encodes_no_worse_than_ggml)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
