/* Tuning: what is trained and what is not, that it begins where the model stands, gradients against
 * finite differences, the same bits on any number of threads and after a restart, and options
 * that make no sense. */
#include <math.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "store/content.h"
#include "tiny.h"
#include "train/trainer.h"

static const char MODEL[] = "t_base.safetensors", CKPT[] = "t_tune.ckpt";

/* A few steps away from its beginning, where whole matrices are zero. */
static void make_base(const char *arch)
{
    wkv_error err = {0};
    wkv_train_opts o = tiny_opts(arch);
    o.lr = 1e-2;
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 12);
    if (wkv_trainer_export(t, MODEL, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_trainer_close(&t);
}

static wkv_train_opts tune_opts(wkv_tune tune)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.init = MODEL;
    o.vocab = NULL;
    o.val_fraction = 0.2;
    o.tune = tune;
    if (tune == WKV_TUNE_LORA || tune == WKV_TUNE_PISSA)
        o.rank = 3;
    o.lr = tune == WKV_TUNE_STATE ? 0.1 : 1e-2;
    o.lora_alpha = tune == WKV_TUNE_LORA ? 6 : 0;
    return o;
}

static double held_out(wkv_trainer *t)
{
    wkv_validation v;
    assert_int_equal(wkv_trainer_validate(t, &v, NULL), WKV_OK);
    return v.loss;
}

static const wkv_tune ways[] = {WKV_TUNE_LORA, WKV_TUNE_PISSA, WKV_TUNE_STATE};
enum { WAYS = sizeof ways / sizeof ways[0] };
static const char *const ARCHS[] = {"rwkv5", "rwkv6", "rwkv7"};

/* ---- what is trained ------------------------------------------------------------------ */

/* Before the first step the model is what it was; then it learns, and only where it may. */
static void begins_as_the_model(void **state)
{
    for (size_t a = 0; a < 3; a++) {
        make_base(ARCHS[a]);
        wkv_train_opts full = tune_opts(WKV_TUNE_FULL);
        wkv_trainer *whole = tiny_open(&full);
        const double before = held_out(whole);
        for (int i = 0; i < WAYS; i++) {
            wkv_train_opts o = tune_opts(ways[i]);
            o.steps = 60;
            wkv_trainer *t = tiny_open(&o);
            wkv_trainer_info info;
            wkv_trainer_describe(t, &info);
            assert_true(info.trained > 0 && info.trained < info.parameters);
            const double now = held_out(t);
            if (!(fabs(now - before) <= (ways[i] == WKV_TUNE_PISSA ? 1e-5 : 0)))
                fail_msg("%s, way %d: loss %.9g before the first step, the model's is %.9g",
                         ARCHS[a], i, now, before);
            tiny_steps(t, 60);
            if (!(held_out(t) < before - (ways[i] == WKV_TUNE_STATE ? 0 : 0.01)))
                fail_msg("%s, way %d: loss %g after, %g before", ARCHS[a], i, held_out(t), before);
            wkv_trainer_close(&t);
        }
        wkv_trainer_close(&whole);
    }
}

static const real *values_of(const wkv_trainer *t, int i)
{
    return wkv_vec(wkv_weights_at(&t->weights, &t->cfg, i));
}

/* No step changes a frozen weight, nor does it cost a gradient. */
static void the_rest_is_frozen(void **state)
{
    make_base("rwkv7");
    for (int i = 0; i < WAYS; i++) {
        wkv_train_opts o = tune_opts(ways[i]);
        wkv_trainer *t = tiny_open(&o), *u = tiny_open(&o);
        tiny_steps(t, 3);
        for (int p = 0; p < wkv_params_count(&t->cfg); p++) {
            int layer;
            const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, p);
            if (wkv_param_is_start(wkv_params_at(&t->cfg, p, &layer)))
                continue;
            assert_null(w->grad);
            if (w->data != NULL)
                assert_memory_equal(values_of(t, p), values_of(u, p),
                                    (size_t)w->rows * (size_t)w->cols * sizeof(real));
        }
        wkv_trainer_close(&t);
        wkv_trainer_close(&u);
    }
}

