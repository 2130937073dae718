/* WKV_CPU is read once: a process that changes it later goes on with the kernels it began with.  A
 * program of its own, because a process decides only once. */
#include <wkv/unstable.h>

#include "api.h"
#include "support/tiny_model.h"

static const char PATH[] = "cpu_model.safetensors";
enum { V = 96, TOKENS = 9 };

static void logits_of(float *logits)
{
    int32_t ids[TOKENS];
    wkv_error err;
    wkv_model *m;
    fill_ids(ids, TOKENS, V, 3);
    must(wkv_model_open(&m, PATH, NULL, &err), &err);
    wkv_session *s = open_session(m);
    feed(s, ids, TOKENS);
    memcpy(logits, wkv_session_logits(s), V * sizeof *logits);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static void the_first_use_decides(void **state)
{
    float before[V], after[V];
    assert_int_equal(setenv("WKV_CPU", "ref", 1), 0);
    tiny_model_write(PATH, &tiny_rwkv7);
    logits_of(before);
    assert_string_equal(wkv_cpu_name(), "ref");
    assert_int_equal(unsetenv("WKV_CPU"), 0);
    logits_of(after);
    assert_string_equal(wkv_cpu_name(), "ref");
    must_be_same_bits(after, before, V);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_use_decides)};
    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
