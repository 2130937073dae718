/* Sessions: however a text is cut into pieces, and on however many threads, the logits
 * are the same; nothing changes on a refused call; feeding allocates nothing. */
#include "api.h"

#include "support/heap.h"

enum { MANY = 600 }; /* more than two of the pieces that the library makes itself */

static const tiny_model *const versions[] = {&tiny_rwkv4, &tiny_rwkv7, &tiny_aft_local};
enum { VERSIONS = sizeof versions / sizeof versions[0] };

/* The model of version i, made once. */
static const char *path_of(int i)
{
    static char path[64];
    snprintf(path, sizeof path, "session_%s.safetensors", versions[i]->arch);
    if (access(path, R_OK) != 0)
        tiny_model_write(path, versions[i]);
    return path;
}

static int remove_models(void **state)
{
    for (int i = 0; i < VERSIONS; i++)
        unlink(path_of(i));
    return 0;
}

static void test_any_cut_gives_the_same_logits(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 1);
        const int32_t V = vocab_of(m);
        int32_t ids[MANY];
        fill_ids(ids, MANY, V, 1);
        wkv_session *whole = open_session(m), *steps = open_session(m), *ragged = open_session(m);
        feed(whole, ids, MANY);
        for (size_t t = 0; t < MANY; t++)
            feed(steps, ids + t, 1);
        for (size_t t = 0, n = 1; t < MANY; t += n, n = n * 2 % 307) {
            if (n > MANY - t)
                n = MANY - t;
            feed(ragged, ids + t, n);
        }
        const float *want = wkv_session_logits(whole);
        assert_true(relative_difference(wkv_session_logits(steps), want, V) < 1e-5);
        assert_true(relative_difference(wkv_session_logits(ragged), want, V) < 1e-5);
        assert_int_equal(wkv_session_position(ragged), MANY);
        wkv_session_close(&whole);
        wkv_session_close(&steps);
        wkv_session_close(&ragged);
        wkv_model_close(&m);
    }
}

/* The model looks at what it is fed: another first token gives other logits. */
static void test_the_past_matters(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 1);
        wkv_session *a = open_session(m), *b = open_session(m);
        feed(a, (const int32_t[]){1, 2, 3, 4}, 4);
        feed(b, (const int32_t[]){9, 2, 3, 4}, 4);
        assert_true(relative_difference(wkv_session_logits(a), wkv_session_logits(b), vocab_of(m)) >
                    1e-3);
        wkv_session_close(&a);
        wkv_session_close(&b);
        wkv_model_close(&m);
    }
}

static void test_thread_counts_give_the_same_bits(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *one = open_model(path_of(i), 1), *two = open_model(path_of(i), 2);
        const int32_t V = vocab_of(one);
        int32_t ids[MANY];
        fill_ids(ids, MANY, V, 2);
        wkv_session *a = open_session(one), *b = open_session(two);
        feed(a, ids, MANY);
        feed(b, ids, MANY);
        must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), V);
        for (int t = 0; t < 20; t++) {
            feed(a, ids + t, 1);
            feed(b, ids + t, 1);
        }
        must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), V);
        wkv_session_close(&a);
        wkv_session_close(&b);
        wkv_model_close(&one);
        wkv_model_close(&two);
    }
}

static void test_refused_tokens_change_nothing(void **state)
{
    wkv_model *m = open_model(path_of(1), 1);
    const int32_t V = vocab_of(m);
    wkv_session *s = open_session(m), *clean = open_session(m);
    assert_null(wkv_session_logits(s));
    assert_int_equal(wkv_session_position(s), 0);
    assert_int_equal(wkv_session_feed(s, (const int32_t[]){5, V}, 2), WKV_E_TOKEN);
    assert_null(wkv_session_logits(s));
    feed(s, (const int32_t[]){5}, 1);
    double logprob[3] = {7, 7, 7};
    assert_int_equal(wkv_session_feed(s, (const int32_t[]){5, V}, 2), WKV_E_TOKEN);
    assert_int_equal(wkv_session_feed(s, (const int32_t[]){5, 6, -1}, 3), WKV_E_TOKEN);
    assert_int_equal(wkv_session_feed(s, (const int32_t[]){INT32_MAX}, 1), WKV_E_TOKEN);
    assert_int_equal(wkv_session_feed(s, (const int32_t[]){5}, 0), WKV_E_ARGUMENT);
    assert_int_equal(wkv_session_score(s, (const int32_t[]){5, V}, 2, logprob), WKV_E_TOKEN);
    assert_int_equal(wkv_session_score(s, (const int32_t[]){5}, 0, logprob), WKV_E_ARGUMENT);
    assert_true(logprob[0] == 7 && logprob[1] == 7);
    assert_int_equal(wkv_session_position(s), 1);
    feed(s, (const int32_t[]){6}, 1);
    feed(clean, (const int32_t[]){5}, 1);
    feed(clean, (const int32_t[]){6}, 1);
    must_be_same_bits(wkv_session_logits(s), wkv_session_logits(clean), V);
    wkv_session_close(&s);
    wkv_session_close(&clean);
    wkv_model_close(&m);
}

