/* Trials: the model under training says what the model that is exported then says, however the
 * text is fed, and training does not notice. */
#include <math.h>
#include <wkv/session.h>

#include "tiny.h"

static const char TEXT[] = "A week has seven days, and then it ends. So has a rainbow.";

static void feed(wkv_trial *s, const int32_t *ids, size_t n, size_t piece)
{
    for (size_t at = 0; at < n; at += piece)
        assert_int_equal(wkv_trial_feed(s, ids + at, n - at < piece ? n - at : piece), WKV_OK);
}

/* The largest difference of their logits. */
static double apart(const float *a, const float *b, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static void says_what_the_model_says(void **state)
{
    static const char *const archs[] = {"rwkv4", "rwkv5", "rwkv6", "rwkv7", "aft-local"};
    int32_t ids[sizeof TEXT];
    for (size_t k = 0; k < sizeof archs / sizeof *archs; k++) {
        wkv_train_opts o = tiny_opts(archs[k]);
        wkv_trainer *t = tiny_open(&o);
        wkv_trainer_info info;
        wkv_trial *trial;
        wkv_model *m;
        wkv_session *s;
        tiny_steps(t, 6);
        wkv_trainer_describe(t, &info);
        assert_int_equal(info.vocab, 256);
        size_t n =
            wkv_tokenizer_encode(wkv_trainer_tokenizer(t), TEXT, sizeof TEXT - 1, ids, sizeof TEXT);
        assert_int_equal(n, sizeof TEXT - 1);
        assert_int_equal(wkv_trainer_export(t, "t_trial.safetensors", NULL), WKV_OK);
        assert_int_equal(wkv_model_open(&m, "t_trial.safetensors", NULL, NULL), WKV_OK);
        assert_int_equal(wkv_session_open(&s, m, NULL), WKV_OK);
        assert_int_equal(wkv_session_feed(s, ids, n), WKV_OK);
        assert_int_equal(wkv_trial_open(&trial, t, NULL), WKV_OK);
        assert_null(wkv_trial_logits(trial));
        for (size_t piece = 1; piece < 64; piece = piece * 3 + 1) {
            feed(trial, ids, n, piece);
            double d = apart(wkv_trial_logits(trial), wkv_session_logits(s), 256);
            if (!(d < 1e-4))
                fail_msg("%s, in pieces of %zu: %g apart", archs[k], piece, d);
            wkv_trial_reset(trial);
            assert_null(wkv_trial_logits(trial));
        }
        double next = tiny_steps(t, 6);
        wkv_trainer *u = tiny_open(&o);
        assert_true(tiny_steps(u, 12) == next);
        feed(trial, ids, n, 7); /* of the weights as they are now */
        assert_true(apart(wkv_trial_logits(trial), wkv_session_logits(s), 256) > 1e-3);
        wkv_trial_close(&trial);
        wkv_session_close(&s);
        wkv_model_close(&m);
        wkv_trainer_close(&u);
        wkv_trainer_close(&t);
    }
}

static void refuses(void **state)
{
    wkv_train_opts o = tiny_opts("aft-full");
    wkv_trainer *t = tiny_open(&o);
    wkv_trial *s;
    int32_t ids[17] = {0};
    assert_int_equal(wkv_trial_open(&s, t, NULL), WKV_OK);
    assert_int_equal(wkv_trial_feed(s, ids, 0), WKV_E_ARGUMENT);
    assert_int_equal(wkv_trial_feed(s, ids, 17), WKV_E_LIMIT); /* texts end at 16 */
    assert_int_equal(wkv_trial_feed(s, ids, 16), WKV_OK);
    assert_int_equal(wkv_trial_feed(s, ids, 1), WKV_E_LIMIT);
    wkv_trial_reset(s);
    ids[3] = 256;
    assert_int_equal(wkv_trial_feed(s, ids, 4), WKV_E_TOKEN);
    ids[3] = -1;
    assert_int_equal(wkv_trial_feed(s, ids, 4), WKV_E_TOKEN);
    assert_null(wkv_trial_logits(s));
    wkv_trial_close(&s);
    wkv_trial_close(&s);
    wkv_trainer_close(&t);
}

static void sources(void **state)
{
    write_file("t_second.txt", "another text, long enough for a row of the run", 46);
    const wkv_train_source two[] = {{.path = TINY_TEXT}, {.path = "t_second.txt"}};
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *one = tiny_open(&o);
    o.data = NULL;
    o.sources = two;
    o.n_sources = 2;
    wkv_trainer *t = tiny_open(&o);
    wkv_source_info a, b;
    wkv_trainer_info all;
    wkv_trainer_describe(one, &all);
    assert_true(wkv_trainer_source(one, 0, &a));
    assert_int_equal(a.crc32c, all.data_crc32c);
    assert_int_equal(a.tokens, all.tokens);
    assert_true(wkv_trainer_source(t, 0, &b));
    assert_int_equal(a.crc32c, b.crc32c);
    assert_true(wkv_trainer_source(t, 1, &b));
    assert_int_equal(b.tokens, 46);
    assert_int_equal(b.documents, 1);
    assert_int_not_equal(a.crc32c, b.crc32c);
    assert_false(wkv_trainer_source(t, 2, &b));
    assert_false(wkv_trainer_source(t, -1, &b));
    wkv_trainer_close(&one);
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_model_says),
        cmocka_unit_test(refuses),
        cmocka_unit_test(sources),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
