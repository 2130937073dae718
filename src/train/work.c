/* train/work.c - see work.h. */
#include "train/work.h"

#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "train/loss.h"

void wkv_work_set_row(wkv_work *w, int b)
{
    size_t T = (size_t)w->T, at = (size_t)b * T;
    memcpy(w->ids + at, w->row, T * sizeof *w->ids);
    memcpy(w->targets + at, w->row + 1, T * sizeof *w->targets);
}

/* ---- passes ----------------------------------------------------------------------------- */

static size_t hidden_size(const wkv_work *w, int n)
{
    return (size_t)n * (size_t)w->T * (size_t)w->cfg->dim[WKV_DIM_C];
}

/* A pass over the first n rows, at the initial state. */
static wkv_pass begin(wkv_work *w, int n)
{
    wkv_arena_reset(&w->scratch, 0);
    wkv_arena_reset(&w->tape, 0);
    for (int b = 0; b < n; b++)
        w->cfg->arch->state_init(w->cfg, w->state[b]);
    return (wkv_pass){
        .exec = {.dev = w->dev, .scratch = &w->scratch},
        .cfg = w->cfg,
        .weights = w->weights,
        .seqs = {.n = n, .start = w->start},
        .ids = w->ids,
        .state = w->state,
    };
}

double wkv_work_train(wkv_work *w)
{
    int rows = w->B * w->T;
    wkv_pass p = begin(w, w->B);
    real *dhidden = wkv_arena_reals(&w->tape, hidden_size(w, w->B));
    p.hidden = wkv_arena_reals(&w->tape, hidden_size(w, w->B));
    p.dhidden = dhidden;
    p.tape = &w->tape;
    p.saved = memset(w->saved, 0, w->saved_bytes);
    w->cfg->arch->forward(&p);
    double sum = wkv_loss_grad(&p.exec, w->cfg, w->weights, dhidden, p.hidden, w->targets, rows);
    w->cfg->arch->backward(&p);
    return sum / rows;
}

double wkv_work_eval(wkv_work *w, int n)
{
    wkv_pass p = begin(w, n);
    p.hidden = wkv_arena_reals(&w->scratch, hidden_size(w, n));
    w->cfg->arch->forward(&p);
    return wkv_loss_sum(&p.exec, w->cfg, w->weights, p.hidden, w->targets, n * w->T);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Runs both passes over arenas that only count. */
static void measure(wkv_work *w, size_t *scratch, size_t *tape)
{
    wkv_arena_measure(&w->scratch);
    wkv_arena_measure(&w->tape);
    wkv_work_train(w);
    wkv_work_eval(w, w->B);
    *scratch = w->scratch.peak;
    *tape = w->tape.peak;
}

/* count * size bytes, zeroed, counted in w->bytes; NULL when out of memory. */
static void *take(wkv_work *w, size_t count, size_t size)
{
    w->bytes += (uint64_t)count * size;
    return wkv_calloc(count, size);
}

static bool allocate_fixed(wkv_work *w)
{
    const wkv_arch *a = w->cfg->arch;
    size_t B = (size_t)w->B, T = (size_t)w->T;
    size_t state = a->state_size(w->cfg);
    uint64_t all_states;
    if (!wkv_mul_ok(B, state, &all_states))
        return false;
    w->saved_bytes = a->saved_once + (size_t)w->cfg->layers * a->saved_layer;
    w->start = take(w, B + 1, sizeof *w->start);
    w->ids = take(w, B * T, sizeof *w->ids);
    w->targets = take(w, B * T, sizeof *w->targets);
    w->row = take(w, T + 1, sizeof *w->row);
    w->states = take(w, (size_t)all_states, sizeof *w->states);
    w->state = take(w, B, sizeof *w->state);
    w->saved = take(w, 1, w->saved_bytes);
    if (w->start == NULL || w->ids == NULL || w->targets == NULL || w->row == NULL ||
        w->states == NULL || w->state == NULL || w->saved == NULL)
        return false;
    for (int b = 0; b <= w->B; b++)
        w->start[b] = b * w->T;
    for (size_t b = 0; b < B; b++)
        w->state[b] = w->states + b * state;
    return true;
}

wkv_status wkv_work_init(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, int B, int T, wkv_error *err)
{
    *w = (wkv_work){.dev = dev, .cfg = cfg, .weights = weights, .B = B, .T = T};
    size_t scratch = 0, tape = 0;
    bool ok = allocate_fixed(w);
    if (ok) {
        measure(w, &scratch, &tape);
        w->bytes += scratch + tape;
        ok = wkv_arena_init(&w->scratch, scratch) && wkv_arena_init(&w->tape, tape);
    }
    if (!ok)
        WKV_FAIL(
            err, WKV_E_MEMORY,
            "out of memory for activations of %d rows of %d tokens (%llu bytes); try a smaller "
            "batch or ctx",
            B, T, (unsigned long long)w->bytes);
    return WKV_OK;
}

void wkv_work_deinit(wkv_work *w)
{
    wkv_arena_deinit(&w->scratch);
    wkv_arena_deinit(&w->tape);
    wkv_free(w->start);
    wkv_free(w->ids);
    wkv_free(w->targets);
    wkv_free(w->row);
    wkv_free(w->states);
    wkv_free(w->state);
    wkv_free(w->saved);
    *w = (wkv_work){0};
}
