/* Guards: what is far above the last steps, or no number, is not learnt from; a settled run is
 * not stopped by its own calm; and what the guard knows survives a checkpoint. */
#include <math.h>

#include "base/rng.h"
#include "tiny.h"
#include "train/trainer.h"

static double limit;

static wkv_skip judge(const wkv_guard *g, double loss, double norm)
{
    return wkv_guard_judge(g, loss, norm, 10, &limit);
}

/* A guard that has seen n steps of loss 2 +- 0.1 and norm 0.5, three times as much, or as little.
 */
static wkv_guard seasoned(int n)
{
    static const double noise[] = {-1, 0.3, 1, -0.3, 0.7, -0.7, 0};
    wkv_guard g = {.taken = 0};
    for (int i = 0; i < n; i++)
        wkv_guard_take(&g, 2 + 0.1 * noise[i % 7], 0.5 * pow(3, noise[i * 3 % 7]));
    return g;
}

static void outliers(void **state)
{
    wkv_guard g = seasoned(200);
    assert_int_equal(judge(&g, 2.3, 500), WKV_SKIP_NONE);
    assert_int_equal(judge(&g, 0.01, 1e-6), WKV_SKIP_NONE); /* low is never bad */
    assert_int_equal(judge(&g, 3.5, 0.5), WKV_SKIP_LOSS);
    /* median 2, distances from it 0, .03, .03, .07, .07, .1, .1 times ... : 0.07 */
    assert_true(fabs(limit - (2 + 10 * 1.4826 * 0.07)) < 1e-4);
    assert_int_equal(judge(&g, 2, 1e5), WKV_SKIP_NORM);
    assert_true(fabs(limit / (0.5 * pow(3, 10 * 1.4826 * 0.7)) - 1) < 1e-4);
    assert_int_equal(wkv_guard_judge(&g, 1e9, 1e9, 0, &limit), WKV_SKIP_NONE); /* off */
}

static void no_numbers(void **state)
{
    wkv_guard g = {.taken = 0};
    assert_int_equal(judge(&g, (double)NAN, 1), WKV_SKIP_NUMERIC);
    assert_int_equal(judge(&g, 1, (double)INFINITY), WKV_SKIP_NUMERIC);
    assert_true(isnan(limit));
    assert_int_equal(wkv_guard_judge(&g, (double)NAN, 1, 0, &limit), WKV_SKIP_NUMERIC);
}

/* The first steps may do what they want; and after so many that do the same, a little more is
 * no outlier. */
static void beginning_and_calm(void **state)
{
    wkv_guard g = seasoned(WKV_GUARD_FIRST - 1);
    assert_int_equal(judge(&g, 100, 100), WKV_SKIP_NONE);
    wkv_guard_take(&g, 2, 0.5);
    assert_int_equal(judge(&g, 100, 0.5), WKV_SKIP_LOSS);
    for (int i = 0; i < WKV_GUARD_WINDOW; i++)
        wkv_guard_take(&g, 0.001, 0.01);
    assert_int_equal(judge(&g, 0.2, 1.4), WKV_SKIP_NONE);
    assert_int_equal(judge(&g, 0.21, 0.01), WKV_SKIP_LOSS);
    assert_int_equal(judge(&g, 0.001, 1.6), WKV_SKIP_NORM);
    assert_int_equal(judge(&g, 0, 0), WKV_SKIP_NONE);
}

static void text_and_back(void **state)
{
    char text[WKV_GUARD_TEXT];
    wkv_guard g = seasoned(77), h = {.taken = 0};
    wkv_guard_format(&g, text);
    assert_true(wkv_guard_parse(&h, text));
    assert_memory_equal(g.last, h.last, sizeof g.last);
    assert_false(wkv_guard_parse(&h, NULL));
    assert_false(wkv_guard_parse(&h, ""));
    text[100] = 'g';
    assert_false(wkv_guard_parse(&h, text));
}

/* ---- in a run ----------------------------------------------------------------------------- */

/* A run that skips much: outliers are what is 0.7 spreads above the median. */
static wkv_train_opts nervous(void)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.steps = 160;
    o.guard = 0.7;
    o.guard_stop = 100;
    return o;
}

