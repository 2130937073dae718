/* train/work.c - see work.h. */
#include "train/work.h"

#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "os/os.h"
#include "train/loss.h"

/* ---- states ----------------------------------------------------------------------------- */

static size_t state_size(const wkv_work *w)
{
    return w->cfg->arch->state_size(w->cfg);
}

/* The states kept before window j of the step. */
static real *kept_before(const wkv_work *w, int j)
{
    return w->kept + (size_t)j * (size_t)w->o.B * state_size(w);
}

static int row_of(const wkv_work *w, const wkv_window *win, int i)
{
    return win->start[i] / w->o.T;
}

static bool last_of_row(const wkv_work *w, const wkv_window *win, int i)
{
    return i + 1 == win->n || row_of(w, win, i + 1) != row_of(w, win, i);
}

static void first_states(wkv_work *w, const wkv_window *win, const real *kept)
{
    size_t n = state_size(w);
    for (int i = 0; i < win->n; i++)
        if (win->kept[i] >= 0)
            memcpy(w->state[i], kept + (size_t)win->kept[i] * n, n * sizeof *kept);
        else
            wkv_state_start(w->cfg, w->weights, w->state[i]);
}

static void keep_states(const wkv_work *w, const wkv_window *win, real *kept)
{
    size_t n = state_size(w);
    for (int i = 0; i < win->n; i++)
        if (last_of_row(w, win, i))
            memcpy(kept + (size_t)row_of(w, win, i) * n, w->state[i], n * sizeof *kept);
}

/* The gradients of the last states: what the window behind hands back to those that go on
 * in it; and then, of the first states, what goes to the window before. */
static void last_gradients(wkv_work *w, const wkv_window *win, bool behind)
{
    size_t n = state_size(w);
    for (int i = 0; i < win->n; i++)
        if (behind && last_of_row(w, win, i))
            memcpy(w->dstate[i], w->dkept + (size_t)row_of(w, win, i) * n, n * sizeof **w->dstate);
        else
            memset(w->dstate[i], 0, n * sizeof **w->dstate);
}

static void first_gradients(wkv_work *w, const wkv_window *win)
{
    size_t n = state_size(w);
    for (int i = 0; i < win->n; i++)
        if (win->kept[i] < 0)
            wkv_state_start_bwd(w->cfg, w->weights, w->dstate[i]);
    if (w->dkept == NULL)
        return;
    memset(w->dkept, 0, (size_t)w->o.B * n * sizeof *w->dkept);
    for (int i = 0; i < win->n; i++)
        if (win->kept[i] >= 0)
            memcpy(w->dkept + (size_t)win->kept[i] * n, w->dstate[i], n * sizeof *w->dkept);
}

/* ---- passes ----------------------------------------------------------------------------- */

static size_t hidden_size(const wkv_work *w)
{
    return (size_t)w->o.B * (size_t)w->o.T * (size_t)w->cfg->dim[WKV_DIM_C];
}

static wkv_pass begin(wkv_work *w, const wkv_window *win)
{
    wkv_arena_reset(&w->scratch, 0);
    wkv_arena_reset(&w->tape, 0);
    return (wkv_pass){
        .exec = {.dev = w->dev, .scratch = &w->scratch},
        .cfg = w->cfg,
        .weights = w->weights,
        .seqs = {.n = win->n, .start = win->start},
        .ids = win->ids,
        .state = w->state,
    };
}

/* Forward; with a loss into w->loss when it is wanted. */
static double forward(wkv_work *w, const wkv_window *win, bool want_loss)
{
    int rows = w->o.B * w->o.T;
    wkv_pass p = begin(w, win);
    p.hidden = wkv_arena_reals(&w->scratch, hidden_size(w));
    w->cfg->arch->forward(&p);
    if (!want_loss)
        return 0;
    return wkv_loss_sum(&p.exec, w->cfg, w->weights, p.hidden, win->targets, rows, w->loss);
}

/* Forward, loss and backward; the gradients are those of the sum over `learnt` targets
 * divided by their number.  leave: where the last states go between the two, or NULL. */
