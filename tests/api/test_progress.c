/* What the calls that write a model say while they are at it, and what a stop leaves: the old
 * output, and nothing beside it. */
#include <glob.h>
#include <sys/stat.h>

#include "api.h"
#include "support/pieces.h"

static const char MODEL[] = "g_model.safetensors", ADAPTER[] = "g_adapter.pth", OUT[] = "g_out";

/* What a callback saw; the call number stop_at is its last, 0: none is. */
typedef struct watch {
    int calls, phases, stop_at;
    bool first_phase;
    uint64_t done, total;
} watch;

static bool see(void *user, uint64_t done, uint64_t total)
{
    watch *w = user;
    if (w->calls == 0)
        w->phases = 1;
    assert_true(done >= w->done && done <= total);
    w->done = done;
    w->total = total;
    return ++w->calls != w->stop_at;
}

static bool see_phases(void *user, bool first_phase, uint64_t done, uint64_t total)
{
    watch *w = user;
    if (w->calls > 0 && w->first_phase != first_phase) {
        assert_true(w->first_phase && w->done == w->total);
        w->done = 0;
        w->phases++;
    }
    w->first_phase = first_phase;
    return see(user, done, total);
}

/* One of the calls, onto `out`. */
typedef wkv_status (*writing)(const char *out, watch *w, wkv_error *err);

static wkv_status convert(const char *out, watch *w, wkv_error *err)
{
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = "f16";
    o.user = w;
    o.on_progress = see;
    return wkv_convert(MODEL, out, &o, err);
}

static wkv_status merge(const char *out, watch *w, wkv_error *err)
{
    wkv_merge_opts o;
    wkv_merge_opts_init(&o);
    o.user = w;
    o.on_progress = see_phases;
    return wkv_merge(MODEL, ADAPTER, out, &o, err);
}

static wkv_status make(const char *out, watch *w, wkv_error *err)
{
    wkv_random_opts o;
    wkv_random_opts_init(&o);
    o.layers = 2;
    o.width = 64;
    o.vocab_size = 300;
    o.user = w;
    o.on_progress = see_phases;
    return wkv_random_model(out, &o, err);
}

/* Files of this test's outputs: others run beside it. */
static int count_outputs(void)
{
    glob_t found;
    const int status = glob("g_out*", 0, NULL, &found);
    const int n = status == 0 ? (int)found.gl_pathc : 0;
    assert_true(status == 0 || status == GLOB_NOMATCH);
    globfree(&found);
    return n;
}

/* Stopped at every call there is, it leaves `out` and as many files as there were. */
static void stops_anywhere(writing f, const char *out)
{
    wkv_error err;
    struct stat before, after;
    watch whole = {0};
    unlink(out);
    must(f(out, &whole, &err), &err);
    assert_int_equal(stat(out, &before), 0);
    const int entries = count_outputs();
    for (int i = 1; i <= whole.calls; i++) {
        watch w = {.stop_at = i};
        must_fail(f(out, &w, &err), WKV_E_STATE, &err, "stopped");
        assert_int_equal(w.calls, i);
        assert_int_equal(count_outputs(), entries);
    }
    assert_int_equal(stat(out, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(unlink(out), 0);
}

static void test_converting(void **state)
{
    static const char *const outs[] = {"g_out.safetensors", "g_out.pth", "g_out.gguf", "g_out.bin"};
    for (size_t i = 0; i < sizeof outs / sizeof outs[0]; i++)
        stops_anywhere(convert, outs[i]);
}

static void test_converting_to_a_folder(void **state)
{
    wkv_error err;
    wkv_convert_opts o;
    watch w = {.stop_at = 3};
    const int entries = count_outputs();
    wkv_convert_opts_init(&o);
    o.format = "hf";
    o.user = &w;
    o.on_progress = see;
    must_fail(wkv_convert(MODEL, OUT, &o, &err), WKV_E_STATE, &err, "stopped");
    assert_int_equal(w.calls, 3);
    assert_int_equal(count_outputs(), entries);
}

static void test_merging(void **state)
{
    stops_anywhere(merge, "g_out.safetensors");
}

static void test_making(void **state)
{
    stops_anywhere(make, "g_out.safetensors");
}

/* All bytes are counted, once in each phase. */
static void test_everything_is_counted(void **state)
{
    static const struct {
        writing f;
        int phases;
    } calls[] = {{convert, 1}, {merge, 2}, {make, 2}};
    static const char *const outs[] = {"g_out.safetensors", "g_out.pth"};
    wkv_error err;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        for (size_t k = 0; k < 2; k++) {
            watch w = {0};
            must(calls[i].f(outs[k], &w, &err), &err);
            assert_int_equal(w.phases, calls[i].phases);
            assert_true(w.total > 100000);
            assert_int_equal(w.done, w.total);
            unlink(outs[k]);
        }
}

static int set_up(void **state)
{
    static const tiny_model model = {"rwkv7", 3, 64, 64, 300, 7, NULL};
    tiny_model_write(MODEL, &model);
    pieces *p = pieces_begin(1);
    pieces_put_factors(p, MODEL, "lora_A", "lora_B", 4, 0.2);
    pieces_finish(p, ADAPTER, NULL, "6");
    return 0;
}

static int remove_files(void **state)
{
    unlink(MODEL);
    unlink(ADAPTER);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converting),
        cmocka_unit_test(test_converting_to_a_folder),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_everything_is_counted),
    };
    return cmocka_run_group_tests_name("progress", tests, set_up, remove_files);
}
