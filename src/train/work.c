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

/* The row of the step in which sequence i of the piece lies. */
static int row_of(const wkv_work *w, const wkv_window *win, int i)
{
    return w->first + win->start[i] / w->o.T;
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
    memset(w->dkept + (size_t)w->first * n, 0, (size_t)win->B * n * sizeof *w->dkept);
    for (int i = 0; i < win->n; i++)
        if (win->kept[i] >= 0)
            memcpy(w->dkept + (size_t)win->kept[i] * n, w->dstate[i], n * sizeof *w->dkept);
}

/* ---- passes ----------------------------------------------------------------------------- */

static size_t hidden_size(const wkv_work *w, const wkv_window *win)
{
    return (size_t)win->B * (size_t)win->T * (size_t)w->cfg->dim[WKV_DIM_C];
}

/* The part of a window that is rows [first, first + piece); its sequences are all of those that
 * lie in these rows. */
static wkv_window take_piece(wkv_work *w, const wkv_window *win, int first)
{
    wkv_window p = *win;
    size_t at = (size_t)first * (size_t)win->T;
    int begin = 0, from = first * win->T;
    p.B = win->B - first < w->o.piece ? win->B - first : w->o.piece;
    while (begin < win->n && win->start[begin] < from)
        begin++;
    p.n = 0;
    while (begin + p.n < win->n && win->start[begin + p.n] < from + p.B * win->T) {
        w->start[p.n] = win->start[begin + p.n] - from;
        p.n++;
    }
    w->start[p.n] = p.B * win->T;
    p.start = w->start;
    p.kept = win->kept + begin;
    p.ids = win->ids + at;
    p.targets = win->targets + at;
    w->first = first;
    return p;
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
        .recompute = w->o.recompute,
    };
}

/* Where the losses of a piece go. */
static double *losses(const wkv_work *w)
{
    return w->loss + (size_t)w->first * (size_t)w->o.T;
}

/* Forward; losses into w->loss and added to *sum, where it is not NULL. */
static void forward(wkv_work *w, const wkv_window *win, double *sum)
{
    wkv_pass p = begin(w, win);
    p.hidden = wkv_arena_reals(&w->scratch, hidden_size(w, win));
    wkv_forward(&p);
    if (sum != NULL)
        wkv_loss_sum(&p.exec, w->cfg, w->weights, p.hidden, win->targets, win->B * win->T,
                     losses(w), sum);
}

/* Forward, loss and backward; the gradients are those of the sum over `learnt` targets
 * divided by their number.  leave: where the last states go between the two, or NULL. */
static void both(wkv_work *w, const wkv_window *win, int64_t learnt, real *leave, double *sum)
{
    wkv_pass p = begin(w, win);
    real *dhidden = wkv_arena_reals(&w->tape, hidden_size(w, win));
    p.hidden = wkv_arena_reals(&w->tape, hidden_size(w, win));
    p.dhidden = dhidden;
    p.tape = &w->tape;
    p.wide = w->o.bf16 && w->o.recompute != WKV_RECOMPUTE_FULL ? &w->wide : NULL;
    p.saved = memset(w->saved, 0, w->saved_bytes);
    p.dstate = w->dstate;
    wkv_forward(&p);
    if (leave != NULL)
        keep_states(w, win, leave);
    wkv_loss_grad(&p.exec, w->cfg, w->weights, dhidden, p.hidden, win->targets, win->B * win->T,
                  learnt, losses(w), sum);
    wkv_backward(&p);
}

/* ---- memory of the arenas ------------------------------------------------------------------ */

static bool allocate_arena(wkv_arena *a, size_t bytes)
{
    if (!wkv_arena_init(a, bytes))
        return false;
    wkv_prefer_large_pages(a->base, bytes);
    return true;
}

static void raise(uint64_t *bytes, const wkv_arena *a)
{
    if (a->peak > *bytes)
        *bytes = a->peak;
}

/* Raises the arenas' sizes to what passes over a piece need: forward and backward, or forward
 * without a tape. */
static void measure(wkv_work *w, const wkv_window *win, bool backward)
{
    double sum = 0;
    wkv_arena held_scratch = w->scratch, held_tape = w->tape, held_wide = w->wide;
    wkv_arena_measure(&w->scratch);
    wkv_arena_measure(&w->tape);
    wkv_arena_measure(&w->wide);
    if (backward)
        both(w, win, 1, NULL, &sum);
    else
        forward(w, win, &sum);
    raise(&w->scratch_bytes, &w->scratch);
    raise(&w->tape_bytes, &w->tape);
    raise(&w->wide_bytes, &w->wide);
    w->scratch = held_scratch;
    w->tape = held_tape;
    w->wide = held_wide;
}

static bool grow(wkv_arena *a, uint64_t size)
{
    if (size <= a->size)
        return true;
    wkv_arena_deinit(a);
    return allocate_arena(a, size);
}

static wkv_status out_of_memory(const wkv_work *w, wkv_error *err)
{
    uint64_t bytes = w->scratch_bytes + w->tape_bytes + w->wide_bytes + w->other_bytes;
    WKV_FAIL(err, WKV_E_MEMORY,
             "out of memory for activations of %d rows of %d tokens (%llu bytes); try recompute "
             "full, a smaller micro-batch, or a smaller batch or ctx",
             w->o.piece, w->o.T, (unsigned long long)bytes);
}

/* Makes room for a piece, whose sequences may be cut otherwise than was foreseen. */
static wkv_status fit(wkv_work *w, const wkv_window *win, bool backward, wkv_error *err)
{
    if (w->o.per_row == 1 && (backward || w->o.validates))
        return WKV_OK;
    measure(w, win, backward);
    if (w->o.windows > 1)
        measure(w, win, false);
    if (!grow(&w->scratch, w->scratch_bytes) || !grow(&w->tape, w->tape_bytes) ||
        !grow(&w->wide, w->wide_bytes))
        return out_of_memory(w, err);
    return WKV_OK;
}

