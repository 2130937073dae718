/* How far top-p and top-k reach, held against sorting: for weights alike, equal, far apart, and too
 * small for any number. */
#include "test.h"

#include <math.h>

#include "base/rng.h"
#include "model/cut_off.h"

enum { MOST = 400 };

static int heaviest_first(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* Of the n weights in descending order. */
static double by_sorting(const double *sorted, int n, double goal, int limit)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += sorted[i];
        if (i + 1 == limit || (sum >= goal && (i + 1 == n || sorted[i + 1] < sorted[i])))
            return sorted[i];
    }
    return sorted[n - 1];
}

/* n weights, 1 among them: multiples of 2^-30, so that sums are exact in any order. */
static void fill(double *w, int n, wkv_rng *rng, int round)
{
    for (int i = 0; i < n; i++) {
        const uint64_t bits = wkv_rng_u64(rng);
        const uint64_t v = round % 4 == 0   ? 1 + bits % 7                         /* many equal */
                           : round % 4 == 1 ? ((uint64_t)1 << 29) + bits % 1000    /* all alike */
                           : round % 4 == 2 ? bits % ((uint64_t)1 << (bits >> 59)) /* far apart */
                                            : bits % 3 * 1000;                     /* zeros */
        w[i] = (double)(v % ((uint64_t)1 << 30)) * 0x1p-30;
    }
    w[wkv_rng_u64(rng) % (uint64_t)n] = 1.0;
}

static void test_same_as_sorting(void **state)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 11);
    for (int round = 0; round < 4000; round++) {
        const int n = 1 + (int)(wkv_rng_u64(&rng) % (round % 5 == 0 ? MOST : 6));
        double weight[2 * MOST], sorted[MOST], room[MOST], total = 0;
        int32_t at[MOST];
        fill(sorted, n, &rng, round);
        for (int i = 0; i < n; i++) {
            at[i] = 2 * i + 1;
            weight[2 * i] = NAN;
            weight[at[i]] = sorted[i];
            total += sorted[i];
        }
        qsort(sorted, (size_t)n, sizeof *sorted, heaviest_first);
        const double goal = round % 3 == 0 ? INFINITY : wkv_rng_uniform(&rng) * total;
        const int limit = round % 2 == 0 ? n : 1 + (int)(wkv_rng_u64(&rng) % (uint64_t)n);
        const double got = wkv_cut_off(room, weight, at, n, goal, limit);
        const double want = by_sorting(sorted, n, goal, limit);
        if (got != want)
            fail_msg("round %d: of %d weights, %d at most: got %.17g, expected %.17g", round, n,
                     limit, got, want);
    }
}

/* Sums that rounding leaves below the goal. */
static void test_goal_out_of_reach(void **state)
{
    const double weight[4] = {1.0, 0x1p-60, 0.5, 1e-300};
    const int32_t at[4] = {0, 1, 2, 3};
    double room[4];
    assert_true(wkv_cut_off(room, weight, at, 4, 2.0, 4) == 1e-300);
    assert_true(wkv_cut_off(room, weight, at, 3, 2.0, 3) == 0x1p-60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_sorting),
        cmocka_unit_test(test_goal_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
