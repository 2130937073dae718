/* Batches: every sequence gets the bits that it gets alone, whatever else is in the batch
 * and however many threads there are; a wrong item changes nothing; feeding allocates
 * nothing. */
#include "api.h"

#include "support/heap.h"

enum { SEQUENCES = 32, LONGEST = 600 };

/* All versions, as wkv random-model makes them, and all types of matrices. */
static const char *const archs[] = {"rwkv4", "rwkv5", "rwkv6", "rwkv7"};
static const char *const dtypes[] = {"f32", "f16", "bf16"};
enum { ARCHS = 4, DTYPES = 3 };
static const char *const path = "batch.safetensors";

static void make_model(const char *arch, const char *dtype)
{
    wkv_error err;
    wkv_random_opts o;
    wkv_random_opts_init(&o);
    o.arch = arch;
    o.dtype = dtype;
    o.layers = 2;
    o.width = 64;
    o.head_size = 32;
    o.vocab_size = 96;
    must(wkv_random_model(path, &o, &err), &err);
}

static int remove_model(void **state)
{
    unlink(path);
    return 0;
}

static wkv_batch *open_batch(const wkv_model *m, int32_t width)
{
    wkv_error err;
    wkv_batch *b;
    must(wkv_batch_open(&b, m, width, &err), &err);
    return b;
}

/* How many tokens sequence i gets in a round: steps, a few, prompts of more than one piece. */
static size_t length_of(int i, int round)
{
    static const size_t lengths[] = {1, 1, 2, 1, 4, 5, 1, 33, 257, 1, 3, 600, 256, 1, 1, 261};
    return round == 0 ? lengths[i % 16] : 1 + (size_t)(i % 7 == round);
}

typedef struct crowd {
    wkv_session *in_batch[SEQUENCES], *alone[SEQUENCES];
} crowd;

static void open_crowd(crowd *c, const wkv_batch *b, const wkv_model *m)
{
    wkv_error err;
    for (int i = 0; i < SEQUENCES; i++) {
        must(wkv_batch_session_open(&c->in_batch[i], b, &err), &err);
        c->alone[i] = open_session(m);
    }
}

static void close_crowd(crowd *c)
{
    for (int i = 0; i < SEQUENCES; i++) {
        wkv_session_close(&c->in_batch[i]);
        wkv_session_close(&c->alone[i]);
    }
}

/* One call for all, and one call each. */
static void feed_round(wkv_batch *b, crowd *c, int n, int round, int32_t V)
{
    static int32_t ids[SEQUENCES][LONGEST];
    wkv_batch_item items[SEQUENCES] = {{0}};
    for (int i = 0; i < n; i++) {
        items[i] = (wkv_batch_item){c->in_batch[i], ids[i], length_of(i, round)};
        fill_ids(ids[i], items[i].n, V, (uint32_t)(100 * round + i));
        feed(c->alone[i], ids[i], items[i].n);
    }
    assert_int_equal(wkv_batch_feed(b, items, (size_t)n, NULL), WKV_OK);
    for (int i = 0; i < n; i++) {
        must_be_same_bits(wkv_session_logits(c->in_batch[i]), wkv_session_logits(c->alone[i]), V);
        assert_int_equal(wkv_session_position(c->in_batch[i]), wkv_session_position(c->alone[i]));
    }
}

/* The batch on two threads, alone on one. */
static void test_a_sequence_does_not_see_the_others(void **state)
{
    for (int a = 0; a < ARCHS; a++) {
        for (int d = 0; d < DTYPES; d++) {
            make_model(archs[a], dtypes[d]);
            wkv_model *two = open_model(path, 2), *one = open_model(path, 1);
            const int32_t V = vocab_of(one);
            wkv_batch *b = open_batch(two, a % 2 == 0 ? SEQUENCES : 5);
            crowd c;
            open_crowd(&c, b, one);
            for (int round = 0; round < 4; round++)
                feed_round(b, &c, SEQUENCES, round, V);
            close_crowd(&c);
            wkv_batch_close(&b);
            wkv_model_close(&two);
            wkv_model_close(&one);
        }
    }
}

static void test_texts_may_end(void **state)
{
    enum { END = 1024 };
    static int32_t ids[END + 1];
    size_t at = 9;
    tiny_model_write(path, &tiny_aft_full);
    wkv_model *m = open_model(path, 1);
    wkv_batch *b = open_batch(m, 4);
    wkv_session *s[2] = {open_session(m), open_session(m)};
    wkv_batch_item items[2] = {{s[0], ids, 2}, {s[1], ids, END + 1}};
    assert_int_equal(wkv_batch_feed(b, items, 2, &at), WKV_E_LIMIT);
    assert_int_equal(at, 1);
    assert_int_equal(wkv_session_position(s[0]), 0);
    items[1].n = END;
    assert_int_equal(wkv_batch_feed(b, items, 2, &at), WKV_OK);
    for (int i = 0; i < 2; i++)
        wkv_session_close(&s[i]);
    wkv_batch_close(&b);
    wkv_model_close(&m);
}