static double both(wkv_work *w, const wkv_window *win, int64_t learnt, real *leave)
{
    wkv_pass p = begin(w, win);
    real *dhidden = wkv_arena_reals(&w->tape, hidden_size(w));
    p.hidden = wkv_arena_reals(&w->tape, hidden_size(w));
    p.dhidden = dhidden;
    p.tape = &w->tape;
    p.saved = memset(w->saved, 0, w->saved_bytes);
    p.dstate = w->dstate;
    w->cfg->arch->forward(&p);
    if (leave != NULL)
        keep_states(w, win, leave);
    double sum = wkv_loss_grad(&p.exec, w->cfg, w->weights, dhidden, p.hidden, win->targets,
                               w->o.B * w->o.T, learnt, w->loss);
    w->cfg->arch->backward(&p);
    return sum;
}

/* ---- memory of the arenas ------------------------------------------------------------------ */

static bool allocate_arena(wkv_arena *a, size_t bytes)
{
    if (!wkv_arena_init(a, bytes))
        return false;
    wkv_prefer_large_pages(a->base, bytes);
    return true;
}

/* What both kinds of pass over the window need. */
static void measure(wkv_work *w, const wkv_window *win, size_t *scratch, size_t *tape)
{
    wkv_arena held_scratch = w->scratch, held_tape = w->tape;
    wkv_arena_measure(&w->scratch);
    wkv_arena_measure(&w->tape);
    both(w, win, 1, NULL);
    forward(w, win, true);
    *scratch = w->scratch.peak > *scratch ? w->scratch.peak : *scratch;
    *tape = w->tape.peak > *tape ? w->tape.peak : *tape;
    w->scratch = held_scratch;
    w->tape = held_tape;
}

static bool grow(wkv_arena *a, size_t size)
{
    if (size <= a->size)
        return true;
    wkv_arena_deinit(a);
    return allocate_arena(a, size);
}

/* Makes room for a window, whose sequences may be cut otherwise than was foreseen. */
static wkv_status fit(wkv_work *w, const wkv_window *win, wkv_error *err)
{
    size_t scratch = w->scratch.size, tape = w->tape.size;
    if (w->o.per_row == 1)
        return WKV_OK;
    measure(w, win, &scratch, &tape);
    w->bytes += scratch - w->scratch.size + (tape - w->tape.size);
    if (!grow(&w->scratch, scratch) || !grow(&w->tape, tape))
        WKV_FAIL(err, WKV_E_MEMORY,
                 "out of memory for activations of %d sequences (%llu bytes); try a smaller batch "
                 "or ctx",
                 win->n, (unsigned long long)w->bytes);
    return WKV_OK;
}

/* Every row cut into `each` sequences, all but the last of them one token long: with the
 * most sequences, and with the longest, a window is at its largest. */
