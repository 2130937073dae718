/* train/tune.c - see tune.h. */
#include "train/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/mem.h"
#include "train/svd.h"
#include "train/trainer.h"

wkv_status wkv_tuning_check(const wkv_train_opts *o, wkv_error *err)
{
    static const char *const names[] = {[WKV_TUNE_LORA] = "lora",
                                        [WKV_TUNE_PISSA] = "pissa",
                                        [WKV_TUNE_STATE] = "state-tuning"};
    const bool low_rank = o->tune == WKV_TUNE_LORA || o->tune == WKV_TUNE_PISSA;
    if ((int)o->tune < WKV_TUNE_FULL || (int)o->tune > WKV_TUNE_STATE)
        WKV_FAIL(err, WKV_E_ARGUMENT, "tune: %d is not known", (int)o->tune);
    if (o->lora_targets != NULL && !low_rank)
        WKV_FAIL(err, WKV_E_ARGUMENT, "lora-targets: needs lora or pissa");
    if (o->lora_alpha != 0 && o->tune != WKV_TUNE_LORA)
        WKV_FAIL(err, WKV_E_ARGUMENT, "lora-alpha: needs lora; PiSSA has no alpha");
    if (o->tune == WKV_TUNE_FULL)
        return WKV_OK;
    if (o->init == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: needs init, the model that is to be tuned",
                 names[o->tune]);
    if (low_rank && (o->rank < 1 || o->rank > 1 << 16))
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: rank %d is out of range, expected 1 to 65536",
                 names[o->tune], o->rank);
    return wkv_adapter_check_alpha("lora-alpha", o->lora_alpha, err);
}

/* ---- what is trained ------------------------------------------------------------------- */

static wkv_status list_states(wkv_trainer *t, wkv_error *err)
{
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        int layer;
        if (wkv_param_is_start(wkv_params_at(&t->cfg, i, &layer)))
            wkv_trained_add_param(&t->trained, &t->cfg, i);
    }
    if (t->trained.n == 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "state-tuning: the state of %s is no matrix for each head; those of RWKV-5, 6 and "
                 "7 are",
                 t->cfg.arch->name);
    return WKV_OK;
}

/* "blocks.0.att.key.lora_A", after "blocks.0.att.key.weight" */
static void factor_name(char to[WKV_NAME_MAX], const wkv_config *cfg, int i, const char *factor)
{
    int layer;
    char name[WKV_NAME_MAX];
    const wkv_param *p = wkv_params_at(cfg, i, &layer);
    wkv_param_name(name, p, layer);
    snprintf(to, WKV_NAME_MAX, "%.*s.%s", (int)(strlen(name) - strlen(".weight")), name, factor);
}

static void list_factor(wkv_trainer *t, const wkv_weight *w, int i, const char *factor)
{
    wkv_trained_tensor *tensor =
        wkv_trained_add(&t->trained, (const int64_t[]){w->rows, w->cols}, 2);
    factor_name(tensor->name, &t->cfg, i, factor);
}

static wkv_status check_rank(const wkv_trainer *t, int i, int rank, wkv_error *err)
{
    int layer;
    char name[WKV_NAME_MAX];
    const wkv_weight *W = wkv_weights_at(&t->weights, &t->cfg, i);
    const int most = W->rows < W->cols ? W->rows : W->cols;
    if (rank <= most)
        return WKV_OK;
    const wkv_param *p = wkv_params_at(&t->cfg, i, &layer);
    wkv_param_name(name, p, layer);
    WKV_FAIL(err, WKV_E_ARGUMENT,
             "%s: rank %d is more than %s [%d, %d] can have: at most %d",
             t->opts.tune == WKV_TUNE_PISSA ? "pissa" : "lora", rank, name, W->rows, W->cols, most);
}

