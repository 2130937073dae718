/* Fused head and cross-entropy, in slices, against the whole in double. */
#include <math.h>

#include "base/rng.h"
#include "test.h"
#include "train/loss.h"

/* V is such that a slice is 96 rows: three slices, the last one longer. */
enum { V = 1 << 18, C = 4, ROWS = 295 };

typedef struct problem {
    wkv_dev *dev;
    wkv_config cfg;
    bool present[64];
    wkv_weights weights;
    wkv_arena scratch;
    real *flat, *grad, *hidden, *dhidden;
    int32_t target[ROWS];
    double each[ROWS];
} problem;

static const wkv_weight *head_of(const problem *p)
{
    for (int i = 0, layer; i < wkv_params_count(&p->cfg); i++)
        if (strcmp(wkv_params_at(&p->cfg, i, &layer)->name, "head.weight") == 0)
            return wkv_weights_at(&p->weights, &p->cfg, i);
    fail_msg("no head");
    return NULL;
}

static void open_problem(problem *p, int threads)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(wkv_dev_open_cpu(&p->dev, threads, NULL), WKV_OK);
    const wkv_sizes sizes = {.layers = 1, .width = C, .vocab = V};
    assert_int_equal(wkv_config_new(&p->cfg, wkv_arch_find("rwkv4"), &sizes, NULL), WKV_OK);
    wkv_params_present(p->present, &p->cfg, NULL);
    size_t n = wkv_weights_flat_size(&p->cfg, p->present);
    p->flat = calloc(n, sizeof(real));
    p->grad = calloc(n, sizeof(real));
    p->hidden = calloc(ROWS * C, sizeof(real));
    p->dhidden = calloc(ROWS * C, sizeof(real));
    assert_int_equal(wkv_weights_flat(&p->weights, &p->cfg, p->present, p->flat, p->grad, NULL),
                     WKV_OK);
    wkv_rng rng;
    wkv_rng_seed(&rng, 4);
    for (size_t i = 0; i < n; i++)
        p->flat[i] = (real)wkv_rng_normal(&rng);
    for (int i = 0; i < ROWS * C; i++)
        p->hidden[i] = (real)wkv_rng_normal(&rng);
    for (int i = 0; i < ROWS; i++)
        p->target[i] = (int32_t)(wkv_rng_u64(&rng) % V);
    wkv_exec x = {.dev = p->dev, .scratch = &p->scratch};
    wkv_arena_measure(&p->scratch);
    double none = 0;
    wkv_loss_grad(&x, &p->cfg, &p->weights, p->dhidden, p->hidden, p->target, ROWS, ROWS, p->each,
                  &none);
    size_t bytes = p->scratch.peak;
    assert_true(bytes < (size_t)ROWS * V * sizeof(real)); /* never all logits at once */
    assert_true(wkv_arena_init(&p->scratch, bytes));
}

static void close_problem(problem *p)
{
    wkv_arena_deinit(&p->scratch);
    wkv_weights_deinit(&p->weights);
    wkv_dev_close(&p->dev);
    free(p->flat);
    free(p->grad);
    free(p->hidden);
    free(p->dhidden);
}

/* Loss of one row; adds to the gradients of head (V, C) and writes that of hidden (C). */
static double plain_row(const problem *p, const wkv_weight *head, int r, double *logits,
                        double *dhead, double *dhidden)
{
    const real *W = head->data, *h = p->hidden + r * C;
    double max = -INFINITY, sum = 0;
    int best = 0;
    for (int v = 0; v < V; v++) {
        logits[v] = 0;
        for (int c = 0; c < C; c++)
            logits[v] += (double)W[v * C + c] * (double)h[c];
        if (logits[v] > max) {
            max = logits[v];
            best = v;
        }
    }
    for (int v = 0; v < V; v++)
        sum += exp(logits[v] - max);
    memset(dhidden, 0, C * sizeof *dhidden);
    for (int v = 0; v < V; v++) {
        double d = exp(logits[v] - max) / sum - (v == p->target[r] ? 1 : 0);
        d = (d + (v == best ? 1e-4 * max : 0)) / ROWS;
        for (int c = 0; c < C; c++) {
            dhidden[c] += d * (double)W[v * C + c];
            dhead[v * C + c] += d * (double)h[c];
        }
    }
    return log(sum) + max - logits[p->target[r]];
}

static void near(double got, double want, double scale)
{
    if (!(fabs(got - want) <= 2e-6 * scale))
        fail_msg("%.9g, expected %.9g", got, want);
}

static void slices_make_the_whole(void **state)
{
    problem p;
    open_problem(&p, 1);
    const wkv_weight *head = head_of(&p);
    double *logits = calloc(V, sizeof *logits), *dhead = calloc(V * C, sizeof *dhead);
    double want = 0, dhidden[C];
    wkv_exec x = {.dev = p.dev, .scratch = &p.scratch};
    double loss = 0, alone = 0;
    wkv_loss_grad(&x, &p.cfg, &p.weights, p.dhidden, p.hidden, p.target, ROWS, ROWS, p.each, &loss);
    wkv_loss_sum(&x, &p.cfg, &p.weights, p.hidden, p.target, ROWS, p.each, &alone);
    for (int r = 0; r < ROWS; r++) {
        want += plain_row(&p, head, r, logits, dhead, dhidden);
        for (int c = 0; c < C; c++)
            near((double)p.dhidden[r * C + c], dhidden[c], 1);
    }
    near(loss, want, want);
    near(alone, want, want);
    for (int i = 0; i < V * C; i++)
        near((double)head->grad[i], dhead[i], 1);
    free(logits);
    free(dhead);
    close_problem(&p);
}

static void threads_change_nothing(void **state)
{
    problem p[2];
    double loss[2] = {0};
    for (int i = 0; i < 2; i++) {
        open_problem(&p[i], i + 1);
        wkv_exec x = {.dev = p[i].dev, .scratch = &p[i].scratch};
        wkv_loss_grad(&x, &p[i].cfg, &p[i].weights, p[i].dhidden, p[i].hidden, p[i].target, ROWS,
                      ROWS, p[i].each, &loss[i]);
    }
    assert_true(loss[0] == loss[1]);
    assert_memory_equal(p[0].dhidden, p[1].dhidden, ROWS * C * sizeof(real));
    assert_memory_equal(head_of(&p[0])->grad, head_of(&p[1])->grad, V * C * sizeof(real));
    close_problem(&p[0]);
    close_problem(&p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_make_the_whole),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
