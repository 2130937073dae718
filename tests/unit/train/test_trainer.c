/* Whole training runs: that they learn, that threads change nothing, that validation is
 * the mean it claims to be, and that bad options and bad numbers are refused by name. */
#include <math.h>

#include "tiny.h"
#include "train/trainer.h"

static const char *const ARCHS[] = {"rwkv4", "rwkv7"};
enum { N_ARCHS = sizeof ARCHS / sizeof ARCHS[0] };

/* ---- learning --------------------------------------------------------------------------- */

/* A kilobyte is learnt by heart: from ln 256 = 5.5 nats to almost nothing. */
static void memorises(void **state)
{
    for (int i = 0; i < N_ARCHS; i++) {
        wkv_train_opts o = tiny_opts(ARCHS[i]);
        o.ctx = 32;
        o.batch = 8;
        o.steps = 200;
        o.lr = 1e-2;
        wkv_trainer *t = tiny_open(&o);
        double first = tiny_steps(t, 1), last = tiny_steps(t, 199);
        assert_true(first > 5 && first < 6);
        if (!(last < 0.5))
            fail_msg("%s: loss %g after 200 steps", ARCHS[i], last);
        wkv_trainer_close(&t);
    }
}

static void steps_are_numbered(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.steps = 2;
    wkv_trainer *t = tiny_open(&o);
    wkv_step s;
    wkv_error err;
    assert_int_equal(wkv_trainer_step(t, &s, NULL), WKV_OK);
    assert_int_equal(s.step, 1);
    assert_int_equal(s.tokens, 64);
    assert_true(fabs(s.lr - 0.01 * o.lr) < 1e-12);
    assert_true(s.grad_norm > 0 && s.seconds > 0);
    assert_int_equal(wkv_trainer_step(t, &s, NULL), WKV_OK);
    assert_int_equal(s.step, 2);
    assert_int_equal(s.tokens, 128);
    assert_int_equal(wkv_trainer_step(t, &s, &err), WKV_E_STATE);
    assert_non_null(strstr(err.text, "all 2 steps"));
    wkv_trainer_close(&t);
}

/* ---- determinism ------------------------------------------------------------------------ */

static void threads_change_nothing(void **state)
{
    for (int i = 0; i < N_ARCHS; i++) {
        wkv_train_opts o = tiny_opts(ARCHS[i]);
        o.width = 64;
        o.batch = 8;
        wkv_trainer *one = tiny_open(&o);
        o.threads = 2;
        wkv_trainer *two = tiny_open(&o);
        assert_int_equal(two->dev->threads, 2);
        for (int s = 0; s < 4; s++) {
            double a = tiny_steps(one, 1), b = tiny_steps(two, 1);
            assert_memory_equal(&a, &b, sizeof a);
        }
        assert_memory_equal(one->optim.param, two->optim.param, one->optim.n * sizeof(real));
        wkv_trainer_close(&one);
        wkv_trainer_close(&two);
    }
}

static void the_seed_matters(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *a = tiny_open(&o);
    wkv_trainer *b = tiny_open(&o);
    o.seed = 2;
    wkv_trainer *c = tiny_open(&o);
    size_t bytes = a->optim.n * sizeof(real);
    assert_memory_equal(a->optim.param, b->optim.param, bytes);
    assert_memory_not_equal(a->optim.param, c->optim.param, bytes);
    wkv_trainer_close(&a);
    wkv_trainer_close(&b);
    wkv_trainer_close(&c);
}

/* ---- held-out data -------------------------------------------------------------------------- */

/* Mean of -log p over windows, one window at a time, each from the initial state. */
static double by_hand(wkv_trainer *t, const uint8_t *text, size_t n)
{
    const int ctx = t->work.o.T, V = t->cfg.dim[WKV_DIM_V], C = t->cfg.dim[WKV_DIM_C];
    const int32_t start[] = {0, ctx};
    wkv_exec x = {.dev = t->dev, .scratch = &t->work.scratch};
    int32_t *ids = malloc((size_t)ctx * sizeof *ids);
    real *state = malloc(t->cfg.arch->state_size(&t->cfg) * sizeof *state);
    real *hidden = malloc((size_t)(ctx * C) * sizeof *hidden);
    real *logits = malloc((size_t)(ctx * V) * sizeof *logits);
    double sum = 0;
    size_t windows = (n - 1) / (size_t)ctx;
    for (size_t w = 0; w < windows; w++) {
        const uint8_t *window = text + w * (size_t)ctx;
        for (int i = 0; i < ctx; i++)
            ids[i] = window[i];
        t->cfg.arch->state_init(&t->cfg, state);
        wkv_pass p = {.exec = x,
                      .cfg = &t->cfg,
                      .weights = &t->weights,
                      .seqs = {1, start},
                      .ids = ids,
                      .state = &state,
                      .hidden = hidden};
        wkv_forward(&p);
        wkv_head(&x, &t->weights, logits, hidden, ctx);
        for (int i = 0; i < ctx; i++) {
            const real *row = logits + (size_t)i * (size_t)V;
            double total = 0;
            for (int v = 0; v < V; v++)
                total += exp((double)row[v]);
            sum += log(total) - (double)row[window[i + 1]];
        }
    }
    free(ids);
    free(state);
    free(hidden);
    free(logits);
    return sum / ((double)windows * ctx);
}