static void test_wrong_items_change_nothing(void **state)
{
    make_model("rwkv7", "f32");
    wkv_model *m = open_model(path, 1), *other = open_model(path, 1);
    wkv_batch *b = open_batch(m, 4);
    wkv_session *s[3] = {open_session(m), open_session(m), open_session(other)};
    wkv_session *clean = open_session(m);
    const int32_t good[2] = {1, 2}, bad[2] = {1, vocab_of(m)};
    size_t at = 9;
    wkv_batch_item items[3] = {{s[0], good, 2}, {s[1], bad, 2}};
    assert_int_equal(wkv_batch_feed(b, items, 2, &at), WKV_E_TOKEN);
    assert_int_equal(at, 1);
    items[1] = (wkv_batch_item){s[0], good, 2};
    assert_int_equal(wkv_batch_feed(b, items, 2, &at), WKV_E_ARGUMENT);
    items[1] = (wkv_batch_item){s[2], good, 2};
    assert_int_equal(wkv_batch_feed(b, items, 2, &at), WKV_E_ARGUMENT);
    items[1] = (wkv_batch_item){s[1], good, 0};
    assert_int_equal(wkv_batch_feed(b, items, 2, NULL), WKV_E_ARGUMENT);
    assert_int_equal(wkv_batch_feed(b, items, 0, &at), WKV_E_ARGUMENT);
    assert_null(wkv_session_logits(s[0]));
    assert_int_equal(wkv_session_position(s[0]), 0);
    feed(clean, good, 2);
    assert_int_equal(wkv_batch_feed(b, items, 1, NULL), WKV_OK);
    must_be_same_bits(wkv_session_logits(s[0]), wkv_session_logits(clean), vocab_of(m));
    for (int i = 0; i < 3; i++)
        wkv_session_close(&s[i]);
    wkv_session_close(&clean);
    wkv_batch_close(&b);
    wkv_model_close(&m);
    wkv_model_close(&other);
}

/* A saved and loaded state goes on with the same bits, in a batch and alone. */
static void test_saved_states_go_on(void **state)
{
    static const char *const file = "batch.state";
    make_model("rwkv7", "f16");
    wkv_error err;
    wkv_model *m = open_model(path, 2);
    const int32_t V = vocab_of(m);
    wkv_batch *b = open_batch(m, SEQUENCES);
    crowd c;
    open_crowd(&c, b, m);
    feed_round(b, &c, SEQUENCES, 0, V);
    for (int i = 0; i < SEQUENCES; i += 3) {
        must(wkv_session_save(c.in_batch[i], file, &err), &err);
        wkv_session_reset(c.in_batch[i]);
        must(wkv_session_load(c.in_batch[i], file, &err), &err);
    }
    feed_round(b, &c, SEQUENCES, 1, V);
    unlink(file);
    close_crowd(&c);
    wkv_batch_close(&b);
    wkv_model_close(&m);
}

static void test_bare_sessions_need_a_batch(void **state)
{
    make_model("rwkv7", "f32");
    wkv_error err;
    wkv_model *m = open_model(path, 1);
    wkv_batch *b = open_batch(m, 1);
    wkv_session *s;
    const int32_t id = 1;
    double logprob;
    must(wkv_batch_session_open(&s, b, &err), &err);
    assert_int_equal(wkv_session_feed(s, &id, 1), WKV_E_STATE);
    assert_int_equal(wkv_session_score(s, &id, 1, &logprob), WKV_E_STATE);
    wkv_session_close(&s);
    wkv_batch_close(&b);
    must_fail(wkv_batch_open(&b, m, 0, &err), WKV_E_ARGUMENT, &err, "width");
    must_fail(wkv_batch_open(&b, m, 257, &err), WKV_E_ARGUMENT, &err, "width");
    assert_null(b);
    wkv_model_close(&m);
}

static void test_feeding_allocates_nothing(void **state)
{
    make_model("rwkv6", "bf16");
    wkv_model *m = open_model(path, 1);
    wkv_batch *b = open_batch(m, SEQUENCES);
    crowd c;
    open_crowd(&c, b, m);
    heap_count();
    feed_round(b, &c, SEQUENCES, 0, vocab_of(m));
    feed_round(b, &c, 7, 1, vocab_of(m));
    assert_int_equal(heap_release().asked, 0);
    close_crowd(&c);
    wkv_batch_close(&b);
    wkv_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sequence_does_not_see_the_others),
        cmocka_unit_test(test_texts_may_end),
        cmocka_unit_test(test_wrong_items_change_nothing),
        cmocka_unit_test(test_saved_states_go_on),
        cmocka_unit_test(test_bare_sessions_need_a_batch),
        cmocka_unit_test(test_feeding_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, remove_model);
}
