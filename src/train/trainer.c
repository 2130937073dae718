/* train/trainer.c - one optimiser step after another, and what the held-out data say. */
#include "train/trainer.h"

#include <math.h>

#include "base/crc32.h"
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
    wkv_tuning_deinit(&t->tuning);
    wkv_optim_deinit(&t->optim);
    wkv_trained_deinit(&t->trained);
    wkv_feed_close(&t->feed);
    wkv_data_close(&t->val_data);
    for (int i = 0; i < t->n_data; i++)
        wkv_data_close(&t->data[i]);
    wkv_tok_close(&t->tok);
    wkv_dev_close(&t->dev);
    wkv_free(t->present);
    wkv_free(t);
    *pt = NULL;
}

/* ---- a step ----------------------------------------------------------------------------- */

/* The windows of step t->step + 1; a step that was not finished is read again. */
static wkv_status read_step(wkv_trainer *t, uint64_t *learnt, wkv_error *err)
{
    uint64_t windows = (uint64_t)t->work.o.windows, first = (uint64_t)t->step * windows;
    bool more;
    *learnt = 0;
    if (wkv_feed_position(t->feed) != first)
        wkv_feed_seek(t->feed, first);
    for (uint64_t j = 0; j < windows; j++) {
        WKV_TRY(wkv_feed_next(t->feed, &t->work.window[j], &more, err));
        *learnt += (uint64_t)t->work.window[j].learnt;
    }
    return WKV_OK;
}

static uint64_t tokens_done(const wkv_trainer *t)
{
    const wkv_work_opts *o = &t->work.o;
    return (uint64_t)t->step * (uint64_t)o->B * (uint64_t)o->T * (uint64_t)o->windows;
}

/* E_NUMERIC when with this one too many steps in a row are skipped. */
static wkv_status check_patience(const wkv_trainer *t, double loss, double norm, wkv_error *err)
{
    if (t->guard.in_row + 1 < t->opts.guard_stop)
        return WKV_OK;
    WKV_FAIL(err, WKV_E_NUMERIC,
             "step %lld: the loss is %g and the gradient's norm %g; %d steps in a row could not be "
             "taken (a lower learning rate may help)",
             (long long)(t->step + 1), loss, norm, t->guard.in_row + 1);
}

/* Adam's corrections count the updates that there were. */
static void take_step(wkv_trainer *t, double loss, double norm, double lr, bool learnt)
{
    wkv_work_commit(&t->work);
    wkv_optim_update(&t->optim, &t->opts, t->step + 1 - t->guard.skipped, lr, norm);
    if (learnt) /* a batch whose targets are all masked says nothing about the others */
        wkv_guard_take(&t->guard, loss, norm);
}

/* States that are finite go on although the weights do not learn from their tokens. */
static void skip_step(wkv_trainer *t, wkv_skip why)
{
    if (why != WKV_SKIP_NUMERIC)
        wkv_work_commit(&t->work);
    wkv_guard_skip(&t->guard);
}

wkv_status wkv_trainer_step(wkv_trainer *t, wkv_step *out, wkv_error *err)
{
    double start = wkv_clock();
    if (t->step >= t->opts.steps)
        WKV_FAIL(err, WKV_E_STATE, "all %lld steps are done", (long long)t->opts.steps);
    uint64_t learnt;
    double loss, limit;
    WKV_TRY(read_step(t, &learnt, err));
    wkv_optim_zero_grad(&t->optim);
    WKV_TRY(wkv_work_train(&t->work, &loss, err));
    double norm = wkv_optim_norm(&t->optim);
    double lr = wkv_sched_lr(&t->opts, t->step);
    wkv_skip skip = wkv_guard_judge(&t->guard, loss, norm, t->opts.guard, &limit);
    if (skip != WKV_SKIP_NONE) {
        WKV_TRY(check_patience(t, loss, norm, err));
        skip_step(t, skip);
    } else {
        take_step(t, loss, norm, lr, learnt > 0);
    }
    t->step++;
    *out = (wkv_step){
        .step = t->step,
        .loss = loss,
        .lr = lr,
        .grad_norm = norm,
        .tokens = tokens_done(t),
        .seconds = wkv_clock() - start,
        .learnt = learnt,
        .limit = limit,
        .skipped = skip,
        .in_row = t->guard.in_row,
    };
    return WKV_OK;
}

/* Bytes of text that the targets of a window stand for. */
static uint64_t target_bytes(const wkv_tok *tok, const wkv_window *w)
{
    uint64_t bytes = 0;
    for (int r = 0; tok != NULL && r < w->B * w->T; r++) {
        size_t n = 0;
        if (w->targets[r] >= 0 && tok->kind->token(tok, w->targets[r], &n) != NULL)
            bytes += n;
    }
    return bytes;
}

