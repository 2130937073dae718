/* Looking into files: ranges of values, what a model lacks, and how two files compare. */
#include "api.h"

#include <math.h>
#include <pthread.h>

#include "support/forge.h"
#include "support/tiny_model.h"

#define MODEL "inspect_model.safetensors"
#define OTHER "inspect_other.safetensors"
#define PLAIN "inspect_plain.safetensors"

static int set_up(void **state)
{
    tiny_model_write(MODEL, &tiny_rwkv7);
    forge_plain(PLAIN, false);
    return 0;
}

static int remove_files(void **state)
{
    unlink(MODEL);
    unlink(OTHER);
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

static size_t index_of(const wkv_file *f, const char *name)
{
    wkv_file_tensor t;
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor_at(f, i, &t);
        if (strcmp(t.name, name) == 0)
            return i;
    }
    fail_msg("no tensor %s", name);
    return 0;
}

static void test_kinds(void **state)
{
    wkv_file *f = open_file(MODEL);
    assert_string_equal(wkv_file_kind(f), "model");
    assert_string_equal(wkv_file_about(f), "a model");
    assert_null(wkv_file_names(f));
    wkv_file_close(&f);
    f = open_file(PLAIN);
    assert_string_equal(wkv_file_kind(f), "tensors");
    wkv_file_close(&f);
}

/* Every range against a plain loop over the values. */
static void test_ranges(void **state)
{
    wkv_error err;
    wkv_file *f = open_file(MODEL);
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor t;
        wkv_file_range r;
        wkv_file_tensor_at(f, i, &t);
        size_t n = 1;
        for (int d = 0; d < t.ndim; d++)
            n *= (size_t)t.dim[d];
        float *v = malloc(n * sizeof *v);
        must(wkv_file_tensor_read(f, i, v, &err), &err);
        must(wkv_file_tensor_range(f, i, &r, &err), &err);
        double low = (double)v[0], high = (double)v[0];
        for (size_t k = 0; k < n; k++) {
            low = fmin(low, (double)v[k]);
            high = fmax(high, (double)v[k]);
        }
        /* The values come as f32, the range as exactly as the file has them. */
        assert_true((double)(float)r.min == low && (double)(float)r.max == high);
        assert_true(r.nans == 0 && r.infinities == 0);
        free(v);
    }
    wkv_file_close(&f);
    f = open_file(PLAIN);
    wkv_file_range r;
    must_fail(wkv_file_tensor_range(f, index_of(f, "whole"), &r, &err), WKV_E_UNSUPPORTED, &err,
              "whole");
    wkv_file_close(&f);
}

/* Two bytes of f16 where the values were: NaN and infinity among them, in every lane. */
static void test_what_is_no_number_is_counted(void **state)
{
    static const char header[] =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[50],\"data_offsets\":[0,100]},"
        "\"n\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[100,104]},"
        "\"z\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[104,104]}}";
    unsigned char data[104] = {0};
    for (size_t special = 0; special < 50; special++) {
        wkv_error err;
        wkv_file_range r;
        memset(data, 0, sizeof data);
        for (size_t i = 0; i < 50; i++)
            data[2 * i + 1] = i % 2 == 0 ? 0x3c : 0xc0; /* 1, -2 */
        data[2 * special + 1] = 0x7e;                   /* NaN */
        data[2 * ((special + 7) % 50) + 1] = 0xfc;      /* -infinity */
        data[101] = data[103] = 0x7e;
        FILE *f = fopen(OTHER, "wb");
        const unsigned char size[8] = {sizeof header - 1};
        fwrite(size, 1, 8, f);
        fwrite(header, 1, sizeof header - 1, f);
        fwrite(data, 1, sizeof data, f);
        fclose(f);
        wkv_file *file = open_file(OTHER);
        must(wkv_file_tensor_range(file, 0, &r, &err), &err);
        assert_true(r.min == -2 && r.max == 1 && r.nans == 1 && r.infinities == 1);
        must(wkv_file_tensor_range(file, 1, &r, &err), &err);
        assert_true(r.min == 0 && r.max == 0 && r.nans == 2);
        must(wkv_file_tensor_range(file, 2, &r, &err), &err);
        assert_true(r.min == 0 && r.max == 0 && r.nans == 0);
        wkv_file_close(&file);
    }
}

/* ---- against the architecture ------------------------------------------------------------------
 */

typedef struct list {
    size_t count[3];
    char last[3][128];
} list;

static void note(void *user, wkv_finding what, const char *tensor)
{
    list *l = user;
    l->count[what]++;
    snprintf(l->last[what], sizeof l->last[what], "%s", tensor);
}

static list audit(const char *path)
{
    wkv_error err;
    const char *arch;
    list l = {0};
    wkv_file *f = open_file(path);
    must(wkv_file_audit(f, &arch, note, &l, &err), &err);
    assert_string_equal(arch, "rwkv7");
    wkv_file_close(&f);
    return l;
}

