/* train/setup.c - opening a trainer: the device, the model (new, or read), the data, and
 * the memory of a step, in the order in which each needs the one before.
 *
 * Every part goes straight into the trainer, whose close releases what there is; so no
 * step here has to undo the ones before it. */
#include <math.h>

#include "base/mem.h"
#include "os/os.h"
#include "train/memory.h"
#include "train/trainer.h"

/* ---- vocabulary ------------------------------------------------------------------------ */

/* Vocabularies are padded to a multiple of 64: World's 65530 ids make the customary 65536. */
static int32_t padded(int32_t ids)
{
    return (ids + 63) / 64 * 64;
}

/* The model's own tokenizer comes first: its weights know no other. */
static wkv_status open_tokenizer(wkv_trainer *t, const wkv_train_opts *o, const wkv_store *init,
                                 wkv_error *err)
{
    const char *kind = init != NULL ? wkv_store_meta(init, WKV_META_TOKENIZER) : NULL;
    if (kind != NULL) {
        const wkv_meta *vocab = wkv_store_find_meta(init, WKV_META_VOCAB);
        WKV_TRY(wkv_tok_open(&t->tok, kind, o->init, vocab != NULL ? vocab->value : NULL,
                             vocab != NULL ? vocab->value_len : 0, err));
    } else if (o->vocab != NULL) {
        WKV_TRY(wkv_tok_open_spec(&t->tok, o->vocab, err));
    }
    if (t->tok == NULL || init == NULL)
        return WKV_OK;
    int32_t ids = t->tok->vocab_size, V = t->cfg.dim[WKV_DIM_V];
    if (V < ids || V > padded(ids))
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: the model has %d token ids, the vocabulary \"%s\" %d: they do not belong "
                 "together",
                 o->init, V, kind != NULL ? kind : o->vocab, ids);
    return WKV_OK;
}

/* V of a new model: the option, the tokenizer's, or what the data holds. */
static wkv_status vocab_size(const wkv_trainer *t, const wkv_train_opts *o, int32_t *V,
                             wkv_error *err)
{
    if (t->tok != NULL && o->vocab_size != 0 && o->vocab_size < t->tok->vocab_size)
        WKV_FAIL(err, WKV_E_ARGUMENT, "vocab-size: %d is less than the %d ids of \"%s\"",
                 o->vocab_size, t->tok->vocab_size, o->vocab);
    if (o->vocab_size != 0) {
        *V = o->vocab_size;
    } else if (t->tok != NULL) {
        *V = padded(t->tok->vocab_size);
    } else {
        *V = 1;
        for (int i = 0; i < t->n_data; i++) {
            int32_t largest;
            WKV_TRY(wkv_data_largest(&t->data[i], &largest, err));
            *V = largest >= *V ? largest + 1 : *V;
        }
    }
    return WKV_OK;
}

/* ---- data ------------------------------------------------------------------------------- */

static void add_part(wkv_mix *m, wkv_part p, double weight)
{
    m->part[m->n] = p;
    /* Weights are whole numbers from here on: 1e-6 is 1. */
    m->weight[m->n++] = weight > 0 ? (uint64_t)llround(weight * 1e6) : p.n > 0 ? p.n : 1;
    m->tokens += p.n;
}

/* Where what is held out begins: with a document, where there are several. */
static uint64_t held_from(const wkv_data *d, double fraction)
{
    uint64_t n = (uint64_t)floor((double)d->n * (1 - fraction));
    uint64_t documents = wkv_data_documents(d);
    if (documents < 2 || n == 0 || n >= d->n)
        return n;
    wkv_part before = wkv_part_of(d, 0, n);
    uint64_t end = wkv_data_document(d, before.documents);
    return end < d->n ? end : wkv_data_document(d, before.documents - 1);
}

static wkv_status open_source(wkv_trainer *t, const char *path, double weight, double held,
                              wkv_error *err)
{
    wkv_data *d = &t->data[t->n_data++];
    WKV_TRY(wkv_data_open(d, path, t->tok, err));
    uint64_t n = held > 0 ? held_from(d, held) : d->n;
    add_part(&t->train, wkv_part_of(d, 0, n), weight);
    if (held > 0)
        add_part(&t->val, wkv_part_of(d, n, d->n - n), 1);
    return WKV_OK;
}

wkv_feed_opts wkv_trainer_feed_opts(const wkv_trainer *t, bool once)
{
    static const wkv_feed_kind kinds[] = {
        [WKV_ROWS_STREAM] = WKV_FEED_STREAM,
        [WKV_ROWS_PACK] = WKV_FEED_PACK,
        [WKV_ROWS_CARRY] = WKV_FEED_CARRY,
    };
    return (wkv_feed_opts){
        .kind = kinds[t->opts.rows],
        .order = t->opts.order,
        .B = t->opts.batch,
        .T = t->opts.ctx,
        .seed = t->opts.seed,
        .vocab = t->cfg.dim[WKV_DIM_V],
        .once = once,
    };
}