static wkv_status validate(wkv_trainer *t, wkv_feed *feed, wkv_validation *out, wkv_error *err)
{
    const wkv_window *w = &t->work.window[0];
    double sum = 0, part;
    for (bool more = true;;) {
        WKV_TRY(wkv_feed_next(feed, &t->work.window[0], &more, err));
        if (!more)
            break;
        WKV_TRY(wkv_work_eval(&t->work, &part, err));
        sum += part;
        out->targets += (uint64_t)w->learnt;
        out->bytes += target_bytes(t->tok, w);
        if (t->opts.progress != NULL &&
            !t->opts.progress(t->opts.user, out->targets, t->val.tokens))
            WKV_FAIL(err, WKV_E_STATE, "the validation was stopped");
    }
    out->loss = out->targets > 0 ? sum / (double)out->targets : 0;
    out->bits_per_byte = out->bytes > 0 ? sum / log(2) / (double)out->bytes : (double)NAN;
    return WKV_OK;
}

wkv_status wkv_trainer_validate(wkv_trainer *t, wkv_validation *out, wkv_error *err)
{
    *out = (wkv_validation){.loss = 0};
    if (t->val.tokens == 0)
        WKV_FAIL(err, WKV_E_STATE, "no data is held out: give val or val-fraction");
    wkv_feed *feed;
    wkv_feed_opts o = wkv_trainer_feed_opts(t, true);
    WKV_TRY(wkv_feed_open(&feed, &o, &t->val, err));
    wkv_status s = validate(t, feed, out, err);
    wkv_feed_close(&feed);
    return s;
}

static uint32_t fingerprint(const wkv_mix *m)
{
    uint32_t all = 0;
    for (int i = 0; i < m->n; i++) {
        uint32_t one = m->part[i].crc32c;
        all = m->n == 1 ? one : wkv_crc32c(all, &one, sizeof one);
    }
    return all;
}

uint32_t wkv_trainer_fingerprint(const wkv_trainer *t)
{
    return fingerprint(&t->train);
}

static uint64_t documents(const wkv_mix *m)
{
    uint64_t n = 0;
    for (int i = 0; i < m->n; i++)
        n += m->part[i].documents;
    return n;
}

/* ---- description ------------------------------------------------------------------------- */

/* 2 for each weight that a product uses forward, the head included, the embedding not; backward as
 * much again for the gradient of its input, and, unless it is frozen, of itself; and for the
 * recurrences 27 for each real of state (about 9 forward, twice that backward). */
static double flops_per_token(const wkv_trainer *t)
{
    double sum = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(&t->cfg, i, &layer);
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (w->data != NULL && (p->kind == WKV_MAT || p->kind == WKV_LOW))
            sum += (w->grad != NULL ? 6.0 : 4.0) * w->rows * w->cols;
        if (w->lora != NULL)
            sum += 6.0 * w->lora->A.rows * (w->rows + w->cols);
    }
    return sum + 27 * (double)t->cfg.arch->state_size(&t->cfg);
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
    wkv_train_memory memory;
    wkv_trainer_memory(t, &memory);
    *info = (wkv_trainer_info){
        .step = t->step,
        .steps = t->opts.steps,
        .parameters = parameters(t),
        .trained = wkv_trained_count(&t->trained),
        .tokens = t->train.tokens,
        .val_tokens = t->val.tokens,
        .memory = memory.total - memory.program - memory.data,
        .flops_per_token = flops_per_token(t),
        .threads = t->dev->threads,
        .magic_prime_used = wkv_feed_magic(t->feed),
        .documents = documents(&t->train),
        .data_crc32c = wkv_trainer_fingerprint(t),
        .val_crc32c = fingerprint(&t->val),
        .arch = t->cfg.arch->name,
        .vocab = t->cfg.dim[WKV_DIM_V],
        .max_length = wkv_config_max_length(&t->cfg),
    };
}

bool wkv_trainer_source(const wkv_trainer *t, int32_t i, wkv_source_info *info)
{
    if (i < 0 || i >= t->train.n)
        return false;
    const wkv_part *p = &t->train.part[i];
    *info = (wkv_source_info){
        .tokens = p->n,
        .documents = p->documents,
        .crc32c = p->crc32c,
    };
    return true;
}

const wkv_tokenizer *wkv_trainer_tokenizer(const wkv_trainer *t)
{
    return t->tok != NULL ? &t->lent : NULL;
}
