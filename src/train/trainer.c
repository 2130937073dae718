/* train/trainer.c - one optimiser step after another, and what the held-out data say. */
#include "train/trainer.h"

#include <math.h>

#include "base/mem.h"
#include "train/sched.h"

wkv_status wkv_trainer_open(wkv_trainer **out, const wkv_train_opts *opts, wkv_error *err)
{
    *out = NULL;
    wkv_trainer *t = wkv_calloc(1, sizeof *t);
    if (t == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a trainer");
    wkv_status s = wkv_trainer_setup(t, opts, err);
    if (s != WKV_OK)
        wkv_trainer_close(&t);
    *out = t;
    return s;
}

void wkv_trainer_close(wkv_trainer **pt)
{
    wkv_trainer *t = *pt;
    if (t == NULL)
        return;
    wkv_work_deinit(&t->work);
    wkv_weights_deinit(&t->weights);
    wkv_optim_deinit(&t->optim);
    wkv_data_close(&t->val_data);
    wkv_data_close(&t->data);
    wkv_tok_close(&t->tok);
    wkv_dev_close(&t->dev);
    wkv_free(t->present);
    wkv_free(t);
    *pt = NULL;
}

/* ---- a step ----------------------------------------------------------------------------- */

static wkv_status read_row(wkv_trainer *t, const wkv_part *part, uint64_t first, int b,
                           wkv_error *err)
{
    size_t n = (size_t)t->work.T + 1;
    WKV_TRY(wkv_part_read(part, first, n, t->cfg.dim[WKV_DIM_V], t->work.row, err));
    wkv_work_set_row(&t->work, b);
    return WKV_OK;
}

static wkv_status read_batch(wkv_trainer *t, wkv_error *err)
{
    for (int b = 0; b < t->work.B; b++) {
        uint64_t first = wkv_rows_start(&t->rows, (uint64_t)t->step, (uint64_t)b);
        WKV_TRY(read_row(t, &t->train, first, b, err));
    }
    return WKV_OK;
}

static uint64_t tokens_done(const wkv_trainer *t)
{
    return (uint64_t)t->step * (uint64_t)t->work.B * (uint64_t)t->work.T;
}

wkv_status wkv_trainer_step(wkv_trainer *t, wkv_step *out, wkv_error *err)
{
    double start = wkv_clock();
    if (t->step >= t->opts.steps)
        WKV_FAIL(err, WKV_E_STATE, "all %lld steps are done", (long long)t->opts.steps);
    WKV_TRY(read_batch(t, err));
    wkv_optim_zero_grad(&t->optim);
    double loss = wkv_work_train(&t->work);
    double norm = wkv_optim_norm(&t->optim);
    if (!isfinite(loss) || !isfinite(norm))
        WKV_FAIL(err, WKV_E_NUMERIC,
                 "step %lld: the loss is %g and the gradient's norm %g; the weights stay as they "
                 "were (a lower learning rate may help)",
                 (long long)(t->step + 1), loss, norm);
    double lr = wkv_sched_lr(&t->opts, t->step);
    t->step++;
    wkv_optim_update(&t->optim, &t->opts, t->step, lr, norm);
    *out = (wkv_step){
        .step = t->step,
        .loss = loss,
        .lr = lr,
        .grad_norm = norm,
        .tokens = tokens_done(t),
        .seconds = wkv_clock() - start,
    };
    return WKV_OK;
}

wkv_status wkv_trainer_validate(wkv_trainer *t, double *loss, wkv_error *err)
{
    if (t->val.n == 0)
        WKV_FAIL(err, WKV_E_STATE, "no data is held out: give val or val-fraction");
    uint64_t ctx = (uint64_t)t->work.T, batch = (uint64_t)t->work.B;
    uint64_t windows = (t->val.n - 1) / ctx;
    double sum = 0;
    for (uint64_t first = 0; first < windows; first += batch) {
        uint64_t n = windows - first < batch ? windows - first : batch;
        for (uint64_t b = 0; b < n; b++)
            WKV_TRY(read_row(t, &t->val, (first + b) * ctx, (int)b, err));
        sum += wkv_work_eval(&t->work, (int)n);
    }
    *loss = sum / ((double)windows * (double)ctx);
    return WKV_OK;
}

/* ---- description ------------------------------------------------------------------------- */

/* Forward and backward: 6 for each weight that a product uses, the head included, the
 * embedding not; and for the recurrences 27 for each real of state (about 9 forward, twice
 * that backward). */
static double flops_per_token(const wkv_trainer *t)
{
    double used = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(&t->cfg, i, &layer);
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (w->data != NULL && (p->kind == WKV_MAT || p->kind == WKV_LOW))
            used += (double)w->rows * w->cols;
    }
    return 6 * used + 27 * (double)t->cfg.arch->state_size(&t->cfg);
}

static uint64_t parameters(const wkv_trainer *t)
{
    uint64_t n = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (w->data != NULL)
            n += (uint64_t)w->rows * (uint64_t)w->cols;
    }
    return n;
}

void wkv_trainer_describe(const wkv_trainer *t, wkv_trainer_info *info)
{
    *info = (wkv_trainer_info){
        .step = t->step,
        .steps = t->opts.steps,
        .parameters = parameters(t),
        .tokens = t->train.n,
        .val_tokens = t->val.n,
        .memory = 4 * (uint64_t)t->optim.n * sizeof(real) + t->work.bytes,
        .flops_per_token = flops_per_token(t),
        .threads = t->dev->threads,
        .magic_prime_used = t->rows.prime != 0,
        .arch = t->cfg.arch->name,
    };
}