static void skipped_steps_change_nothing(void **state)
{
    wkv_train_opts o = nervous();
    wkv_trainer *t = tiny_open(&o);
    size_t bytes = t->optim.n * sizeof(real);
    real *param = malloc(bytes), *m = malloc(bytes);
    int skipped = 0;
    for (int64_t i = 1; i <= o.steps; i++) {
        wkv_step s;
        memcpy(param, t->optim.param, bytes);
        memcpy(m, t->optim.m, bytes);
        assert_int_equal(wkv_trainer_step(t, &s, NULL), WKV_OK);
        assert_int_equal(s.step, i);
        if (s.skipped == WKV_SKIP_NONE) {
            assert_memory_not_equal(param, t->optim.param, bytes);
            assert_int_equal(s.in_row, 0);
            continue;
        }
        skipped++;
        assert_true(s.in_row > 0);
        assert_true((s.skipped == WKV_SKIP_LOSS ? s.loss : s.grad_norm) > s.limit);
        assert_memory_equal(param, t->optim.param, bytes);
        assert_memory_equal(m, t->optim.m, bytes);
    }
    assert_in_range(skipped, 5, 100);
    assert_int_equal(t->guard.skipped, skipped);
    assert_int_equal(t->guard.taken, o.steps - skipped);
    free(param);
    free(m);
    wkv_trainer_close(&t);
}

static void assert_alike(const wkv_guard *a, const wkv_guard *b)
{
    assert_memory_equal(a->last, b->last, sizeof a->last);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->skipped, b->skipped);
    assert_int_equal(a->in_row, b->in_row);
}

/* Restored at any moment, the guard judges as if nothing had happened. */
static void resumes(void **state)
{
    const wkv_rows rows[] = {WKV_ROWS_STREAM, WKV_ROWS_CARRY};
    for (int k = 0; k < 2; k++) {
        wkv_train_opts o = nervous();
        o.rows = rows[k];
        wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o);
        tiny_steps(whole, 160);
        tiny_steps(first, 40);
        for (int at = 40; at < 160; at += 30) {
            wkv_trainer *next = tiny_open(&o);
            assert_int_equal(wkv_trainer_save(first, "t_guard.ckpt", NULL), WKV_OK);
            assert_int_equal(wkv_trainer_restore(next, "t_guard.ckpt", NULL), WKV_OK);
            assert_alike(&first->guard, &next->guard);
            wkv_trainer_close(&first);
            first = next;
            tiny_steps(first, 30);
        }
        assert_true(whole->guard.skipped > 0);
        assert_alike(&whole->guard, &first->guard);
        assert_memory_equal(whole->optim.param, first->optim.param, first->optim.n * sizeof(real));
        wkv_trainer_close(&whole);
        wkv_trainer_close(&first);
    }
}

/* A weight that is no number spoils every step: they are skipped, and then it is an error. */
static void gives_up(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.guard_stop = 4;
    wkv_trainer *t = tiny_open(&o);
    wkv_step s;
    wkv_error err;
    tiny_steps(t, 1);
    t->optim.param[t->optim.n / 2] = (real)NAN;
    for (int i = 1; i < 4; i++) {
        assert_int_equal(wkv_trainer_step(t, &s, &err), WKV_OK);
        assert_int_equal(s.skipped, WKV_SKIP_NUMERIC);
        assert_int_equal(s.in_row, i);
    }
    for (int i = 0; i < 2; i++) { /* asked again, it says the same */
        assert_int_equal(wkv_trainer_step(t, &s, &err), WKV_E_NUMERIC);
        assert_non_null(strstr(err.text, "step 5"));
        assert_non_null(strstr(err.text, "4 steps in a row"));
        assert_int_equal(t->step, 4);
    }
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outliers),
        cmocka_unit_test(no_numbers),
        cmocka_unit_test(beginning_and_calm),
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(resumes),
        cmocka_unit_test(skipped_steps_change_nothing),
        cmocka_unit_test(gives_up),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