/* Checkpoints and descriptions ask for them again and again. */
static void take_fingerprints(wkv_mix *m)
{
    for (int i = 0; i < m->n; i++)
        m->part[i].crc32c = wkv_part_fingerprint(&m->part[i]);
}

static wkv_status open_data(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    double held = o->val == NULL ? o->val_fraction : 0;
    if (o->data != NULL)
        WKV_TRY(open_source(t, o->data, 1, held, err));
    for (int i = 0; i < o->n_sources; i++)
        WKV_TRY(open_source(t, o->sources[i].path, o->sources[i].weight, held, err));
    if (o->val != NULL) {
        WKV_TRY(wkv_data_open(&t->val_data, o->val, t->tok, err));
        add_part(&t->val, wkv_part_of(&t->val_data, 0, t->val_data.n), 1);
    }
    wkv_feed_opts feed = wkv_trainer_feed_opts(t, false);
    for (int i = 0; i < t->train.n; i++)
        WKV_TRY(wkv_feed_check(&feed, &t->train.part[i], "to train on", err));
    for (int i = 0; i < t->val.n; i++)
        WKV_TRY(wkv_feed_check(&feed, &t->val.part[i], "are held out", err));
    take_fingerprints(&t->train);
    take_fingerprints(&t->val);
    return WKV_OK;
}

/* Tokens of another vocabulary are better refused before a run begins than in the middle.  Those
 * of a text are the tokenizer's own. */
static wkv_status check_ids(const wkv_mix *m, int32_t vocab, wkv_error *err)
{
    for (int i = 0; i < m->n; i++)
        if (m->part[i].data->heap == NULL)
            WKV_TRY(wkv_part_check(&m->part[i], vocab, err));
    return WKV_OK;
}

/* ---- model and memory ----------------------------------------------------------------- */

/* Room for them; no value is set yet, but where a part of a model is tuned. */
static wkv_status make_weights(wkv_trainer *t, const wkv_train_opts *o, const wkv_store *init,
                               wkv_error *err)
{
    int count = wkv_params_count(&t->cfg);
    t->present = wkv_calloc((size_t)count, sizeof *t->present);
    if (t->present == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for %d parameters", count);
    wkv_params_present(t->present, &t->cfg, init);
    if (o->tune != WKV_TUNE_FULL)
        return wkv_tuning_setup(t, o, err);
    WKV_TRY(wkv_trained_init(&t->trained, (size_t)count, err));
    for (int i = 0; i < count; i++)
        if (t->present[i])
            wkv_trained_add_param(&t->trained, &t->cfg, i);
    WKV_TRY(wkv_optim_init(&t->optim, t->dev, t->trained.size, err));
    WKV_TRY(wkv_weights_flat(&t->weights, &t->cfg, t->present, t->optim.param, t->optim.grad, err));
    return wkv_optim_group(&t->optim, &t->trained, err);
}

static wkv_status fill_weights(wkv_trainer *t, const wkv_train_opts *o, const wkv_store *init,
                               wkv_error *err)
{
    if (o->tune != WKV_TUNE_FULL)
        return WKV_OK; /* it is all there */
    wkv_optim_clear(&t->optim);
    if (init == NULL)
        return wkv_weights_create(&t->weights, &t->cfg, t->dev, o->seed, o->lr, err);
    wkv_status s = wkv_weights_load(&t->weights, &t->cfg, init, err);
    return s == WKV_OK ? s : wkv_error_prefix(err, s, o->init);
}

/* What a library of products holds once it has made one counts as the program's memory: it
 * differs from machine to machine and is no part of the run. */
static wkv_status wake_products(const wkv_trainer *t, wkv_error *err)
{
    enum { ROWS = 64, COLS = 16 }; /* narrow: wide ones may be the kernels' own */
    real *values = wkv_calloc((size_t)2 * ROWS * COLS + COLS * COLS, sizeof *values);
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    wkv_exec x = {.dev = t->dev, .scratch = &scratch};
    const wkv_weight W = {.data = values, .dtype = WKV_DTYPE_REAL, .rows = COLS, .cols = COLS};
    t->dev->matmul(&x, NULL, NULL, &W, ROWS, false);
    if (values == NULL || !wkv_arena_init(&scratch, scratch.peak)) {
        wkv_free(values);
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a product of %d rows", (int)ROWS);
    }
    t->dev->matmul(&x, values + (ROWS + COLS) * COLS, values + COLS * COLS, &W, ROWS, false);
    wkv_arena_deinit(&scratch);
    wkv_free(values);
    return WKV_OK;
}

static wkv_status plan_work(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    static const wkv_recompute recompute[] = {
        [WKV_TRAIN_RECOMPUTE_NONE] = WKV_RECOMPUTE_NONE,
        [WKV_TRAIN_RECOMPUTE_LIGHT] = WKV_RECOMPUTE_LIGHT,
        [WKV_TRAIN_RECOMPUTE_FULL] = WKV_RECOMPUTE_FULL,
    };
    const wkv_work_opts work = {
        .B = o->batch,
        .T = o->ctx,
        .piece = o->micro_batch > 0 && o->micro_batch < o->batch ? o->micro_batch : o->batch,
        .per_row = wkv_feed_per_row(wkv_trainer_feed_opts(t, false).kind, o->ctx),
        .carry = o->rows == WKV_ROWS_CARRY,
        .windows = o->bptt,
        .validates = t->val.n > 0,
        .recompute = recompute[o->recompute],
        .bf16 = o->activations == WKV_TRAIN_ACTIVATIONS_BF16,
    };
    WKV_TRY(wkv_work_plan(&t->work, t->dev, &t->cfg, &t->weights, &work, err));
    return wkv_trainer_check_memory(t, o->memory_limit, err);
}

/* Models whose texts end cannot learn from longer ones. */
static wkv_status check_reach(const wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    const int longest = wkv_config_max_length(&t->cfg);
    if (longest > 0 && o->ctx > longest)
        WKV_FAIL(err, WKV_E_LIMIT, "ctx: %d tokens, but texts of %s%s end at %d", o->ctx,
                 o->init != NULL ? "the model " : "", o->init != NULL ? o->init : t->cfg.arch->name,
                 longest);
    if (longest > 0 && o->rows == WKV_ROWS_CARRY)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "rows: %s ends at %d tokens, and a text that is carried on has more",
                 t->cfg.arch->name, longest);
    return WKV_OK;
}