/* log softmax(logits)[id], by the book. */
static double log_probability(const float *logits, int32_t V, int32_t id)
{
    double most = -INFINITY, sum = 0;
    for (int32_t i = 0; i < V; i++)
        most = fmax(most, (double)logits[i]);
    for (int32_t i = 0; i < V; i++)
        sum += exp((double)logits[i] - most);
    return (double)logits[id] - most - log(sum);
}

static void test_score_is_the_log_softmax_of_each_step(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 2);
        const int32_t V = vocab_of(m);
        int32_t ids[MANY];
        double logprob[MANY];
        fill_ids(ids, MANY, V, 3);
        wkv_session *scored = open_session(m), *fed = open_session(m);
        const size_t cut = 275; /* across the library's own pieces, and not at their ends */
        assert_int_equal(wkv_session_score(scored, ids, cut, logprob), WKV_OK);
        assert_int_equal(wkv_session_score(scored, ids + cut, MANY - cut, logprob + cut), WKV_OK);
        assert_true(isnan(logprob[0]));
        feed(fed, ids, 1);
        for (size_t t = 1; t < MANY; t++) {
            double want = log_probability(wkv_session_logits(fed), V, ids[t]);
            if (!(fabs(logprob[t] - want) < 2e-5))
                fail_msg("token %zu: scored %.9g, expected %.9g", t, logprob[t], want);
            feed(fed, ids + t, 1);
        }
        assert_true(relative_difference(wkv_session_logits(scored), wkv_session_logits(fed), V) <
                    1e-5);
        assert_int_equal(wkv_session_position(scored), MANY);
        wkv_session_close(&scored);
        wkv_session_close(&fed);
        wkv_model_close(&m);
    }
}

/* Holds what feed_each tells against a session that is fed step by step. */
typedef struct following {
    wkv_session *fed;
    const int32_t *ids;
    int32_t V;
    size_t n; /* calls so far */
} following;

static void follow(void *user, size_t i, const float *logits)
{
    following *f = user;
    assert_int_equal(i, f->n++);
    feed(f->fed, &f->ids[i], 1);
    assert_true(relative_difference(logits, wkv_session_logits(f->fed), f->V) < 1e-5);
}

static void test_feed_each_tells_the_logits_of_each_step(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 2);
        const int32_t V = vocab_of(m);
        int32_t ids[MANY];
        fill_ids(ids, MANY, V, 5);
        wkv_session *s = open_session(m), *fed = open_session(m), *whole = open_session(m);
        following f = {fed, ids, V, 0};
        assert_int_equal(wkv_session_feed_each(s, ids, MANY, follow, &f), WKV_OK);
        assert_int_equal(f.n, MANY);
        assert_int_equal(wkv_session_position(s), MANY);
        feed(whole, ids, MANY);
        assert_true(relative_difference(wkv_session_logits(s), wkv_session_logits(whole), V) <
                    1e-6);
        assert_int_equal(wkv_session_feed_each(s, ids, 0, follow, &f), WKV_E_ARGUMENT);
        assert_int_equal(wkv_session_feed_each(s, &V, 1, follow, &f), WKV_E_TOKEN);
        assert_int_equal(f.n, MANY);
        wkv_session_close(&s);
        wkv_session_close(&fed);
        wkv_session_close(&whole);
        wkv_model_close(&m);
    }
}