static void validates_as_by_hand(void **state)
{
    wkv_map map;
    assert_int_equal(wkv_map_open(&map, TINY_TEXT, NULL), WKV_OK);
    for (int i = 0; i < N_ARCHS; i++) {
        wkv_train_opts o = tiny_opts(ARCHS[i]);
        o.val_fraction = 0.25;
        o.batch = 5;
        wkv_trainer *t = tiny_open(&o);
        size_t kept = (size_t)floor((double)map.size * 0.75);
        assert_int_equal(t->train.tokens, kept);
        assert_int_equal(t->val.tokens, map.size - kept);
        assert_int_not_equal((t->val.tokens - 1) / 16 % 5, 0); /* the last batch is not full */
        tiny_steps(t, 10);
        double want = by_hand(t, map.data + kept, (size_t)map.size - kept);
        wkv_validation v;
        assert_int_equal(wkv_trainer_validate(t, &v, NULL), WKV_OK);
        if (!(fabs(v.loss - want) < 1e-5))
            fail_msg("%s: %.9g, by hand %.9g", ARCHS[i], v.loss, want);
        assert_int_equal(v.bytes, v.targets); /* a byte a token */
        assert_true(fabs(v.bits_per_byte - v.loss / log(2)) < 1e-12);
        double next = tiny_steps(t, 1); /* and it leaves no trace in the run */
        wkv_trainer *u = tiny_open(&o);
        tiny_steps(u, 10);
        assert_true(next == tiny_steps(u, 1));
        wkv_trainer_close(&u);
        wkv_trainer_close(&t);
    }
    wkv_map_close(&map);
}

static void separate_held_out_file(void **state)
{
    write_file("t_val.txt", "A model learns by guessing, again.", 34);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.val = "t_val.txt";
    wkv_trainer *t = tiny_open(&o);
    wkv_trainer_info info;
    wkv_validation v;
    wkv_trainer_describe(t, &info);
    assert_int_equal(info.val_tokens, 34);
    assert_int_equal(wkv_trainer_validate(t, &v, NULL), WKV_OK);
    assert_true(fabs(v.loss -
                     by_hand(t, (const uint8_t *)"A model learns by guessing, again.", 34)) < 1e-5);
    wkv_trainer_close(&t);
}

static bool never(void *user, uint64_t done, uint64_t total)
{
    int *calls = user;
    ++*calls;
    return done > total; /* that is, no */
}

static void validation_is_stopped(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    int calls = 0;
    o.val_fraction = 0.5;
    o.progress = never;
    o.user = &calls;
    wkv_trainer *t = tiny_open(&o);
    wkv_validation v;
    assert_int_equal(wkv_trainer_validate(t, &v, NULL), WKV_E_STATE);
    assert_int_equal(calls, 1);
    wkv_trainer_close(&t);
}

