/* train/memory.c - what memory a run will take, before it takes it.
 *
 * Nothing is estimated: the arenas are sized by running the step's code without computing, and
 * the rest is what is about to be allocated, on top of what the process holds already. */
#include "train/memory.h"

#include "os/os.h"

static uint64_t data_bytes(const wkv_trainer *t)
{
    uint64_t n = t->val_data.heap != NULL ? t->val_data.n * (uint64_t)t->val_data.type.bytes : 0;
    for (int i = 0; i < t->n_data; i++)
        if (t->data[i].heap != NULL)
            n += t->data[i].n * (uint64_t)t->data[i].type.bytes;
    return n;
}

static uint64_t frozen_bytes(const wkv_trainer *t)
{
    uint64_t n = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (w->data != NULL && w->grad == NULL)
            n += (uint64_t)w->rows * (uint64_t)w->cols;
    }
    return n * sizeof(real);
}

static wkv_train_memory predict(const wkv_trainer *t, const wkv_work *w)
{
    const uint64_t array = (uint64_t)t->optim.n * sizeof(real);
    wkv_train_memory m = {
        .parameters = array + frozen_bytes(t),
        .gradients = array,
        .moments = 2 * array,
        .activations = w->tape_bytes + w->wide_bytes,
        .workspace = w->scratch_bytes + w->other_bytes + t->optim.scratch.size,
        .data = data_bytes(t),
        .peak = wkv_memory_peak(),
    };
    m.program = t->held > m.data ? t->held - m.data : 0;
    m.total =
        m.parameters + m.gradients + m.moments + m.activations + m.workspace + m.data + m.program;
    return m;
}

void wkv_trainer_memory(const wkv_trainer *t, wkv_train_memory *m)
{
    *m = predict(t, &t->work);
}

/* ---- the limit --------------------------------------------------------------------------- */

/* Shorter pieces than this cost time, and are advised only when nothing else fits. */
enum { PIECE_TOKENS = 512 };

/* What a run with other settings would take; 0 when that cannot be found out. */
static uint64_t total_with(const wkv_trainer *t, wkv_recompute recompute, int piece)
{
    wkv_work other = {0};
    wkv_work_opts o = t->work.o;
    o.recompute = recompute;
    o.piece = piece;
    uint64_t total = 0;
    if (wkv_work_plan(&other, t->dev, &t->cfg, &t->weights, &o, NULL) == WKV_OK)
        total = predict(t, &other).total;
    wkv_work_deinit(&other);
    return total;
}

typedef struct advice {
    wkv_recompute recompute;
    int piece;
    uint64_t total;
} advice;

/* The first of the settings that fits; else the one that takes the least, if it is less than *a.
 * Pieces have `shortest` tokens or more, or are a row. */
static bool search(const wkv_trainer *t, uint64_t limit, int shortest, advice *a)
{
    const wkv_work_opts *o = &t->work.o;
    for (wkv_recompute r = o->recompute; r <= WKV_RECOMPUTE_FULL; r++)
        for (int piece = o->piece;;) {
            uint64_t total = total_with(t, r, piece);
            if (total < a->total)
                *a = (advice){r, piece, total};
            if (a->total <= limit)
                return true;
            if (piece == 1 || piece / 2 * o->T < shortest)
                break;
            piece /= 2;
        }
    return false;
}

/* The settings that cost the least time of those that fit; else those that take the least. */
static advice find_advice(const wkv_trainer *t, uint64_t limit)
{
    advice a = {t->work.o.recompute, t->work.o.piece, UINT64_MAX};
    if (!search(t, limit, PIECE_TOKENS, &a))
        search(t, limit, 0, &a);
    return a;
}

static double gigabytes(uint64_t n)
{
    return 1e-9 * (double)n;
}

wkv_status wkv_trainer_check_memory(const wkv_trainer *t, uint64_t limit, wkv_error *err)
{
    static const char *const names[] = {"none", "light", "full"};
    const wkv_train_memory m = predict(t, &t->work);
    if (limit == 0 || m.total <= limit)
        return WKV_OK;
    const advice a = find_advice(t, limit);
    bool fits = a.total <= limit;
    WKV_FAIL(
        err, WKV_E_MEMORY,
        "memory: the run takes %.3f GB and the limit is %.3f: parameters %.3f, gradients %.3f, "
        "moments %.3f, activations %.3f, work space %.3f, data %.3f, program %.3f; %s "
        "recompute %s with micro-batch %d, which takes %.3f GB%s",
        gigabytes(m.total), gigabytes(limit), gigabytes(m.parameters), gigabytes(m.gradients),
        gigabytes(m.moments), gigabytes(m.activations), gigabytes(m.workspace), gigabytes(m.data),
        gigabytes(m.program), fits ? "what fits is" : "the least is", names[a.recompute], a.piece,
        gigabytes(a.total), fits ? "" : ": a smaller ctx or model is needed");
}
