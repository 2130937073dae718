/* Encoding into the quantised types: never worse than plain rounding, exact where the type can
 * be, and no value that the other programs' kernels could stumble over. */
#include "test.h"

#include <math.h>

#include "base/blocks.h"
#include "base/half.h"
#include "base/quant.h"
#include "base/rng.h"

enum { BLOCK = 256, TYPES = 10 };

/* With the steps of the range between the smallest and the largest value. */
static const struct {
    wkv_dtype t;
    int levels; /* that one scale spans */
    bool offset;
} types[TYPES] = {
    {WKV_DTYPE_Q4_0, 16, false}, {WKV_DTYPE_Q4_1, 16, true},   {WKV_DTYPE_Q5_0, 32, false},
    {WKV_DTYPE_Q5_1, 32, true},  {WKV_DTYPE_Q8_0, 255, false}, {WKV_DTYPE_Q2_K, 4, true},
    {WKV_DTYPE_Q3_K, 8, false},  {WKV_DTYPE_Q4_K, 16, true},   {WKV_DTYPE_Q5_K, 32, true},
    {WKV_DTYPE_Q6_K, 64, false},
};

/* Encodes 256 values and decodes them again. */
static void there_and_back(float *y, const float *x, const float *w, wkv_dtype t)
{
    const wkv_dtype_info *info = wkv_dtype_of(t);
    uint8_t p[BLOCK / 32 * 34 + 1];
    for (int i = 0; i < BLOCK; i += info->block) {
        memset(p, 0xa5, sizeof p);
        assert_true(wkv_block_encode(p, x + i, w != NULL ? w + i : NULL, t));
        assert_int_equal(p[info->bytes], 0xa5);
        wkv_block_decode(y + i, p, t);
    }
}

static double error_of(const float *y, const float *x, const float *w, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (w != NULL ? (double)w[i] : 1) * pow((double)x[i] - (double)y[i], 2);
    return sum;
}

static void fill_normal(float *x, int n, uint64_t seed, double scale)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, seed);
    for (int i = 0; i < n; i++)
        x[i] = (float)(scale * wkv_rng_normal(&rng));
}

/* Even steps from the least to the greatest of each 32 values: what one gets without search.
 * The K types lose something to their integer scales. */
static void is_no_worse_than_rounding(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        for (uint64_t seed = 0; seed < 40; seed++) {
            float x[BLOCK], y[BLOCK];
            fill_normal(x, BLOCK, seed, seed % 2 == 0 ? 1 : 1e-3);
            there_and_back(y, x, NULL, types[i].t);
            double plain = 0;
            for (int b = 0; b < BLOCK; b += 32) {
                float lo = x[b], hi = x[b];
                for (int j = b; j < b + 32; j++) {
                    lo = fminf(lo, x[j]);
                    hi = fmaxf(hi, x[j]);
                }
                const float most = fmaxf(fabsf(lo), fabsf(hi));
                const int top = types[i].offset ? types[i].levels - 1 : types[i].levels / 2;
                const float step = (types[i].offset ? hi - lo : most) / (float)top;
                const float zero = types[i].offset ? lo : 0;
                for (int j = b; j < b + 32; j++) {
                    const float q =
                        fminf(roundf((x[j] - zero) / step),
                              (float)((types[i].levels - 1) / (types[i].offset ? 1 : 2)));
                    plain += pow((double)(zero + step * q - x[j]), 2);
                }
            }
            if (error_of(y, x, NULL, BLOCK) > plain)
                fail_msg("%s: %g, plain rounding %g", wkv_dtype_of(types[i].t)->name,
                         error_of(y, x, NULL, BLOCK), plain);
        }
    }
}

/* What a block decodes to is encoded without a difference, or nearly: the search may end in
 * other integers of the same values. */
static void decoded_values_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        for (uint64_t seed = 0; seed < 40; seed++) {
            float x[BLOCK], y[BLOCK], z[BLOCK];
            fill_normal(x, BLOCK, seed, 1);
            there_and_back(y, x, NULL, types[i].t);
            there_and_back(z, y, NULL, types[i].t);
            const double again = error_of(z, y, NULL, BLOCK), first = error_of(y, x, NULL, BLOCK);
            if (again > 0.5 * first)
                fail_msg("%s: %g, then %g", wkv_dtype_of(types[i].t)->name, first, again);
        }
    }
}

static void weights_decide_what_errs(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        double with = 0, without = 0;
        for (uint64_t seed = 0; seed < 20; seed++) {
            float x[BLOCK], w[BLOCK], y[BLOCK];
            fill_normal(x, BLOCK, seed, 1);
            fill_normal(w, BLOCK, seed + 1000, 1);
            for (int j = 0; j < BLOCK; j++)
                w[j] = expf(2 * w[j]);
            there_and_back(y, x, w, types[i].t);
            with += error_of(y, x, w, BLOCK);
            there_and_back(y, x, NULL, types[i].t);
            without += error_of(y, x, w, BLOCK);
        }
        if (!(types[i].t == WKV_DTYPE_Q8_0 ? with <= without : with < 0.95 * without))
            fail_msg("%s: %g with weights, %g without", wkv_dtype_of(types[i].t)->name, with,
                     without);
    }
}