static void nothing_held_out(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    wkv_validation v;
    assert_int_equal(wkv_trainer_validate(t, &v, NULL), WKV_E_STATE);
    wkv_trainer_close(&t);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void refuse(const wkv_train_opts *o, wkv_status want, const char *text)
{
    wkv_trainer *t = (wkv_trainer *)(uintptr_t)1;
    wkv_error err = {0};
    assert_int_equal(wkv_trainer_open(&t, o, &err), want);
    assert_null(t);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

#define REFUSE(field, value, status, text) \
    do { \
        wkv_train_opts refused = tiny_opts("rwkv7"); \
        refused.field = (value); \
        refuse(&refused, status, text); \
    } while (0)

static void bad_options(void **state)
{
    REFUSE(arch, "rwkv9", WKV_E_ARGUMENT, "rwkv9");
    REFUSE(arch, NULL, WKV_E_ARGUMENT, "arch");
    REFUSE(data, NULL, WKV_E_ARGUMENT, "data");
    REFUSE(data, "t_absent.txt", WKV_E_IO, "t_absent.txt");
    REFUSE(init, "t_absent.pth", WKV_E_IO, "t_absent.pth");
    REFUSE(init, TINY_TEXT, WKV_E_FORMAT, TINY_TEXT);
    REFUSE(vocab, "t_absent.vocab", WKV_E_IO, "t_absent.vocab");
    REFUSE(vocab, NULL, WKV_E_ARGUMENT, "vocabulary");
    REFUSE(vocab_size, 255, WKV_E_ARGUMENT, "vocab-size");
    REFUSE(layers, 0, WKV_E_ARGUMENT, "layers");
    REFUSE(width, -1, WKV_E_ARGUMENT, "width");
    REFUSE(ctx, 0, WKV_E_ARGUMENT, "ctx");
    REFUSE(ctx, 4096, WKV_E_ARGUMENT, "at least 4097");
    REFUSE(batch, 0, WKV_E_ARGUMENT, "batch");
    REFUSE(order, (wkv_order)7, WKV_E_ARGUMENT, "order");
    REFUSE(steps, 0, WKV_E_ARGUMENT, "steps");
    REFUSE(lr, 0, WKV_E_ARGUMENT, "lr: 0");
    REFUSE(lr, NAN, WKV_E_ARGUMENT, "lr: nan");
    REFUSE(lr_final, -1, WKV_E_ARGUMENT, "lr-final");
    REFUSE(beta1, 1, WKV_E_ARGUMENT, "beta1: 1 is out of range, expected 0 to below 1");
    REFUSE(beta2, NAN, WKV_E_ARGUMENT, "beta2");
    REFUSE(beta2, -0.1, WKV_E_ARGUMENT, "beta2");
    REFUSE(adam_eps, 0, WKV_E_ARGUMENT, "adam-eps");
    REFUSE(val_fraction, 1, WKV_E_ARGUMENT, "val-fraction");
    REFUSE(rank, -1, WKV_E_ARGUMENT, "rank: -1 is out of range, expected 0 to 65536");
    REFUSE(val_fraction, 0.001, WKV_E_ARGUMENT, "held out");
}

static void ids_beyond_the_vocabulary(void **state)
{
    int64_t ids[64];
    for (int i = 0; i < 64; i++)
        ids[i] = i == 40 ? 300 : i % 7;
    write_binidx("t_ids", ids, 64, 2, 8);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.data = "t_ids";
    o.ctx = 63;
    wkv_trainer *t;
    wkv_error err;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_TOKEN); /* vocab: bytes */
    assert_non_null(strstr(err.text, "t_ids: token 40 has id 300"));
    o.vocab = NULL; /* the largest id decides */
    t = tiny_open(&o);
    assert_int_equal(t->cfg.dim[WKV_DIM_V], 301);
    tiny_steps(t, 2);
    wkv_trainer_close(&t);
}

/* A weight that is no number: reported, and nothing moves. */
static void not_a_number(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.guard_stop = 1;
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 1);
    size_t bytes = t->optim.n * sizeof(real);
    real *before = malloc(bytes);
    t->optim.param[t->optim.n / 2] = (real)NAN;
    memcpy(before, t->optim.param, bytes);
    wkv_step s;
    wkv_error err;
    assert_int_equal(wkv_trainer_step(t, &s, &err), WKV_E_NUMERIC);
    assert_non_null(strstr(err.text, "step 2"));
    assert_memory_equal(before, t->optim.param, bytes);
    assert_int_equal(t->step, 1);
    free(before);
    wkv_trainer_close(&t);
}

static void describes_itself(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv4");
    wkv_trainer *t = tiny_open(&o);
    wkv_trainer_info info;
    wkv_trainer_describe(t, &info);
    /* L (5 C^2 + 2 C F + ...) as in the parameter list: two C x C for ffn.receptance and
     * att.output and so on, F = 4C; embedding and head 256 C each; vectors. */
    const uint64_t C = 32, F = 4 * C;
    uint64_t matrices = 2 * (5 * C * C + 2 * C * F);
    uint64_t vectors = 2 * (4 * C + 5 * C + 2 * C) + 4 * C;
    assert_int_equal(info.parameters, matrices + 2 * 256 * C + vectors);
    double products = (double)(matrices + 256 * C);
    assert_true(info.flops_per_token > 6 * products);
    assert_true(info.flops_per_token < 6.6 * products);
    assert_string_equal(info.arch, "rwkv4");
    assert_int_equal(info.steps, 12);
    assert_int_equal(info.threads, 1);
    assert_true(info.memory > 4 * sizeof(real) * info.parameters);
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memorises),
        cmocka_unit_test(steps_are_numbered),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(the_seed_matters),
        cmocka_unit_test(validates_as_by_hand),
        cmocka_unit_test(separate_held_out_file),
        cmocka_unit_test(nothing_held_out),
        cmocka_unit_test(validation_is_stopped),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(ids_beyond_the_vocabulary),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(describes_itself),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
