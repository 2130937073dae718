/* The exponential function of many numbers, held against the C library's. */
#include "test.h"

#include <math.h>

#include "base/exp.h"
#include "base/rng.h"

enum { N = 1001 };

static void expect_close(const double *x, const double *y, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        const double want = exp(x[i]);
        if (!(fabs(y[i] - want) <= tolerance * want))
            fail_msg("e^%.17g: got %.17g, expected %.17g", x[i], y[i], want);
    }
}

static void test_numbers_of_all_sizes(void **state)
{
    static const struct {
        double from, to;
    } ranges[] = {{-670, 709}, {-40, 0}, {-1, 1}, {-1e-9, 1e-9}, {-1e-300, 0}};
    wkv_rng rng;
    wkv_rng_seed(&rng, 3);
    for (size_t k = 0; k < sizeof ranges / sizeof ranges[0]; k++) {
        double x[N], y[N];
        for (int i = 0; i < N; i++)
            x[i] = ranges[k].from + (ranges[k].to - ranges[k].from) * wkv_rng_uniform(&rng);
        wkv_exp(y, x, N);
        expect_close(x, y, N, 0x1p-51);
        wkv_exp(x, x, N);
        assert_memory_equal(x, y, sizeof x);
    }
}

static void test_ends(void **state)
{
    const double x[] = {0.0, -0.0, 709.0, -708.0, -709.0, -1e300, -INFINITY, NAN};
    double y[8];
    wkv_exp(y, x, 8);
    expect_close(x, y, 3, 0x1p-51);
    assert_true(y[0] == 1.0 && y[1] == 1.0);
    for (int i = 3; i < 8; i++)
        assert_true(y[i] == 0.0);
    for (double v = -708.0; v < -660.0; v += 0.01) {
        wkv_exp(y, &v, 1);
        assert_true(y[0] >= 0.0 && fabs(y[0] - exp(v)) <= 4e-308 + 0x1p-51 * exp(v));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_all_sizes),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