/* The first piece, every row of it cut into `each` sequences, all but the last of them one token
 * long: with the most sequences, and with the longest, a window is at its largest. */
static void cut_evenly(const wkv_work *w, wkv_window *win, int each)
{
    each = each < w->o.T ? each : w->o.T;
    win->n = 0;
    win->B = w->o.piece;
    for (int b = 0; b < win->B; b++)
        for (int i = 0; i < each; i++) {
            win->kept[win->n] = -1;
            win->start[win->n++] = b * w->o.T + i;
        }
    win->start[win->n] = win->B * w->o.T;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* count * size bytes, zeroed, counted in w->other_bytes; NULL when out of memory. */
static void *take(wkv_work *w, size_t count, size_t size)
{
    uint64_t bytes;
    if (!wkv_mul_ok(count, size, &bytes))
        return NULL;
    w->other_bytes += bytes;
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
    size_t most = (size_t)w->o.piece * (size_t)w->o.per_row, state = state_size(w);
    w->saved_bytes = a->saved_once + (size_t)w->cfg->layers * a->saved_layer;
    w->window = take(w, K, sizeof *w->window);
    w->start = take(w, most + 1, sizeof *w->start);
    w->loss = take(w, B * T, sizeof *w->loss);
    w->sum = take(w, K, sizeof *w->sum);
    w->saved = take(w, 1, w->saved_bytes);
    w->state = take_states(w, most);
    if (w->window == NULL || w->start == NULL || w->loss == NULL || w->sum == NULL ||
        w->saved == NULL || w->state == NULL)
        return false;
    for (size_t j = 0; j < K; j++) {
        if (!wkv_window_init(&w->window[j], w->o.B, w->o.T, w->o.B * w->o.per_row))
            return false;
        w->other_bytes += wkv_window_bytes(&w->window[j]);
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

wkv_status wkv_work_plan(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, const wkv_work_opts *o, wkv_error *err)
{
    *w = (wkv_work){.dev = dev, .cfg = cfg, .weights = weights, .o = *o};
    if (!allocate_fixed(w))
        return out_of_memory(w, err);
    wkv_window win = w->window[0];
    for (int each = 1; each <= o->per_row; each += o->per_row > 1 ? o->per_row - 1 : 1) {
        cut_evenly(w, &win, each);
        measure(w, &win, true);
        if (o->validates || o->windows > 1)
            measure(w, &win, false);
    }
    return WKV_OK;
}

wkv_status wkv_work_allocate(wkv_work *w, wkv_error *err)
{
    if (!allocate_arena(&w->scratch, w->scratch_bytes) ||
        !allocate_arena(&w->tape, w->tape_bytes) || !allocate_arena(&w->wide, w->wide_bytes))
        return out_of_memory(w, err);
    return WKV_OK;
}

void wkv_work_deinit(wkv_work *w)
{
    wkv_arena_deinit(&w->scratch);
    wkv_arena_deinit(&w->tape);
    wkv_arena_deinit(&w->wide);
    for (int j = 0; w->window != NULL && j < w->o.windows; j++)
        wkv_window_deinit(&w->window[j]);
    wkv_free(w->window);
    wkv_free(w->start);
    wkv_free(w->loss);
    wkv_free(w->sum);
    free_states(w->state);
    free_states(w->dstate);
    wkv_free(w->kept);
    wkv_free(w->dkept);
    wkv_free(w->saved);
    *w = (wkv_work){0};
}

/* ---- a step --------------------------------------------------------------------------------- */

/* Forward and backward of the rows from `first` on, through all windows. */
static wkv_status train_piece(wkv_work *w, int first, int64_t learnt, wkv_error *err)
{
    int K = w->o.windows;
    for (int j = 0; j < K; j++) {
        wkv_window win = take_piece(w, &w->window[j], first);
        WKV_TRY(fit(w, &win, true, err));
        if (j + 1 < K) {
            first_states(w, &win, kept_before(w, j));
            forward(w, &win, NULL);
            keep_states(w, &win, kept_before(w, j + 1));
        }
    }
    for (int j = K - 1; j >= 0; j--) {
        wkv_window win = take_piece(w, &w->window[j], first);
        first_states(w, &win, w->o.carry ? kept_before(w, j) : NULL);
        if (w->dstate != NULL)
            last_gradients(w, &win, j + 1 < K);
        real *leave = w->o.carry && j + 1 == K ? kept_before(w, K) : NULL;
        both(w, &win, learnt, leave, &w->sum[j]);
        if (w->dstate != NULL)
            first_gradients(w, &win);
    }
    return WKV_OK;
}

wkv_status wkv_work_train(wkv_work *w, double *loss, wkv_error *err)
{
    int K = w->o.windows;
    int64_t learnt = 0;
    double sum = 0;
    for (int j = 0; j < K; j++) {
        learnt += w->window[j].learnt;
        w->sum[j] = 0;
    }
    for (int first = 0; first < w->o.B; first += w->o.piece)
        WKV_TRY(train_piece(w, first, learnt, err));
    for (int j = K - 1; j >= 0; j--)
        sum += w->sum[j];
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
    real *kept = w->o.carry ? kept_before(w, w->o.windows + 1) : NULL;
    *sum = 0;
    for (int first = 0; first < w->o.B; first += w->o.piece) {
        wkv_window win = take_piece(w, &w->window[0], first);
        WKV_TRY(fit(w, &win, false, err));
        first_states(w, &win, kept);
        forward(w, &win, sum);
        if (kept != NULL)
            keep_states(w, &win, kept);
    }
    return WKV_OK;
}
