/* tests/unit/store/test_json.c - JSON when memory runs out: jansson takes that for bad syntax. */
#include "store/json.h"

#include <errno.h>

#include "test.h"

static const char TEXT[] = "{\"a key that is rather long, longer than a buffer is\": "
                           "[1, 2.5, \"\\u00e9\", {\"k\": null, \"l\": \"text\"}]}";

static int left;

static void *scarce(size_t n)
{
    if (left-- > 0)
        return malloc(n);
    errno = ENOMEM;
    return NULL;
}

static int set_up(void **state)
{
    json_set_alloc_funcs(scarce, free);
    return 0;
}

static int tear_down(void **state)
{
    json_set_alloc_funcs(malloc, free);
    return 0;
}

static void test_memory(void **state)
{
    wkv_error err;
    wkv_status s = WKV_E_MEMORY;
    int n = 0;
    for (json_t *root; s != WKV_OK; n++) {
        left = n;
        s = wkv_json_parse(&root, "the text", TEXT, sizeof TEXT - 1, 8, &err);
        assert_int_equal(s == WKV_OK, root != NULL);
        if (s != WKV_OK) {
            assert_int_equal(s, WKV_E_MEMORY);
            assert_non_null(strstr(err.text, "the text: out of memory"));
        }
        json_decref(root);
    }
    assert_true(n > 10);
}

/* And what is no JSON is called so. */
static void test_syntax(void **state)
{
    wkv_error err;
    json_t *root;
    left = 1000;
    errno = ENOMEM; /* of something before */
    assert_int_equal(wkv_json_parse(&root, "the text", "{\"a\" 1}", 7, 8, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "not valid JSON: line 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_syntax),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
