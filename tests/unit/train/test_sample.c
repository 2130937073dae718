/* The order in which rows are drawn: the reference's magic primes and offsets, the
 * sequential formula, and the fallback's bounds. */
#include "test.h"
#include "train/sample.h"

/* The primes that the reference names for its two training sets. */
static void magic_primes(void **state)
{
    const uint64_t minipile = 1498226207, pile = 332115325534;
    assert_int_equal(wkv_magic_prime(minipile, 512), 2926181);
    assert_int_equal(wkv_magic_prime(minipile, 4096), 365759);
    assert_int_equal(wkv_magic_prime(pile, 1024), 324331313);
    assert_int_equal(wkv_magic_prime(pile, 2048), 162165671);
    assert_int_equal(wkv_magic_prime(pile, 4096), 81082817);
    assert_int_equal(wkv_magic_prime(pile, 8192), 40541399);
    assert_int_equal(wkv_magic_prime(30, 10), 2);
    assert_int_equal(wkv_magic_prime(29, 10), 0);
    assert_int_equal(wkv_magic_prime(5, 10), 0);
}

/* phi ii^3 mod p, times ctx, computed with unbounded integers. */
static void reference_offsets(void **state)
{
    wkv_sampler_rows r;
    wkv_rows_init(&r, WKV_ORDER_RANDOM, 1498226207, 512, 16, 0);
    assert_int_equal(r.phi, 1808479);
    assert_int_equal(wkv_rows_start(&r, 0, 0), 925941248);
    assert_int_equal(wkv_rows_start(&r, 0, 1), 1414711296);
    assert_int_equal(wkv_rows_start(&r, 0, 2), 1029138944);
    assert_int_equal(wkv_rows_start(&r, 2520, 0), 631271424); /* the second mini-epoch */
    assert_int_equal(wkv_rows_start(&r, 62500000, 6), 920963584);
    wkv_rows_init(&r, WKV_ORDER_RANDOM, 332115325534, 1024, 1, 7);
    assert_int_equal(r.phi, 200447775);
    assert_int_equal(wkv_rows_start(&r, 1000000006, 0), 170376371200);
}

/* p samples visit p windows once each, and every row lies inside the data. */
static void random_is_a_permutation(void **state)
{
    enum { TOKENS = 1003, CTX = 8 };
    bool seen[TOKENS / CTX] = {false};
    wkv_sampler_rows r;
    wkv_rows_init(&r, WKV_ORDER_RANDOM, TOKENS, CTX, 3, 1);
    assert_int_equal(r.prime, 113);
    for (uint64_t i = 0; i < r.prime; i++) {
        uint64_t start = wkv_rows_start(&r, i / 3, i % 3);
        assert_int_equal(start % CTX, 0);
        assert_true(start + CTX + 1 <= TOKENS);
        assert_false(seen[start / CTX]);
        seen[start / CTX] = true;
    }
}

/* Row b of step s: ((s*batch + b) mod M) * ctx. */
static void sequential(void **state)
{
    enum { CTX = 10, BATCH = 4 };
    wkv_sampler_rows r;
    wkv_rows_init(&r, WKV_ORDER_SEQUENTIAL, 101, CTX, BATCH, 9);
    assert_int_equal(r.windows, 10);
    for (uint64_t s = 0; s < 50; s++)
        for (uint64_t b = 0; b < BATCH; b++) {
            uint64_t start = wkv_rows_start(&r, s, b);
            assert_int_equal(start, (s * BATCH + b) % 10 * CTX);
            assert_true(start + CTX + 1 <= 101);
        }
    wkv_rows_init(&r, WKV_ORDER_SEQUENTIAL, 100, CTX, BATCH, 9);
    assert_int_equal(r.windows, 9);
}

/* Too few windows for the prime: any start that leaves room, all of them reached. */
static void fallback(void **state)
{
    enum { TOKENS = 40, CTX = 16 };
    int count[TOKENS - CTX] = {0};
    wkv_sampler_rows r, other;
    wkv_rows_init(&r, WKV_ORDER_RANDOM, TOKENS, CTX, 2, 5);
    assert_int_equal(r.prime, 0);
    for (uint64_t s = 0; s < 1000; s++)
        for (uint64_t b = 0; b < 2; b++) {
            uint64_t start = wkv_rows_start(&r, s, b);
            assert_true(start < TOKENS - CTX);
            count[start]++;
        }
    for (int i = 0; i < TOKENS - CTX; i++)
        assert_in_range(count[i], 40, 140); /* 83 expected */
    wkv_rows_init(&other, WKV_ORDER_RANDOM, TOKENS, CTX, 2, 6);
    int equal = 0;
    for (uint64_t s = 0; s < 100; s++)
        equal += wkv_rows_start(&r, s, 0) == wkv_rows_start(&other, s, 0);
    assert_true(equal < 30); /* the seed matters */
}

static void exactly_one_row_fits(void **state)
{
    wkv_sampler_rows r;
    wkv_rows_init(&r, WKV_ORDER_RANDOM, 17, 16, 2, 5);
    assert_int_equal(wkv_rows_start(&r, 3, 1), 0);
    wkv_rows_init(&r, WKV_ORDER_SEQUENTIAL, 17, 16, 2, 5);
    assert_int_equal(wkv_rows_start(&r, 3, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(magic_primes),
        cmocka_unit_test(reference_offsets),
        cmocka_unit_test(random_is_a_permutation),
        cmocka_unit_test(sequential),
        cmocka_unit_test(fallback),
        cmocka_unit_test(exactly_one_row_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