static wkv_status setup(wkv_trainer *t, const wkv_train_opts *o, const wkv_store *init,
                        wkv_error *err)
{
    if (init != NULL) {
        wkv_status s = wkv_config_infer(&t->cfg, init, err);
        if (s != WKV_OK)
            return wkv_error_prefix(err, s, o->init);
    }
    WKV_TRY(open_tokenizer(t, o, init, err));
    t->lent.tok = t->tok;
    WKV_TRY(open_data(t, o, err));
    if (init == NULL) {
        int32_t V = 0;
        WKV_TRY(vocab_size(t, o, &V, err));
        const wkv_sizes sizes = {.layers = o->layers,
                                 .width = o->width,
                                 .vocab = V,
                                 .head_size = o->head_size,
                                 .window = o->window,
                                 .length = o->length > 0 ? o->length : o->ctx,
                                 .token_shift = o->token_shift};
        WKV_TRY(wkv_config_new(&t->cfg, wkv_arch_find(o->arch), &sizes, err));
    }
    WKV_TRY(check_ids(&t->train, t->cfg.dim[WKV_DIM_V], err));
    WKV_TRY(check_ids(&t->val, t->cfg.dim[WKV_DIM_V], err));
    WKV_TRY(check_reach(t, o, err));
    wkv_feed_opts feed = wkv_trainer_feed_opts(t, false);
    WKV_TRY(wkv_feed_open(&t->feed, &feed, &t->train, err));
    WKV_TRY(wake_products(t, err));
    t->held = wkv_memory_now();
    WKV_TRY(make_weights(t, o, init, err));
    WKV_TRY(plan_work(t, o, err));
    WKV_TRY(fill_weights(t, o, init, err));
    return wkv_work_allocate(&t->work, err);
}

wkv_status wkv_trainer_setup(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    WKV_TRY(wkv_train_opts_check(o, err));
    t->opts = *o;
    t->opts.init = t->opts.arch = t->opts.vocab = t->opts.data = t->opts.val = NULL;
    t->opts.lora_targets = NULL;
    t->opts.sources = NULL;
    WKV_TRY(wkv_dev_open_cpu(&t->dev, o->threads, err));
    wkv_store *init = NULL;
    if (o->init != NULL)
        WKV_TRY(wkv_store_open(&init, o->init, err));
    if (o->tune != WKV_TUNE_FULL)
        t->tuning.base = init; /* frozen weights stay in it */
    wkv_status s = setup(t, o, init, err);
    if (t->tuning.base != init)
        wkv_store_close(&init);
    return s;
}
