/* Out of memory: the n-th allocation fails, for n = 1, 2, 3 ... until all succeed.  Every
 * failure is reported as such, and under the sanitizer nothing leaks. */
#include "api.h"

#include "support/heap.h"

#define MODEL "memory_model.safetensors"
#define STATE "memory_state.safetensors"
#define COPY "memory_copy.safetensors"
#define COPY_PTH "memory_copy.pth"

static wkv_model *model;
static wkv_session *session;

static int set_up(void **state)
{
    tiny_model t = tiny_rwkv7;
    t.vocab = 256;
    t.tokenizer = "bytes";
    wkv_error err;
    tiny_model_write(MODEL, &t);
    model = open_model(MODEL, 1);
    session = open_session(model);
    feed(session, (const int32_t[]){1, 2, 3}, 3);
    must(wkv_session_save(session, STATE, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    wkv_session_close(&session);
    wkv_model_close(&model);
    unlink(MODEL);
    unlink(STATE);
    unlink(COPY);
    unlink(COPY_PTH);
    return 0;
}

/* Runs `attempt` with ever more memory until it succeeds; it must need some. */
static void sweep(wkv_status (*attempt)(wkv_error *err))
{
    for (int n = 0;; n++) {
        wkv_error err = {.code = WKV_OK};
        heap_limit(n);
        wkv_status status = attempt(&err);
        if (heap_release().refused == 0) {
            must(status, &err);
            assert_true(n > 0);
            return;
        }
        must_fail(status, WKV_E_MEMORY, &err, "memory");
    }
}

static wkv_status open_and_close_model(wkv_error *err)
{
    wkv_model *m;
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.threads = 1;
    wkv_status status = wkv_model_open(&m, MODEL, &o, err);
    assert_true((m != NULL) == (status == WKV_OK));
    wkv_model_close(&m);
    return status;
}

static wkv_status open_and_close_session(wkv_error *err)
{
    wkv_session *s;
    wkv_status status = wkv_session_open(&s, model, err);
    assert_true((s != NULL) == (status == WKV_OK));
    wkv_session_close(&s);
    return status;
}

static wkv_status open_and_close_file(wkv_error *err)
{
    wkv_file *f;
    wkv_status status = wkv_file_open(&f, MODEL, err);
    assert_true((f != NULL) == (status == WKV_OK));
    wkv_file_close(&f);
    return status;
}

static wkv_status save_state(wkv_error *err)
{
    return wkv_session_save(session, STATE, err);
}

static wkv_status load_state(wkv_error *err)
{
    return wkv_session_load(session, STATE, err);
}

static wkv_status convert_dtype(wkv_error *err)
{
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = "bf16";
    o.vocab = "bytes";
    return wkv_convert(MODEL, COPY, &o, err);
}

static wkv_status convert_format(wkv_error *err)
{
    return wkv_convert(MODEL, COPY_PTH, NULL, err);
}

static void test_model(void **state)
{
    sweep(open_and_close_model);
}

static void test_session(void **state)
{
    sweep(open_and_close_session);
}

static void test_file(void **state)
{
    sweep(open_and_close_file);
}

static void test_save(void **state)
{
    sweep(save_state);
}

static void test_load(void **state)
{
    sweep(load_state);
    assert_int_equal(wkv_session_position(session), 3);
}

static void test_convert(void **state)
{
    sweep(convert_dtype);
    sweep(convert_format);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model), cmocka_unit_test(test_session),
        cmocka_unit_test(test_file),  cmocka_unit_test(test_save),
        cmocka_unit_test(test_load),  cmocka_unit_test(test_convert),
    };
    return cmocka_run_group_tests_name("memory", tests, set_up, tear_down);
}