static wkv_status list_factors(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    const int count = wkv_params_count(&t->cfg);
    bool *chosen = t->present; /* which is of no other use here */
    WKV_TRY(wkv_adapter_choose(chosen, &t->cfg, &t->weights, o->lora_targets, err));
    WKV_TRY(wkv_adapter_init(&t->tuning.adapter, (size_t)count, err));
    for (int i = 0; i < count; i++) {
        if (!chosen[i])
            continue;
        WKV_TRY(check_rank(t, i, o->rank, err));
        wkv_lora *l = wkv_adapter_add(&t->tuning.adapter, &t->cfg, &t->weights, i, o->rank);
        l->scale = o->tune == WKV_TUNE_PISSA || o->lora_alpha == 0
                       ? 1
                       : (real)(o->lora_alpha / o->rank);
        list_factor(t, &l->A, i, "lora_A");
        list_factor(t, &l->B, i, "lora_B");
    }
    return WKV_OK;
}

/* ---- where it lies, and what it begins with ------------------------------------------------ */

static void place(wkv_weight *w, const wkv_trainer *t, const wkv_trained_tensor *tensor)
{
    w->data = t->optim.param + tensor->at;
    w->grad = t->optim.grad + tensor->at;
    w->dtype = WKV_DTYPE_REAL;
}

/* States begin as the model has them, or with zero. */
static void place_states(wkv_trainer *t)
{
    const wkv_trained_tensor *tensor = t->trained.tensor;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        int layer;
        wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (!wkv_param_is_start(wkv_params_at(&t->cfg, i, &layer)))
            continue;
        if (w->data != NULL)
            memcpy(t->optim.param + tensor->at, w->data, tensor->n * sizeof(real));
        place(w, t, tensor++);
    }
}

/* The seed of a matrix's own random numbers. */
static uint64_t seed_of(const wkv_trainer *t, size_t i)
{
    return wkv_splitmix64(t->opts.seed) + (uint64_t)t->tuning.adapter.param[i];
}

/* A: uniform within 1 / sqrt(inputs), as RWKV-PEFT has it; B: 0, so that nothing changes yet. */
static void init_lora(wkv_trainer *t, size_t i)
{
    const wkv_trained_tensor *A = &t->trained.tensor[2 * i];
    const double bound = 1 / sqrt((double)A->dim[1]);
    wkv_rng rng;
    wkv_rng_seed(&rng, seed_of(t, i));
    for (size_t j = 0; j < A->n; j++)
        t->optim.param[A->at + j] = (real)(bound * (2 * wkv_rng_uniform(&rng) - 1));
}

static wkv_status init_pissa(wkv_trainer *t, size_t i, wkv_error *err)
{
    const wkv_trained_tensor *A = &t->trained.tensor[2 * i], *B = A + 1;
    const wkv_weight *W = wkv_weights_at(&t->weights, &t->cfg, t->tuning.adapter.param[i]);
    return wkv_svd_principal(t->dev, W, (int)A->dim[0], seed_of(t, i), t->optim.param + A->at,
                             t->optim.param + B->at, err);
}

static wkv_status place_factors(wkv_trainer *t, wkv_error *err)
{
    for (size_t i = 0; i < t->tuning.adapter.n; i++) {
        wkv_lora *l = &t->tuning.adapter.lora[i];
        if (t->opts.tune == WKV_TUNE_LORA)
            init_lora(t, i);
        else
            WKV_TRY(init_pissa(t, i, err));
        place(&l->A, t, &t->trained.tensor[2 * i]);
        place(&l->B, t, &t->trained.tensor[2 * i + 1]);
    }
    wkv_adapter_attach(&t->tuning.adapter, &t->cfg, &t->weights);
    return WKV_OK;
}

/* ---- PiSSA: what is taken from the matrices --------------------------------------------------- */

/* The change of the beginning. */
static wkv_lora first_of(const wkv_trainer *t, size_t i)
{
    wkv_lora l = t->tuning.adapter.lora[i];
    l.A.data = t->tuning.first + t->trained.tensor[2 * i].at;
    l.B.data = t->tuning.first + t->trained.tensor[2 * i + 1].at;
    return l;
}

static void take_first(wkv_trainer *t)
{
    wkv_tuning *u = &t->tuning;
    wkv_exec x = {.dev = t->dev, .scratch = &u->scratch};
    for (size_t i = 0; i < u->adapter.n; i++) {
        const wkv_weight *W = wkv_weights_at(&t->weights, &t->cfg, u->adapter.param[i]);
        const wkv_lora first = first_of(t, i);
        real *rest = (real *)(uintptr_t)W->data;
        if (!wkv_exec_measuring(&x))
            memcpy(rest, u->whole[i], (size_t)W->rows * (size_t)W->cols * sizeof *rest);
        wkv_lora_merge(&x, rest, &first, -1);
    }
}

