/* The reference implementation's good and bad .safetensors files, with its verdicts. */
#include "test.h"

#include "store/tensor.h"

static void check(const char *file, bool accept)
{
    char relative[600];
    wkv_store *s;
    wkv_error err = {0};
    snprintf(relative, sizeof relative, "bad/safetensors/%s", file);
    wkv_status status = wkv_store_open(&s, test_data_path(relative), &err);
    if (accept && status != WKV_OK)
        fail_msg("%s", err.text);
    if (!accept && status == WKV_OK)
        fail_msg("%s was accepted", file);
    if (!accept) {
        assert_null(s);
        assert_non_null(strstr(err.text, file));
    }
    wkv_store_close(&s);
}

static void verdicts_agree(void **state)
{
    FILE *f = fopen(test_data_path("bad/safetensors/expected.tsv"), "r");
    assert_non_null(f);
    char line[1024], file[512], verdict[16];
    int files = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        assert_int_equal(sscanf(line, "%511s %15s", file, verdict), 2);
        check(file, strcmp(verdict, "accept") == 0);
        files++;
    }
    fclose(f);
    assert_int_equal(files, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_agree)};
    test_need_data();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