/* What PiSSA leaves of a matrix and its factors are the matrix. */
static void pissa_splits_matrices(void **state)
{
    make_base("rwkv7");
    wkv_train_opts o = tune_opts(WKV_TUNE_PISSA);
    wkv_trainer *t = tiny_open(&o);
    const wkv_adapter *a = &t->tuning.adapter;
    assert_int_equal(a->n, 2 * 6);
    for (size_t i = 0; i < a->n; i++) {
        const wkv_lora *l = &a->lora[i];
        const real *rest = values_of(t, a->param[i]);
        double left = 0, all = 0;
        for (int r = 0; r < l->B.rows; r++)
            for (int c = 0; c < l->A.cols; c++) {
                double sum = (double)rest[r * l->A.cols + c];
                const double whole = (double)t->tuning.whole[i][r * l->A.cols + c];
                left += sum * sum;
                for (int k = 0; k < o.rank; k++)
                    sum += (double)wkv_vec(&l->B)[r * o.rank + k] *
                           (double)wkv_vec(&l->A)[k * l->A.cols + c];
                all += whole * whole;
                assert_true(fabs(sum - whole) < 1e-5);
            }
        assert_true(left < all); /* the principal part is away */
    }
    wkv_trainer_close(&t);
}

/* ---- gradients ------------------------------------------------------------------------ */

#ifdef WKV_DOUBLE
static double loss_now(wkv_trainer *t)
{
    double loss;
    wkv_optim_zero_grad(&t->optim);
    assert_int_equal(wkv_work_train(&t->work, &loss, NULL), WKV_OK);
    return loss;
}

/* Every tensor that is trained, at some of its values, against central differences.  RWKV-LM's
 * L2Wrap is in the gradient and not in the loss: hence no closer than this.  The factors' own
 * gradients are checked in tests/ops and tests/arch. */
static void check_gradients(wkv_trainer *t, const char *arch, int way)
{
    const size_t n = t->optim.n;
    double *grad = malloc(n * sizeof *grad);
    loss_now(t);
    memcpy(grad, t->optim.grad, n * sizeof *grad);
    for (size_t i = 0; i < t->trained.n; i++) {
        const wkv_trained_tensor *tensor = &t->trained.tensor[i];
        double scale = 1e-6;
        for (size_t j = 0; j < tensor->n; j++)
            scale = fmax(scale, fabs(grad[tensor->at + j]));
        for (size_t k = 0; k < 4; k++) {
            const size_t at = tensor->at + wkv_splitmix64(k + 31 * i) % tensor->n;
            double *value = &t->optim.param[at], x = *value, d[2], h = 2e-5;
            for (int j = 0; j < 2; j++, h /= 2) {
                *value = x + h;
                const double up = loss_now(t);
                *value = x - h;
                d[j] = (up - loss_now(t)) / (2 * h);
                *value = x;
            }
            const double want = (4 * d[1] - d[0]) / 3;
            if (fabs(grad[at] - want) > 1e-2 * scale)
                fail_msg("%s, way %d, %s: gradient %.12g, difference %.12g, scale %.3g", arch, way,
                         tensor->name, grad[at], want, scale);
        }
    }
    free(grad);
}

static void gradients(void **state)
{
    for (size_t a = 0; a < 3; a++) {
        make_base(ARCHS[a]);
        for (int i = 0; i < WAYS; i++) {
            wkv_train_opts o = tune_opts(ways[i]);
            wkv_trainer *t = tiny_open(&o);
            wkv_rng rng;
            wkv_rng_seed(&rng, 3);
            tiny_steps(t, 1); /* which fills the window */
            for (size_t j = 0; j < t->trained.n; j++)
                for (size_t k = 0; k < t->trained.tensor[j].n; k++)
                    t->optim.param[t->trained.tensor[j].at + k] += 0.1 * wkv_rng_normal(&rng);
            check_gradients(t, ARCHS[a], i);
            wkv_trainer_close(&t);
        }
    }
}
#endif

/* ---- determinism ------------------------------------------------------------------------ */

static void assert_same(const wkv_trainer *a, const wkv_trainer *b)
{
    const size_t bytes = a->optim.n * sizeof(real);
    assert_int_equal(a->optim.n, b->optim.n);
    assert_int_equal(a->step, b->step);
    assert_memory_equal(a->optim.param, b->optim.param, bytes);
    assert_memory_equal(a->optim.m, b->optim.m, bytes);
    assert_memory_equal(a->optim.v, b->optim.v, bytes);
    for (size_t i = 0; i < a->tuning.adapter.n; i++) {
        const wkv_lora *l = &a->tuning.adapter.lora[i];
        const size_t n = (size_t)l->B.rows * (size_t)l->A.cols;
        assert_memory_equal(values_of(a, a->tuning.adapter.param[i]),
                            values_of(b, b->tuning.adapter.param[i]), n * sizeof(real));
    }
}

