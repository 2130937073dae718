/* The sampler: each option's effect on known logits, the order in which they act, and
 * the frequencies of many draws against the probabilities they should have. */
#include "test.h"

#include <math.h>

#include <wkv/sampler.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tok/tokenizer.h"

/* No penalties, no cuts. */
static wkv_sampler_opts plain(void)
{
    wkv_sampler_opts o;
    wkv_sampler_opts_init(&o);
    o.top_p = 1.0f;
    o.presence = o.frequency = 0.0f;
    return o;
}

static wkv_sampler *open_sampler(int32_t vocab, const wkv_sampler_opts *o, const wkv_tokenizer *t)
{
    wkv_sampler *s;
    wkv_error err;
    if (wkv_sampler_open(&s, vocab, o, t, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

enum { DRAWS = 200000, MOST = 8 };

/* Draws many times from fixed logits and holds the frequencies against want[n]. */
static void expect_distribution(const wkv_sampler_opts *o, const float *logits, int32_t n,
                                const double *want)
{
    int counts[MOST] = {0};
    wkv_sampler *s = open_sampler(n, o, NULL);
    for (int i = 0; i < DRAWS; i++)
        counts[wkv_sampler_next(s, logits)]++;
    wkv_sampler_close(&s);
    for (int32_t i = 0; i < n; i++) {
        double p = want[i], sigma = sqrt(p * (1.0 - p) / DRAWS);
        double got = (double)counts[i] / DRAWS;
        if (fabs(got - p) > 4.5 * sigma)
            fail_msg("token %d: drawn %.5f of the time, expected %.5f", (int)i, got, p);
    }
}

/* Logits of these probabilities; the constant must not matter. */
static void logits_of(const double *p, int32_t n, float *out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = (float)(log(p[i]) + 3.0);
}

static const double base[5] = {0.05, 0.4, 0.1, 0.3, 0.15};

static void test_plain_softmax(void **state)
{
    float logits[5];
    logits_of(base, 5, logits);
    wkv_sampler_opts o = plain();
    expect_distribution(&o, logits, 5, base);
}

static void test_top_p(void **state)
{
    float logits[5];
    logits_of(base, 5, logits);
    wkv_sampler_opts o = plain();
    o.top_p = 0.6f; /* 0.4, then 0.3 reaches it */
    expect_distribution(&o, logits, 5, (const double[]){0, 4.0 / 7, 0, 3.0 / 7, 0});
    o.top_p = 0.39f;
    expect_distribution(&o, logits, 5, (const double[]){0, 1, 0, 0, 0});
    o.top_p = 0.0f;
    expect_distribution(&o, logits, 5, (const double[]){0, 1, 0, 0, 0});
}

static void test_ties_at_the_cut_are_kept(void **state)
{
    static const float logits[5] = {1.0f, 2.0f, 1.0f, 1.0f, -9.0f};
    double e = exp(1.0), sum = e * e + 3 * e;
    wkv_sampler_opts o = plain();
    o.top_p = (float)((e * e + 0.5 * e) / sum);
    expect_distribution(&o, logits, 5, (const double[]){e / sum, e * e / sum, e / sum, e / sum, 0});
}

/* A top-p that rounding may never reach must not turn into taking the best. */
static void test_top_p_just_below_one(void **state)
{
    float logits[MOST];
    double want[MOST];
    for (int i = 0; i < MOST; i++) {
        logits[i] = 0.1f;
        want[i] = 1.0 / MOST;
    }
    wkv_sampler_opts o = plain();
    o.top_p = nextafterf(1.0f, 0.0f);
    expect_distribution(&o, logits, MOST, want);
}

static void test_top_k(void **state)
{
    float logits[5];
    logits_of(base, 5, logits);
    wkv_sampler_opts o = plain();
    o.top_k = 3;
    expect_distribution(&o, logits, 5, (const double[]){0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85});
    o.top_k = 1;
    expect_distribution(&o, logits, 5, (const double[]){0, 1, 0, 0, 0});
    o.top_k = 99;
    expect_distribution(&o, logits, 5, base);
}

static const float *sorted_by; /* for qsort */

static int heaviest_first(const void *a, const void *b)
{
    const float x = sorted_by[*(const int *)a], y = sorted_by[*(const int *)b];
    return x != y ? (x > y ? -1 : 1) : *(const int *)a - *(const int *)b;
}

enum { MANY = 300 };

/* Marks what top-p and top-k keep, found by sorting. */
static void mark_kept(bool kept[MANY], const float *logits, const wkv_sampler_opts *o)
{
    int order[MANY];
    double total = 0, sum = 0;
    for (int i = 0; i < MANY; i++) {
        order[i] = i;
        total += exp((double)logits[i]);
        kept[i] = false;
    }
    sorted_by = logits;
    qsort(order, MANY, sizeof *order, heaviest_first);
    const double goal = o->top_p < 1 ? (double)o->top_p * total : INFINITY;
    for (int i = 0; i < MANY && (o->top_k == 0 || i < o->top_k); i++) {
        if (i > 0 && sum >= goal && logits[order[i]] < logits[order[i - 1]])
            break;
        kept[order[i]] = true;
        sum += exp((double)logits[order[i]]);
    }
}

/* Cuts of any number of tokens, many of them equal: at a high temperature nearly all that are kept
 * are drawn, and nothing else is. */
static void test_cuts_of_many(void **state)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 7);
    for (int round = 0; round < 100; round++) {
        float logits[MANY];
        for (int i = 0; i < MANY; i++)
            logits[i] = (float)(wkv_rng_u64(&rng) % 40) * 0.1f;
        wkv_sampler_opts o = plain();
        o.top_p = round % 3 == 0 ? 1.0f : (float)wkv_rng_uniform(&rng);
        o.top_k = round % 3 == 1 ? 0 : 1 + (int32_t)(wkv_rng_u64(&rng) % MANY);
        o.temperature = 100.0f;
        bool kept[MANY], drawn[MANY] = {false};
        mark_kept(kept, logits, &o);
        wkv_sampler *s = open_sampler(MANY, &o, NULL);
        for (int i = 0; i < 20 * MANY; i++)
            drawn[wkv_sampler_next(s, logits)] = true;
        wkv_sampler_close(&s);
        assert_memory_equal(drawn, kept, sizeof kept);
    }
}

/* The temperature acts after the cuts: it changes weights, not who is kept. */
static void test_temperature_after_cuts(void **state)
{
    float logits[5];
    logits_of(base, 5, logits);
    wkv_sampler_opts o = plain();
    o.top_p = 0.6f;
    o.temperature = 2.0f;
    double a = sqrt(0.4), b = sqrt(0.3);
    expect_distribution(&o, logits, 5, (const double[]){0, a / (a + b), 0, b / (a + b), 0});
    o.temperature = 0.5f;
    expect_distribution(&o, logits, 5, (const double[]){0, 0.16 / 0.25, 0, 0.09 / 0.25, 0});
    o.temperature = 1e-30f;
    expect_distribution(&o, logits, 5, (const double[]){0, 1, 0, 0, 0});
}

static void test_greedy_takes_the_lowest_of_equals(void **state)
{
    static const float logits[4] = {0.0f, 7.0f, 7.0f, 1.0f};
    wkv_sampler_opts o = plain();
    o.temperature = 0.0f;
    wkv_sampler *s = open_sampler(4, &o, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(wkv_sampler_next(s, logits), 1);
    wkv_sampler_close(&s);
}

/* Greedy, so that every choice shows the penalised logits exactly. */
static void test_presence_stays_for_ever(void **state)
{
    static const float logits[3] = {1.0f, 0.95f, 0.94f};
    wkv_sampler_opts o = plain();
    o.temperature = 0.0f;
    o.presence = 0.5f;
    o.penalty_decay = 0.0f;
    wkv_sampler *s = open_sampler(3, &o, NULL);
    static const int32_t want[] = {0, 1, 2, 0, 0, 0};
    for (int i = 0; i < 6; i++)
        assert_int_equal(wkv_sampler_next(s, logits), want[i]);
    wkv_sampler_close(&s);
}

static void test_frequency_decays(void **state)
{
    static const float logits[2] = {1.0f, 0.0f};
    wkv_sampler_opts o = plain();
    o.temperature = 0.0f;
    o.frequency = 0.6f;
    o.penalty_decay = 0.5f;
    wkv_sampler *s = open_sampler(2, &o, NULL);
    /* Counts of token 0 before each draw: 0, 1, 1.5, 1.75 (1 - 0.6 * 1.75 = -0.05 < 0),
     * then 0.875 (0.475 against -0.6), 1.4375 (0.1375 against -0.3), 1.71875 (-0.031). */
    static const int32_t want[] = {0, 0, 0, 1, 0, 0, 0};
    for (int i = 0; i < 7; i++)
        assert_int_equal(wkv_sampler_next(s, logits), want[i]);
    wkv_sampler_close(&s);
}

/* Digits, blanks and tabs are not counted, but their presence is charged. */
static void test_digits_are_not_counted(void **state)
{
    wkv_tokenizer t;
    assert_int_equal(wkv_tok_open_bytes(&t.tok, NULL), WKV_OK);
    float logits[256];
    for (int i = 0; i < 256; i++)
        logits[i] = -1000.0f;
    logits['7'] = 1.0f;
    logits['x'] = 0.9f;
    wkv_sampler_opts o = plain();
    o.temperature = 0.0f;
    o.frequency = 0.05f;
    o.penalty_decay = 1.0f;
    wkv_sampler *s = open_sampler(256, &o, &t);
    for (int i = 0; i < 20; i++)
        assert_int_equal(wkv_sampler_next(s, logits), '7');
    wkv_sampler_close(&s);
    o.presence = 0.15f;
    s = open_sampler(256, &o, &t);
    assert_int_equal(wkv_sampler_next(s, logits), '7');
    assert_int_equal(wkv_sampler_next(s, logits), 'x');
    wkv_sampler_close(&s);
    s = open_sampler(256, &o, NULL); /* without a tokenizer a digit is a token like others */
    assert_int_equal(wkv_sampler_next(s, logits), '7');
    wkv_sampler_close(&s);
    wkv_tok_close(&t.tok);
}

static void test_logits_that_are_no_numbers(void **state)
{
    wkv_sampler_opts o = plain();
    static const float some[5] = {NAN, 1.0f, INFINITY, 1.0f, -INFINITY};
    expect_distribution(&o, some, 5, (const double[]){0, 0.5, 0, 0.5, 0});
    o.top_k = 4;
    expect_distribution(&o, some, 5, (const double[]){0, 0.5, 0, 0.5, 0});
    static const float none[3] = {NAN, INFINITY, -INFINITY};
    o.temperature = 0.0f;
    for (int greedy = 0; greedy < 2; greedy++) {
        wkv_sampler *s = open_sampler(3, &o, NULL);
        assert_int_equal(wkv_sampler_next(s, none), -1);
        wkv_sampler_close(&s);
        o.temperature = 1.0f;
    }
    static const float extreme[3] = {3e38f, -3e38f, 2e38f};
    expect_distribution(&o, extreme, 3, (const double[]){1, 0, 0});
}

static int refuse(void *user, size_t bytes)
{
    (void)bytes;
    ++*(int *)user;
    return 1;
}

/* The same seed gives the same tokens, another seed others, and drawing allocates
 * nothing; a whole World vocabulary of almost equal logits is the worst case. */
static void test_reproducible_without_allocating(void **state)
{
    enum { V = 65536, N = 40 };
    static float logits[V];
    for (int i = 0; i < V; i++)
        logits[i] = (float)(i * 7919 % 1000) * 1e-3f;
    int32_t drawn[3][N];
    int allocations = 0;
    for (int run = 0; run < 3; run++) {
        wkv_sampler_opts o;
        wkv_sampler_opts_init(&o);
        o.seed = run == 2 ? 43 : 42;
        wkv_sampler *s = open_sampler(V, &o, NULL);
        wkv_mem_set_hook(refuse, &allocations);
        for (int i = 0; i < N; i++)
            drawn[run][i] = wkv_sampler_next(s, logits);
        wkv_mem_set_hook(NULL, NULL);
        wkv_sampler_close(&s);
    }
    assert_int_equal(allocations, 0);
    assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
    assert_memory_not_equal(drawn[0], drawn[2], sizeof drawn[0]);
}

static void expect_refused(int32_t vocab, const wkv_sampler_opts *o, const char *message)
{
    wkv_sampler *s;
    wkv_error err = {0};
    assert_int_equal(wkv_sampler_open(&s, vocab, o, NULL, &err), WKV_E_ARGUMENT);
    assert_string_equal(err.text, message);
    assert_null(s);
}

static void test_options_out_of_range(void **state)
{
    wkv_sampler_opts o = plain();
    expect_refused(0, &o, "vocab: expected at least 1, found 0");
    o.temperature = -1.0f;
    expect_refused(5, &o, "temperature: expected a number from 0 on, found -1");
    o.temperature = NAN;
    expect_refused(5, &o, "temperature: expected a number from 0 on, found nan");
    o = plain();
    o.top_p = 1.5f;
    expect_refused(5, &o, "top_p: expected a number from 0 to 1, found 1.5");
    o = plain();
    o.top_k = -1;
    expect_refused(5, &o, "top_k: expected 0 or more, found -1");
    o = plain();
    o.presence = INFINITY;
    expect_refused(5, &o, "presence: expected a finite number, found inf");
    o = plain();
    o.frequency = INFINITY;
    expect_refused(5, &o, "frequency: expected a finite number, found inf");
    o = plain();
    o.penalty_decay = 2.0f;
    expect_refused(5, &o, "penalty_decay: expected a number from 0 to 1, found 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_softmax),
        cmocka_unit_test(test_top_p),
        cmocka_unit_test(test_ties_at_the_cut_are_kept),
        cmocka_unit_test(test_top_p_just_below_one),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_cuts_of_many),
        cmocka_unit_test(test_temperature_after_cuts),
        cmocka_unit_test(test_greedy_takes_the_lowest_of_equals),
        cmocka_unit_test(test_presence_stays_for_ever),
        cmocka_unit_test(test_frequency_decays),
        cmocka_unit_test(test_digits_are_not_counted),
        cmocka_unit_test(test_logits_that_are_no_numbers),
        cmocka_unit_test(test_reproducible_without_allocating),
        cmocka_unit_test(test_options_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