static void cut_evenly(const wkv_work *w, wkv_window *win, int each)
{
    each = each < w->o.T ? each : w->o.T;
    win->n = 0;
    for (int b = 0; b < w->o.B; b++)
        for (int i = 0; i < each; i++) {
            win->kept[win->n] = -1;
            win->start[win->n++] = b * w->o.T + i;
        }
    win->start[win->n] = w->o.B * w->o.T;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* count * size bytes, zeroed, counted in w->bytes; NULL when out of memory. */
static void *take(wkv_work *w, size_t count, size_t size)
{
    uint64_t bytes;
    if (!wkv_mul_ok(count, size, &bytes))
        return NULL;
    w->bytes += bytes;
    return wkv_calloc(count, size);
}

/* n states behind one another, and the list that points at each. */
static real **take_states(wkv_work *w, size_t n)
{
    uint64_t all, size = state_size(w);
    real **list = take(w, n, sizeof *list);
    real *states = wkv_mul_ok(n, size, &all) ? take(w, (size_t)all, sizeof *states) : NULL;
    if (list == NULL || states == NULL) {
        wkv_free(list);
        wkv_free(states);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        list[i] = states + i * (size_t)size;
    return list;
}

static void free_states(real **list)
{
    if (list != NULL)
        wkv_free(list[0]);
    wkv_free(list);
}

static bool allocate_fixed(wkv_work *w)
{
    const wkv_arch *a = w->cfg->arch;
    size_t B = (size_t)w->o.B, T = (size_t)w->o.T, K = (size_t)w->o.windows;
    size_t most = B * (size_t)w->o.per_row, state = state_size(w);
    w->saved_bytes = a->saved_once + (size_t)w->cfg->layers * a->saved_layer;
    w->window = take(w, K, sizeof *w->window);
    w->loss = take(w, B * T, sizeof *w->loss);
    w->saved = take(w, 1, w->saved_bytes);
    w->state = take_states(w, most);
    if (w->window == NULL || w->loss == NULL || w->saved == NULL || w->state == NULL)
        return false;
    for (size_t j = 0; j < K; j++) {
        if (!wkv_window_init(&w->window[j], w->o.B, w->o.T, (int)most))
            return false;
        w->bytes += wkv_window_bytes(&w->window[j]);
    }
    if (w->o.carry && (w->kept = take(w, (K + 2) * B, state * sizeof(real))) == NULL)
        return false;
    bool start = wkv_state_start_trained(w->cfg, w->weights);
    if ((K > 1 || start) && (w->dstate = take_states(w, most)) == NULL)
        return false;
    if (K > 1 && (w->dkept = take(w, B, state * sizeof(real))) == NULL)
        return false;
    return true;
}

wkv_status wkv_work_init(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, const wkv_work_opts *o, wkv_error *err)
{
    *w = (wkv_work){.dev = dev, .cfg = cfg, .weights = weights, .o = *o};
    size_t scratch = 0, tape = 0;
    bool ok = allocate_fixed(w);
    if (ok) {
        for (int each = 1; each <= o->per_row; each += o->per_row > 1 ? o->per_row - 1 : 1) {
            cut_evenly(w, &w->window[0], each);
            measure(w, &w->window[0], &scratch, &tape);
        }
        w->bytes += scratch + tape;
        ok = allocate_arena(&w->scratch, scratch) && allocate_arena(&w->tape, tape);
    }
    if (!ok)
        WKV_FAIL(
            err, WKV_E_MEMORY,
            "out of memory for activations of %d rows of %d tokens (%llu bytes); try a smaller "
            "batch or ctx",
            o->B, o->T, (unsigned long long)w->bytes);
    return WKV_OK;
}

void wkv_work_deinit(wkv_work *w)
{
    wkv_arena_deinit(&w->scratch);
    wkv_arena_deinit(&w->tape);
    for (int j = 0; w->window != NULL && j < w->o.windows; j++)
        wkv_window_deinit(&w->window[j]);
    wkv_free(w->window);
    wkv_free(w->loss);
    free_states(w->state);
    free_states(w->dstate);
    wkv_free(w->kept);
    wkv_free(w->dkept);
    wkv_free(w->saved);
    *w = (wkv_work){0};
}

/* ---- a step --------------------------------------------------------------------------------- */

wkv_status wkv_work_train(wkv_work *w, double *loss, wkv_error *err)
{
    int K = w->o.windows;
    int64_t learnt = 0;
    double sum = 0;
    for (int j = 0; j < K; j++)
        learnt += w->window[j].learnt;
    for (int j = 0; j < K; j++) {
        WKV_TRY(fit(w, &w->window[j], err));
        if (j + 1 < K) {
            first_states(w, &w->window[j], kept_before(w, j));
            forward(w, &w->window[j], false);
            keep_states(w, &w->window[j], kept_before(w, j + 1));
        }
    }
    for (int j = K - 1; j >= 0; j--) {
        const wkv_window *win = &w->window[j];
        first_states(w, win, w->o.carry ? kept_before(w, j) : NULL);
        if (w->dstate != NULL)
            last_gradients(w, win, j + 1 < K);
        sum += both(w, win, learnt, w->o.carry && j + 1 == K ? kept_before(w, K) : NULL);
        if (w->dstate != NULL)
            first_gradients(w, win);
    }
    *loss = learnt > 0 ? sum / (double)learnt : 0;
    return WKV_OK;
}

void wkv_work_commit(wkv_work *w)
{
    if (w->o.carry)
        memcpy(kept_before(w, 0), kept_before(w, w->o.windows),
               (size_t)w->o.B * state_size(w) * sizeof *w->kept);
}

wkv_status wkv_work_eval(wkv_work *w, double *sum, wkv_error *err)
{
    wkv_window *win = &w->window[0];
    real *kept = w->o.carry ? kept_before(w, w->o.windows + 1) : NULL;
    WKV_TRY(fit(w, win, err));
    first_states(w, win, kept);
    *sum = forward(w, win, true);
    if (kept != NULL)
        keep_states(w, win, kept);
    return WKV_OK;
}

double wkv_work_sequence_loss(const wkv_work *w, const wkv_window *win, int i)
{
    double sum = 0;
    for (int32_t r = win->start[i]; r < win->start[i + 1]; r++)
        sum += w->loss[r];
    return sum;
}