static void threads_and_restarts_change_nothing(void **state)
{
    make_base("rwkv7");
    for (int i = 0; i < WAYS; i++) {
        wkv_train_opts o = tune_opts(ways[i]);
        wkv_error err = {0};
        wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o);
        o.threads = 2;
        wkv_trainer *second = tiny_open(&o);
        tiny_steps(whole, 12);
        tiny_steps(first, 5);
        if (wkv_trainer_save(first, CKPT, &err) != WKV_OK ||
            wkv_trainer_restore(second, CKPT, &err) != WKV_OK)
            fail_msg("%s", err.text);
        assert_same(first, second);
        tiny_steps(second, 7);
        assert_same(whole, second);
        wkv_trainer_close(&whole);
        wkv_trainer_close(&first);
        wkv_trainer_close(&second);
    }
}

/* A checkpoint holds what is trained and its moments, and is of one base, way and rank. */
static void checkpoints_are_small_and_of_one_run(void **state)
{
    make_base("rwkv7");
    struct stat base, saved;
    wkv_error err = {0};
    wkv_train_opts o = tune_opts(WKV_TUNE_STATE);
    wkv_trainer *t = tiny_open(&o);
    assert_int_equal(wkv_trainer_save(t, CKPT, NULL), WKV_OK);
    wkv_trainer_close(&t);
    assert_int_equal(stat(MODEL, &base), 0);
    assert_int_equal(stat(CKPT, &saved), 0);
    assert_true(saved.st_size * 3 < base.st_size);
    o = tune_opts(WKV_TUNE_LORA);
    t = tiny_open(&o);
    assert_int_equal(wkv_trainer_restore(t, CKPT, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "tune = state"));
    assert_int_equal(wkv_trainer_save(t, CKPT, NULL), WKV_OK);
    wkv_trainer_close(&t);
    o.rank = 4;
    t = tiny_open(&o);
    assert_int_equal(wkv_trainer_restore(t, CKPT, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "rank = 3, this one has 4"));
    wkv_trainer_close(&t);
    o.rank = 3;
    make_base("rwkv7");
    t = tiny_open(&o);
    assert_int_equal(wkv_trainer_restore(t, CKPT, &err), WKV_OK); /* the same base again */
    wkv_trainer_close(&t);
    wkv_train_opts other = tiny_opts("rwkv7");
    other.seed = 5;
    wkv_trainer *u = tiny_open(&other);
    assert_int_equal(wkv_trainer_export(u, MODEL, NULL), WKV_OK);
    wkv_trainer_close(&u);
    t = tiny_open(&o);
    assert_int_equal(wkv_trainer_restore(t, CKPT, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "base_crc32c"));
    wkv_trainer_close(&t);
}

/* ---- options ------------------------------------------------------------------------------ */

