/* train/options.c - the options of training: defaults and ranges. */
#include "train/trainer.h"

void wkv_train_opts_init(wkv_train_opts *o)
{
    *o = (wkv_train_opts){
        .arch = "rwkv7",
        .layers = 4,
        .width = 128,
        .head_size = 32,
        .window = 32,
        .vocab = "bytes",
        .ctx = 64,
        .batch = 12,
        .order = WKV_ORDER_RANDOM,
        .bptt = 1,
        .steps = 2000,
        .lr = 4e-3,
        .lr_final = 1e-4,
        .warmup = 10,
        .weight_decay = 0.1,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .adam_eps = 1e-18,
        .clip = 1.0,
        .seed = 1,
        .guard = 10,
        .guard_stop = 10,
    };
}

typedef struct range {
    const char *name;
    double value, low, high;
} range;

/* What is compared is false for NaN. */
static wkv_status check_ranges(const range *r, size_t n, wkv_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!(r[i].value >= r[i].low && r[i].value <= r[i].high))
            WKV_FAIL(err, WKV_E_ARGUMENT, "%s: %g is out of range, expected %g to %g", r[i].name,
                     r[i].value, r[i].low, r[i].high);
    return WKV_OK;
}

/* The same where the highest is not one of them. */
static wkv_status check_open_ranges(const range *r, size_t n, wkv_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!(r[i].value >= r[i].low && r[i].value < r[i].high))
            WKV_FAIL(err, WKV_E_ARGUMENT, "%s: %.9g is out of range, expected %g to below %g",
                     r[i].name, r[i].value, r[i].low, r[i].high);
    return WKV_OK;
}

/* The smallest eps is far above the smallest float, so that 0 / (0 + eps) is 0. */
static wkv_status check_numbers(const wkv_train_opts *o, wkv_error *err)
{
    const range ranges[] = {
        {"vocab-size", o->vocab_size, 0, 1 << 24},
        {"ctx", o->ctx, 1, 1 << 20},
        {"batch", o->batch, 1, 1 << 16},
        {"bptt", o->bptt, 1, 1 << 16},
        {"micro-batch", o->micro_batch, 0, 1 << 16},
        {"steps", (double)o->steps, 1, 1e12},
        {"lr", o->lr, 1e-12, 1e3},
        {"lr-final", o->lr_final, 0, 1e3},
        {"warmup", (double)o->warmup, 0, 1e12},
        {"weight-decay", o->weight_decay, 0, 1e3},
        {"adam-eps", o->adam_eps, 1e-30, 1},
        {"clip", o->clip, 0, 1e30},
        {"threads", o->threads, 0, 4096},
        {"guard", o->guard, 0, 1e6},
        {"guard-stop", o->guard_stop, 1, 1 << 20},
        {"rank", o->rank, 0, 1 << 16},
    };
    const range open[] = {
        {"beta1", o->beta1, 0, 1},
        {"beta2", o->beta2, 0, 1},
        {"val-fraction", o->val_fraction, 0, 1},
    };
    WKV_TRY(check_ranges(ranges, sizeof ranges / sizeof ranges[0], err));
    return check_open_ranges(open, sizeof open / sizeof open[0], err);
}

static wkv_status check_shape(const wkv_train_opts *o, wkv_error *err)
{
    if (o->arch == NULL || wkv_arch_find(o->arch) == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "arch: \"%s\" is not known",
                 o->arch != NULL ? o->arch : "(none)");
    const range ranges[] = {
        {"layers", o->layers, 1, 4096},          {"width", o->width, 1, 1 << 20},
        {"head-size", o->head_size, 0, 1 << 16}, {"window", o->window, 0, 1 << 20},
        {"length", o->length, 0, 1 << 20},
    };
    return check_ranges(ranges, sizeof ranges / sizeof ranges[0], err);
}

static wkv_status check_sources(const wkv_train_opts *o, wkv_error *err)
{
    if ((o->data == NULL) == (o->n_sources == 0))
        WKV_FAIL(err, WKV_E_ARGUMENT, "data: a text file or a binidx PREFIX is needed");
    if (o->n_sources < 0 || o->n_sources > WKV_TRAIN_SOURCES)
        WKV_FAIL(err, WKV_E_ARGUMENT, "data: %d sources, at most %d are possible", o->n_sources,
                 (int)WKV_TRAIN_SOURCES);
    for (int i = 0; i < o->n_sources; i++) {
        const wkv_train_source *s = &o->sources[i];
        if (!(s->weight >= 0 && s->weight <= 1e9) || (s->weight > 0 && s->weight < 1e-6))
            WKV_FAIL(err, WKV_E_ARGUMENT, "data: %s has the weight %g, expected 1e-06 to 1e+09",
                     s->path, s->weight);
        if ((s->weight > 0) != (o->sources[0].weight > 0))
            WKV_FAIL(err, WKV_E_ARGUMENT,
                     "data: %s has a weight and %s has none; give one to each, or to none",
                     s->weight > 0 ? s->path : o->sources[0].path,
                     s->weight > 0 ? o->sources[0].path : s->path);
    }
    return WKV_OK;
}

static wkv_status check_rows(const wkv_train_opts *o, wkv_error *err)
{
    if (o->order != WKV_ORDER_RANDOM && o->order != WKV_ORDER_SEQUENTIAL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "order: %d is neither random nor sequential", (int)o->order);
    if (o->rows != WKV_ROWS_STREAM && o->rows != WKV_ROWS_PACK && o->rows != WKV_ROWS_CARRY)
        WKV_FAIL(err, WKV_E_ARGUMENT, "rows: %d is not known", (int)o->rows);
    if (o->recompute < WKV_TRAIN_RECOMPUTE_NONE || o->recompute > WKV_TRAIN_RECOMPUTE_FULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "recompute: %d is not known", (int)o->recompute);
    if (o->activations != WKV_TRAIN_ACTIVATIONS_F32 && o->activations != WKV_TRAIN_ACTIVATIONS_BF16)
        WKV_FAIL(err, WKV_E_ARGUMENT, "activations: %d is not known", (int)o->activations);
    if (o->bptt > 1 && o->rows != WKV_ROWS_CARRY)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "bptt: gradients through %d windows need states that are carried", o->bptt);
    if ((int64_t)o->ctx * o->batch * o->bptt > 1 << 26)
        WKV_FAIL(err, WKV_E_ARGUMENT, "batch: %d rows of %d tokens are more than 2^26 a step",
                 o->batch, o->ctx * o->bptt);
    return WKV_OK;
}

wkv_status wkv_train_opts_check(const wkv_train_opts *o, wkv_error *err)
{
    WKV_TRY(check_sources(o, err));
    WKV_TRY(wkv_tuning_check(o, err));
    if (o->init == NULL)
        WKV_TRY(check_shape(o, err));
    WKV_TRY(check_numbers(o, err));
    return check_rows(o, err);
}