/* Weights that say nothing are none; their common size does not matter. */
static void useless_weights_are_none(void **state)
{
    (void)state;
    static const float sizes[] = {0, 1e-30f, 1, 1e30f};
    for (int i = 0; i < TYPES; i++) {
        float x[BLOCK], w[BLOCK], y[BLOCK], z[BLOCK];
        fill_normal(x, BLOCK, 5, 1);
        there_and_back(y, x, NULL, types[i].t);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (int j = 0; j < BLOCK; j++)
                w[j] = sizes[s];
            there_and_back(z, x, w, types[i].t);
            assert_memory_equal(y, z, sizeof y);
        }
    }
}

static void fill_case(float *x, int which)
{
    for (int j = 0; j < BLOCK; j++) {
        const float sign = j % 3 == 0 ? -1.0f : 1.0f;
        const float cases[] = {0,
                               -0.0f,
                               1,
                               -3,
                               sign * 1e-8f,
                               1e-40f,
                               sign * 3e-7f,
                               32768,
                               sign * 32768,
                               j == 77 ? 1000 : sign * 1e-3f,
                               (float)(j + 1),
                               (float)(-1 - j),
                               j == 200 ? -1.0f : 0};
        x[j] = cases[which];
    }
}

/* Extremes stay finite and within a step of what they were. */
static void strange_blocks_work(void **state)
{
    (void)state;
    for (int which = 0; which < 13; which++) {
        float x[BLOCK], y[BLOCK];
        fill_case(x, which);
        for (int i = 0; i < TYPES; i++) {
            there_and_back(y, x, NULL, types[i].t);
            for (int j = 0; j < BLOCK; j++) {
                float most = 0;
                const int group = j / 32 * 32;
                for (int l = 0; l < BLOCK; l++)
                    if (wkv_dtype_of(types[i].t)->block == BLOCK || l / 32 * 32 == group)
                        most = fmaxf(most, fabsf(x[l]));
                const float step = 2 * most / (float)(types[i].levels - 1);
                if (!(fabsf(y[j] - x[j]) <= step + (float)types[i].levels * 3e-8f))
                    fail_msg("%s, case %d, %d: %g became %g", wkv_dtype_of(types[i].t)->name, which,
                             j, (double)x[j], (double)y[j]);
            }
        }
    }
}

static void what_has_no_place_is_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 32769, -1e30f};
    for (int i = 0; i < TYPES; i++) {
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            float x[BLOCK] = {0};
            uint8_t p[210];
            x[wkv_dtype_of(types[i].t)->block - 1] = bad[b];
            assert_false(wkv_block_encode(p, x, NULL, types[i].t));
        }
    }
}

/* Products of signed bytes that negate one of them cannot take -128. */
static void q8_0_has_no_minus_128(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        float x[32];
        uint8_t p[34];
        fill_normal(x, 32, seed, 0.02);
        assert_true(wkv_block_encode(p, x, NULL, WKV_DTYPE_Q8_0));
        for (int j = 0; j < 32; j++)
            assert_int_not_equal(p[2 + j], 0x80);
    }
}

/* Only read: nibble i of the first sixteen inputs, 15 - i of the others, at a scale of 1/2. */
static void iq4_nl_is_decoded(void **state)
{
    static const float want[16] = {-63.5f, -52,  -41.5f, -32.5f, -24.5f, -17.5f, -11,   -5,
                                   0.5f,   6.5f, 12.5f,  19,     26.5f,  34.5f,  44.5f, 56.5f};
    uint8_t p[18] = {0x00, 0x38};
    float y[32];
    for (int i = 0; i < 16; i++)
        p[2 + i] = (uint8_t)(i | (15 - i) << 4);
    wkv_block_decode(y, p, WKV_DTYPE_IQ4_NL);
    for (int i = 0; i < 16; i++) {
        assert_true(y[i] == want[i]);
        assert_true(y[16 + i] == want[15 - i]);
    }
    wkv_block_scale(p, WKV_DTYPE_IQ4_NL, 4);
    wkv_block_decode(y, p, WKV_DTYPE_IQ4_NL);
    assert_true(y[3] == 4 * want[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_no_worse_than_rounding), cmocka_unit_test(decoded_values_are_kept),
        cmocka_unit_test(weights_decide_what_errs),  cmocka_unit_test(useless_weights_are_none),
        cmocka_unit_test(strange_blocks_work),       cmocka_unit_test(what_has_no_place_is_refused),
        cmocka_unit_test(q8_0_has_no_minus_128),     cmocka_unit_test(iq4_nl_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