static void test_what_is_missing_or_unknown(void **state)
{
    list l = audit(MODEL);
    assert_int_equal(l.count[WKV_FINDING_MISSING] + l.count[WKV_FINDING_UNKNOWN], 0);
    forge(OTHER, MODEL, &(forgery){.drop = "blocks.1.att.a1"});
    l = audit(OTHER);
    assert_int_equal(l.count[WKV_FINDING_MISSING], 1);
    assert_string_equal(l.last[WKV_FINDING_MISSING], "blocks.1.att.a1");
    assert_int_equal(l.count[WKV_FINDING_UNKNOWN], 0);
    wkv_error err;
    const char *arch;
    wkv_file *f = open_file(PLAIN);
    must_fail(wkv_file_audit(f, &arch, note, &l, &err), WKV_E_UNSUPPORTED, &err, "3 tensors");
    wkv_file_close(&f);
}

/* ---- two files
 * -------------------------------------------------------------------------------------- */

typedef struct tally {
    size_t count[7];
    double max_abs, max_rel;
    char last[7][128];
} tally;

static void count(void *user, const wkv_comparison *c)
{
    tally *t = user;
    t->count[c->agreement]++;
    assert_true((c->a == NULL) == (c->agreement == WKV_ONLY_SECOND));
    assert_true((c->b == NULL) == (c->agreement == WKV_ONLY_FIRST));
    snprintf(t->last[c->agreement], sizeof t->last[0], "%s", (c->a != NULL ? c->a : c->b)->name);
    t->max_abs = fmax(t->max_abs, c->max_abs);
    t->max_rel = fmax(t->max_rel, c->max_rel);
}

static tally compare(const char *a, const char *b, double tolerance)
{
    wkv_error err;
    tally t = {0};
    must(wkv_compare(a, b, tolerance, count, &t, &err), &err);
    return t;
}

static void test_comparing(void **state)
{
    wkv_error err;
    wkv_convert_opts o;
    wkv_file *f = open_file(MODEL);
    const size_t n = wkv_file_tensor_count(f);
    wkv_file_close(&f);
    tally t = compare(MODEL, MODEL, 0);
    assert_int_equal(t.count[WKV_SAME_BITS], n);

    wkv_convert_opts_init(&o);
    o.dtype = "bf16";
    must(wkv_convert(MODEL, OTHER, &o, &err), &err);
    t = compare(MODEL, OTHER, 0);
    assert_true(t.count[WKV_FAR] > 20);
    assert_int_equal(t.count[WKV_FAR] + t.count[WKV_SAME_BITS], n);
    assert_true(t.max_rel > 0x1p-10 && t.max_rel <= 0x1p-8);
    t = compare(MODEL, OTHER, 0x1p-8);
    assert_int_equal(t.count[WKV_FAR], 0);
    assert_int_equal(t.count[WKV_CLOSE] + t.count[WKV_SAME_BITS], n);

    /* What became wider again is equal, in another type. */
    o.dtype = "f32";
    must(wkv_convert(OTHER, PLAIN, &o, &err), &err);
    t = compare(OTHER, PLAIN, 0);
    assert_int_equal(t.count[WKV_SAME_VALUES] + t.count[WKV_SAME_BITS], n);
    assert_true(t.count[WKV_SAME_VALUES] > 20 && t.max_abs == 0);
    forge_plain(PLAIN, false);
}

static void *compare_in_a_thread(void *status)
{
    tally same = {0}, other = {0};
    wkv_status s = wkv_compare(MODEL, MODEL, 0, count, &same, NULL);
    *(wkv_status *)status = s == WKV_OK ? wkv_compare(MODEL, OTHER, 0, count, &other, NULL) : s;
    return NULL;
}

static void test_a_small_stack_will_do(void **state)
{
    enum { STACK = 128 << 10 }; /* what musl gives a thread */
    wkv_error err;
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = "bf16";
    must(wkv_convert(MODEL, OTHER, &o, &err), &err);
    pthread_t thread;
    pthread_attr_t attr;
    wkv_status status = WKV_E_STATE;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attr, compare_in_a_thread, &status), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, WKV_OK);
    assert_int_equal(pthread_attr_destroy(&attr), 0);
}

static void test_files_that_differ(void **state)
{
    wkv_error err;
    tally t;
    forge(OTHER, MODEL, &(forgery){.drop = "blocks.1.att.a1"});
    t = compare(MODEL, OTHER, 0);
    assert_int_equal(t.count[WKV_ONLY_FIRST], 1);
    assert_string_equal(t.last[WKV_ONLY_FIRST], "blocks.1.att.a1");
    t = compare(OTHER, MODEL, 0);
    assert_int_equal(t.count[WKV_ONLY_SECOND], 1);
    forge(OTHER, MODEL, &(forgery){.grow = "blocks.1.att.w2"});
    t = compare(MODEL, OTHER, 1);
    assert_int_equal(t.count[WKV_OTHER_SHAPE], 1);
    assert_string_equal(t.last[WKV_OTHER_SHAPE], "blocks.1.att.w2");
    must_fail(wkv_compare(MODEL, "no such file", 0, count, &t, &err), WKV_E_IO, &err,
              "no such file");
    must_fail(wkv_compare(MODEL, MODEL, -1, count, &t, &err), WKV_E_ARGUMENT, &err, "-1");
    must_fail(wkv_compare(MODEL, MODEL, NAN, count, &t, &err), WKV_E_ARGUMENT, &err, "nan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_is_no_number_is_counted),
        cmocka_unit_test(test_what_is_missing_or_unknown),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_files_that_differ),
        cmocka_unit_test(test_a_small_stack_will_do),
    };
    return cmocka_run_group_tests_name("inspect", tests, set_up, remove_files);
}
