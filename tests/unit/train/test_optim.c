/* The optimiser against a plain loop in double over the parameter table: groups, decay,
 * rate multipliers, clipping. */
#include <math.h>

#include "base/rng.h"
#include "test.h"
#include "train/optim.h"

typedef struct model {
    wkv_dev *dev;
    wkv_config cfg;
    bool present[128];
    wkv_weights weights;
    wkv_trained trained;
    wkv_optim optim;
} model;

static void open_model(model *m, const char *arch)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(wkv_dev_open_cpu(&m->dev, 2, NULL), WKV_OK);
    const wkv_sizes sizes = {.layers = 2, .width = 16, .head_size = 8, .vocab = 20};
    assert_int_equal(wkv_config_new(&m->cfg, wkv_arch_find(arch), &sizes, NULL), WKV_OK);
    assert_true(wkv_params_count(&m->cfg) <= 128);
    wkv_params_present(m->present, &m->cfg, NULL);
    size_t n = wkv_weights_flat_size(&m->cfg, m->present);
    assert_int_equal(wkv_optim_init(&m->optim, m->dev, n, NULL), WKV_OK);
    wkv_optim_clear(&m->optim);
    wkv_optim *o = &m->optim;
    assert_int_equal(wkv_weights_flat(&m->weights, &m->cfg, m->present, o->param, o->grad, NULL),
                     WKV_OK);
    assert_int_equal(wkv_weights_create(&m->weights, &m->cfg, m->dev, 3, 1e-3, NULL), WKV_OK);
    assert_int_equal(wkv_trained_init(&m->trained, 128, NULL), WKV_OK);
    for (int i = 0; i < wkv_params_count(&m->cfg); i++)
        if (m->present[i])
            wkv_trained_add_param(&m->trained, &m->cfg, i);
    assert_int_equal(m->trained.size, n);
    assert_int_equal(wkv_optim_group(o, &m->trained, NULL), WKV_OK);
}

static void close_model(model *m)
{
    wkv_weights_deinit(&m->weights);
    wkv_optim_deinit(&m->optim);
    wkv_trained_deinit(&m->trained);
    wkv_dev_close(&m->dev);
}

static void random_grad(model *m, wkv_rng *rng)
{
    for (int i = 0; i < wkv_params_count(&m->cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&m->weights, &m->cfg, i);
        for (int j = 0; w->grad != NULL && j < w->rows * w->cols; j++)
            w->grad[j] = (real)(0.1 * wkv_rng_normal(rng));
    }
}

/* One step of AdamW for parameter i, as in the paper, on doubles. */
static void plain_step(const wkv_param *p, const wkv_train_opts *o, int step, double lr,
                       double scale, const real *grad, double *w, double *m, double *v, size_t n)
{
    double rate = lr * p->lr_scale;
    double decay = p->kind == WKV_MAT || p->kind == WKV_TABLE ? o->weight_decay : 0;
    for (size_t j = 0; j < n; j++) {
        double g = (double)grad[j] * scale;
        m[j] = o->beta1 * m[j] + (1 - o->beta1) * g;
        v[j] = o->beta2 * v[j] + (1 - o->beta2) * g * g;
        double mhat = m[j] / (1 - pow(o->beta1, step)), vhat = v[j] / (1 - pow(o->beta2, step));
        w[j] -= rate * decay * w[j];
        w[j] -= rate * mhat / (sqrt(vhat) + o->adam_eps);
    }
}

static void follow(const char *arch, double clip)
{
    enum { STEPS = 5 };
    const wkv_train_opts o = {
        .beta1 = 0.9, .beta2 = 0.99, .adam_eps = 1e-8, .weight_decay = 0.3, .clip = clip};
    model m;
    open_model(&m, arch);
    size_t n = m.optim.n;
    double *w = calloc(n, sizeof *w), *m1 = calloc(n, sizeof *m1), *m2 = calloc(n, sizeof *m2);
    for (size_t i = 0; i < n; i++)
        w[i] = (double)m.optim.param[i];
    wkv_rng rng;
    wkv_rng_seed(&rng, 1);
    for (int step = 1; step <= STEPS; step++) {
        random_grad(&m, &rng);
        double sum = 0, lr = 1e-2 * step;
        for (size_t i = 0; i < n; i++)
            sum += (double)m.optim.grad[i] * (double)m.optim.grad[i];
        double norm = wkv_optim_norm(&m.optim);
        assert_true(fabs(norm - sqrt(sum)) < 1e-6 * norm);
        double scale = clip > 0 && norm > clip ? clip / norm : 1;
        for (int i = 0; i < wkv_params_count(&m.cfg); i++) {
            int layer;
            const wkv_param *p = wkv_params_at(&m.cfg, i, &layer);
            const wkv_weight *one = wkv_weights_at(&m.weights, &m.cfg, i);
            if (one->data == NULL)
                continue;
            size_t at = (size_t)((const real *)one->data - m.optim.param);
            plain_step(p, &o, step, lr, scale, one->grad, w + at, m1 + at, m2 + at,
                       (size_t)one->rows * (size_t)one->cols);
        }
        wkv_optim_update(&m.optim, &o, step, lr, norm);
        wkv_optim_zero_grad(&m.optim);
        assert_true(wkv_optim_norm(&m.optim) == 0);
    }
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)m.optim.param[i] - w[i]) < 1e-5 * (1 + fabs(w[i]))))
            fail_msg("%s: parameter %zu of %zu is %.9g, the plain loop says %.9g", arch, i, n,
                     (double)m.optim.param[i], w[i]);
    free(w);
    free(m1);
    free(m2);
    close_model(&m);
}

static void against_a_plain_loop(void **state)
{
    follow("rwkv4", 0);
    follow("rwkv7", 0);
}

static void clipped(void **state)
{
    follow("rwkv4", 1);
    follow("rwkv7", 1);
}

/* The gaps between parameters belong to no one and stay zero. */
static void gaps_stay_zero(void **state)
{
    const wkv_train_opts o = {.beta1 = 0.9, .beta2 = 0.99, .adam_eps = 1e-18, .weight_decay = 1};
    model m;
    wkv_rng rng;
    open_model(&m, "rwkv7");
    wkv_rng_seed(&rng, 1);
    random_grad(&m, &rng);
    wkv_optim_update(&m.optim, &o, 1, 1e-2, 1);
    for (size_t i = 0; i < m.optim.n; i++)
        if (m.optim.grad[i] == 0)
            assert_true(m.optim.param[i] == 0 && m.optim.m[i] == 0 && m.optim.v[i] == 0);
    close_model(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_plain_loop),
        cmocka_unit_test(clipped),
        cmocka_unit_test(gaps_stay_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