void wkv_tuning_first_changed(wkv_trainer *t)
{
    if (t->tuning.first != NULL)
        take_first(t);
}

/* A copy of each matrix, which loses what the factors begin with. */
static wkv_status split(wkv_trainer *t, wkv_error *err)
{
    wkv_tuning *u = &t->tuning;
    const size_t bytes = t->trained.size * sizeof *u->first;
    u->whole = wkv_calloc(u->adapter.n + 1, sizeof *u->whole);
    u->first = wkv_malloc_aligned(bytes + 1);
    bool ok = u->whole != NULL && u->first != NULL;
    for (size_t i = 0; i < u->adapter.n && ok; i++) {
        wkv_weight *W = wkv_weights_at(&t->weights, &t->cfg, u->adapter.param[i]);
        real *rest =
            wkv_weights_room(&t->weights, (size_t)W->rows * (size_t)W->cols * sizeof *rest);
        u->whole[i] = W->data;
        ok = rest != NULL;
        W->data = rest;
    }
    if (ok) {
        memcpy(u->first, t->optim.param, bytes);
        wkv_arena_measure(&u->scratch);
        take_first(t);
        ok = wkv_arena_init(&u->scratch, u->scratch.peak);
    }
    if (!ok)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for what PiSSA leaves of %zu matrices",
                 u->adapter.n);
    take_first(t);
    return WKV_OK;
}

size_t wkv_tuning_view(const wkv_trainer *t, wkv_tensor *out, char *names, size_t name_bytes)
{
    if (t->tuning.first == NULL)
        return 0;
    wkv_trained_view(&t->trained, t->tuning.first, "", out, names, name_bytes);
    for (size_t i = 0; i < t->trained.n; i++)
        factor_name(names + i * name_bytes, &t->cfg, t->tuning.adapter.param[i / 2],
                    i % 2 == 0 ? "init_lora_A" : "init_lora_B");
    return t->trained.n;
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* Over the ends of every weight: enough to tell models apart, whatever their size. */
static uint32_t checksum(const wkv_trainer *t)
{
    enum { PIECE = 64 };
    uint32_t crc = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        const size_t n = (size_t)w->rows * (size_t)w->cols, piece = n < PIECE ? n : PIECE;
        if (w->data == NULL)
            continue;
        crc = wkv_crc32c(crc, wkv_vec(w), piece * sizeof(real));
        crc = wkv_crc32c(crc, wkv_vec(w) + (n - piece), piece * sizeof(real));
    }
    return crc;
}

wkv_status wkv_tuning_setup(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err)
{
    wkv_status s = wkv_weights_bind_reals(&t->weights, &t->cfg, t->tuning.base, err);
    if (s != WKV_OK)
        return wkv_error_prefix(err, s, o->init);
    t->tuning.base_crc = checksum(t);
    WKV_TRY(wkv_trained_init(&t->trained, 2 * (size_t)wkv_params_count(&t->cfg), err));
    if (o->tune == WKV_TUNE_STATE)
        WKV_TRY(list_states(t, err));
    else
        WKV_TRY(list_factors(t, o, err));
    WKV_TRY(wkv_optim_init(&t->optim, t->dev, t->trained.size, err));
    wkv_optim_clear(&t->optim);
    WKV_TRY(wkv_optim_group(&t->optim, &t->trained, err));
    if (o->tune == WKV_TUNE_STATE) {
        place_states(t);
        return WKV_OK;
    }
    WKV_TRY(place_factors(t, err));
    return o->tune == WKV_TUNE_PISSA ? split(t, err) : WKV_OK;
}

void wkv_tuning_deinit(wkv_tuning *u)
{
    wkv_adapter_deinit(&u->adapter);
    wkv_free_aligned(u->first);
    wkv_free(u->whole);
    wkv_arena_deinit(&u->scratch);
    wkv_store_close(&u->base);
    *u = (wkv_tuning){0};
}
