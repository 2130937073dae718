/* tests/unit/base/test_number.c - numbers in files have a point in every locale. */
#include "base/number.h"

#include <locale.h>

#include "support/comma.h"
#include "test.h"

static void check(void)
{
    char text[32], *end = NULL;
    assert_true(wkv_number_parse("0.00064", NULL) == 0.00064);
    assert_true(wkv_number_parse("1.5,", &end) == 1.5);
    assert_string_equal(end, ",");
    assert_int_equal(wkv_number_print(text, sizeof text, "%.9g", 0.00064), 7);
    assert_string_equal(text, "0.00064");
    assert_int_equal(wkv_number_print(text, 4, "%.2f", 12.25), 5);
    assert_string_equal(text, "12.");
}

static void test_plain(void **state)
{
    check();
}

/* And the program's own locale is what it was. */
static void check_in(bool (*enter)(void))
{
    if (!enter())
        skip();
    char before[32], after[32];
    snprintf(before, sizeof before, "%.1f", 0.5);
    assert_string_not_equal(before, "0.5");
    check();
    snprintf(after, sizeof after, "%.1f", 0.5);
    assert_string_equal(after, before);
    comma_locale_end();
}

static void test_comma(void **state)
{
    check_in(comma_locale);
}

static void test_wide_comma(void **state)
{
    check_in(wide_comma_locale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_comma),
        cmocka_unit_test(test_wide_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