static void test_reset_and_copy(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 1);
        wkv_model *stranger = open_model(path_of(i), 1);
        const int32_t V = vocab_of(m);
        int32_t ids[40];
        fill_ids(ids, 40, V, 4);
        wkv_session *a = open_session(m), *b = open_session(m), *c = open_session(stranger);
        feed(b, ids, 40); /* something to be overwritten */
        feed(a, ids, 20);
        assert_int_equal(wkv_session_copy(b, a), WKV_OK);
        assert_int_equal(wkv_session_copy(b, b), WKV_OK);
        assert_int_equal(wkv_session_position(b), 20);
        must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), V);
        feed(a, ids + 20, 7);
        feed(b, ids + 20, 7);
        must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), V);
        assert_int_equal(wkv_session_copy(c, a), WKV_E_ARGUMENT);
        assert_int_equal(wkv_session_position(c), 0);

        wkv_session_reset(b);
        assert_null(wkv_session_logits(b));
        assert_int_equal(wkv_session_position(b), 0);
        feed(b, ids, 20);
        feed(b, ids + 20, 7);
        must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), V);
        wkv_session_reset(a);
        assert_int_equal(wkv_session_copy(b, a), WKV_OK);
        assert_null(wkv_session_logits(b));
        wkv_session_close(&a);
        wkv_session_close(&b);
        wkv_session_close(&c);
        wkv_model_close(&m);
        wkv_model_close(&stranger);
    }
}

static void test_feeding_allocates_nothing(void **state)
{
    for (int i = 0; i < VERSIONS; i++) {
        wkv_model *m = open_model(path_of(i), 2);
        int32_t ids[MANY];
        double logprob[MANY];
        fill_ids(ids, MANY, vocab_of(m), 5);
        wkv_session *s = open_session(m), *other = open_session(m);
        heap_count();
        for (size_t t = 0; t < 5; t++)
            feed(s, ids + t, 1);
        for (size_t n = 2; n < 70; n += 3)
            feed(s, ids, n);
        feed(s, ids, MANY);
        assert_int_equal(wkv_session_score(s, ids, MANY, logprob), WKV_OK);
        assert_int_equal(wkv_session_copy(other, s), WKV_OK);
        wkv_session_reset(s);
        assert_int_equal(heap_release().asked, 0);
        wkv_session_close(&s);
        wkv_session_close(&other);
        wkv_model_close(&m);
    }
}

/* A model whose texts end refuses what passes the end, and nothing changes; a saved state
 * stands where it stood. */
static void test_texts_end(void **state)
{
    enum { LENGTH = 1024 };
    const char *path = "session_bounded.safetensors", *saved = "session_bounded.state";
    tiny_model_write(path, &tiny_aft_full);
    wkv_model *m = open_model(path, 1);
    wkv_model_info info;
    wkv_model_describe(m, &info);
    assert_int_equal(info.max_length, LENGTH);
    int32_t ids[LENGTH + 1];
    double logprob[LENGTH + 1];
    fill_ids(ids, LENGTH + 1, info.vocab, 6);
    wkv_session *s = open_session(m), *other = open_session(m);
    assert_int_equal(wkv_session_feed(s, ids, LENGTH + 1), WKV_E_LIMIT);
    assert_int_equal(wkv_session_position(s), 0);
    feed(s, ids, LENGTH - 1);
    assert_int_equal(wkv_session_feed(s, ids, 2), WKV_E_LIMIT);
    assert_int_equal(wkv_session_score(s, ids, 2, logprob), WKV_E_LIMIT);
    feed(s, ids, 1);
    assert_int_equal(wkv_session_feed(s, ids, 1), WKV_E_LIMIT);
    assert_int_equal(wkv_session_save(s, saved, NULL), WKV_OK);
    assert_int_equal(wkv_session_load(other, saved, NULL), WKV_OK);
    assert_int_equal(wkv_session_feed(other, ids, 1), WKV_E_LIMIT);
    wkv_session_reset(s);
    feed(s, ids, LENGTH);
    wkv_session_close(&s);
    wkv_session_close(&other);
    wkv_model_close(&m);
    unlink(saved);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut_gives_the_same_logits),
        cmocka_unit_test(test_the_past_matters),
        cmocka_unit_test(test_thread_counts_give_the_same_bits),
        cmocka_unit_test(test_refused_tokens_change_nothing),
        cmocka_unit_test(test_score_is_the_log_softmax_of_each_step),
        cmocka_unit_test(test_feed_each_tells_the_logits_of_each_step),
        cmocka_unit_test(test_reset_and_copy),
        cmocka_unit_test(test_feeding_allocates_nothing),
        cmocka_unit_test(test_texts_end),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, remove_models);
}