static void refuse(const wkv_train_opts *o, wkv_status want, const char *text)
{
    wkv_trainer *t;
    wkv_error err = {0};
    assert_int_equal(wkv_trainer_open(&t, o, &err), want);
    assert_null(t);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void bad_options(void **state)
{
    make_base("rwkv4");
    wkv_train_opts o = tune_opts(WKV_TUNE_STATE);
    refuse(&o, WKV_E_UNSUPPORTED, "state-tuning: the state of rwkv4");
    make_base("rwkv7");
    o = tune_opts(WKV_TUNE_LORA);
    o.rank = 33;
    refuse(&o, WKV_E_ARGUMENT, "rank 33 is more than blocks.0.att.receptance.weight [32, 32]");
    o.rank = 0;
    refuse(&o, WKV_E_ARGUMENT, "lora: rank 0 is out of range");
    o = tune_opts(WKV_TUNE_LORA);
    o.lora_targets = "att.key,att.gate";
    refuse(&o, WKV_E_ARGUMENT, "no matrix \"att.gate\"; it has att.receptance, ");
    o.lora_targets = "";
    refuse(&o, WKV_E_ARGUMENT, "no matrix \"\"");
    o = tune_opts(WKV_TUNE_PISSA);
    o.lora_alpha = 4;
    refuse(&o, WKV_E_ARGUMENT, "lora-alpha: needs lora");
    o = tune_opts(WKV_TUNE_STATE);
    o.lora_targets = "att";
    refuse(&o, WKV_E_ARGUMENT, "lora-targets: needs");
    o = tune_opts(WKV_TUNE_STATE);
    o.init = NULL;
    o.vocab = "bytes";
    refuse(&o, WKV_E_ARGUMENT, "state-tuning: needs init");
}

static size_t adapted(const char *targets)
{
    wkv_train_opts o = tune_opts(WKV_TUNE_LORA);
    o.lora_targets = targets;
    wkv_trainer *t = tiny_open(&o);
    size_t n = t->tuning.adapter.n;
    tiny_steps(t, 1);
    wkv_trainer_close(&t);
    return n;
}

static void targets_name_matrices(void **state)
{
    make_base("rwkv7");
    assert_int_equal(adapted(NULL), 12);
    assert_int_equal(adapted("att"), 8);
    assert_int_equal(adapted("ffn"), 4);
    assert_int_equal(adapted("att.key,ffn.value"), 4);
    assert_int_equal(adapted("head"), 1);
    assert_int_equal(adapted("blocks.1,att.key"), 7);
    assert_int_equal(adapted("blocks.0.att.output"), 1);
}

/* States that a model carries are where tuning goes on, and training a whole model trains
 * them too. */
static void goes_on_from_a_state(void **state)
{
    make_base("rwkv7");
    wkv_store *file;
    wkv_content c;
    wkv_train_opts o = tune_opts(WKV_TUNE_STATE);
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 12);
    const double tuned = held_out(t);
    assert_int_equal(wkv_trainer_export(t, "t_state.pth", NULL), WKV_OK);
    assert_int_equal(wkv_store_open(&file, "t_state.pth", NULL), WKV_OK);
    wkv_store_content(&c, file);
    assert_int_equal(c.id, WKV_CONTENT_STATE);
    assert_int_equal(c.matrices, 2);
    const wkv_tensor *start = wkv_store_find(file, "blocks.1.att.time_state");
    assert_int_equal(start->ndim, 3);
    assert_int_equal(start->dim[0], 2);
    assert_int_equal(start->dim[1], 16);
    assert_string_equal(wkv_store_meta(file, "wkv.kind"), WKV_KIND_START);
    /* The model's tensors, and these beside them. */
    wkv_store *base;
    wkv_tensor all[128];
    assert_int_equal(wkv_store_open(&base, MODEL, NULL), WKV_OK);
    wkv_store_out what = {.tensors = all, .dtype = WKV_DTYPE_COUNT};
    for (size_t i = 0; i < wkv_store_count(base); i++)
        all[what.n_tensors++] = *wkv_store_at(base, i);
    for (size_t i = 0; i < wkv_store_count(file); i++)
        all[what.n_tensors++] = *wkv_store_at(file, i);
    assert_int_equal(wkv_store_write("t_baked.safetensors", "safetensors", &what, NULL), WKV_OK);
    wkv_store_close(&base);
    wkv_store_close(&file);
    wkv_trainer_close(&t);
    o.init = "t_baked.safetensors";
    o.vocab = "bytes";
    t = tiny_open(&o);
    assert_true(fabs(held_out(t) - tuned) < 1e-6); /* a double was rounded */
    wkv_trainer_close(&t);
    o.tune = WKV_TUNE_FULL;
    t = tiny_open(&o);
    assert_true(fabs(held_out(t) - tuned) < 1e-6); /* a double was rounded */
    tiny_steps(t, 2);
    assert_true(wkv_state_start_trained(&t->cfg, &t->weights));
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_as_the_model),
        cmocka_unit_test(the_rest_is_frozen),
        cmocka_unit_test(pissa_splits_matrices),
#ifdef WKV_DOUBLE
        cmocka_unit_test(gradients),
#endif
        cmocka_unit_test(threads_and_restarts_change_nothing),
        cmocka_unit_test(checkpoints_are_small_and_of_one_run),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(targets_name_matrices),
        cmocka_unit_test(goes_on_from_a_state),
    };
    return cmocka_run_group_tests_name("tune", tests, tiny_text, NULL);
}
