/* model/session.c - feeding tokens to a model and reading its logits.
 *
 * Many tokens are fed in pieces of at most PIECE rows: enough for the products to be
 * bound by arithmetic, while the activations stay small.  The head, with V rows often
 * the largest matrix, sees only the rows whose logits somebody reads.
 *
 * Scratch memory is found by running the very same code over an arena that only
 * measures, once for each possible number of rows, so that no op may surprise us. */
#include "model/session_impl.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum {
    PIECE = WKV_SESSION_PIECE,
    HEAD_PIECE = 16 /* rows of logits held at a time while scoring */
};

static wkv_exec exec_of(wkv_session *s)
{
    return (wkv_exec){.dev = s->model->dev,
                      .scratch = s->scratch,
                      .unread = s->counts_unread ? &s->unread : NULL};
}

/* Advances the state over the ids; returns hidden (rows, C), in scratch. */
static real *advance(wkv_session *s, const int32_t *ids, int rows)
{
    const wkv_model *m = s->model;
    const int32_t start[2] = {0, rows};
    real *hidden = wkv_arena_reals(s->scratch, (size_t)rows * (size_t)m->cfg.dim[WKV_DIM_C]);
    wkv_pass pass = {
        .exec = exec_of(s),
        .cfg = &m->cfg,
        .weights = &m->weights,
        .seqs = {.n = 1, .start = start},
        .ids = ids,
        .state = &s->state,
        .hidden = hidden,
    };
    wkv_forward(&pass);
    return hidden;
}

/* Logits (rows, V) of consecutive rows of hidden, in scratch. */
static real *run_head(wkv_session *s, const real *hidden, int rows)
{
    const wkv_model *m = s->model;
    wkv_exec x = exec_of(s);
    real *logits = wkv_arena_reals(s->scratch, (size_t)rows * (size_t)m->cfg.dim[WKV_DIM_V]);
    wkv_head(&x, &m->weights, logits, hidden, rows);
    return logits;
}

void wkv_session_keep_logits(wkv_exec *x, wkv_session *s, const real *logits)
{
    if (wkv_exec_measuring(x))
        return;
    x->dev->to_f32(x, s->logits, logits, (size_t)s->model->cfg.dim[WKV_DIM_V]);
    s->has_logits = true;
}

static void keep_logits(wkv_session *s, const real *logits)
{
    wkv_exec x = exec_of(s);
    wkv_session_keep_logits(&x, s, logits);
}

/* logprob[r] = log softmax(logits row r)[target[r]]. */
static void write_logprob(wkv_session *s, double *logprob, real *logits, const int32_t *target,
                          int rows)
{
    wkv_exec x = exec_of(s);
    x.dev->softmax_ce(&x, logprob, logits, target, rows, s->model->cfg.dim[WKV_DIM_V], 0, 0);
    if (wkv_exec_measuring(&x))
        return;
    for (int r = 0; r < rows; r++)
        logprob[r] = -logprob[r];
}

/* ---- pieces: everything that takes scratch ---------------------------------------- */

/* Keeps the logits of the last of the rows. */
static void keep_last(wkv_session *s, const real *hidden, int rows)
{
    size_t mark = wkv_arena_mark(s->scratch);
    const size_t C = (size_t)s->model->cfg.dim[WKV_DIM_C];
    keep_logits(s, run_head(s, hidden + (size_t)(rows - 1) * C, 1));
    wkv_arena_reset(s->scratch, mark);
}

static void feed_piece(wkv_session *s, const int32_t *ids, int rows, bool last)
{
    size_t mark = wkv_arena_mark(s->scratch);
    const real *hidden = advance(s, ids, rows);
    if (last)
        keep_last(s, hidden, rows);
    wkv_arena_reset(s->scratch, mark);
}

/* Writes logprob[i] for the target of each row: the token after it.  The last row of all
 * has no target; its logits are kept. */
static void score_rows(wkv_session *s, const real *hidden, const int32_t *ids, int rows, bool last,
                       double *logprob)
{
    const size_t C = (size_t)s->model->cfg.dim[WKV_DIM_C];
    const size_t V = (size_t)s->model->cfg.dim[WKV_DIM_V];
    for (int r = 0; r < rows; r += HEAD_PIECE) {
        size_t mark = wkv_arena_mark(s->scratch);
        int n = rows - r < HEAD_PIECE ? rows - r : HEAD_PIECE;
        real *logits = run_head(s, hidden + (size_t)r * C, n);
        if (last && r + n == rows)
            keep_logits(s, logits + (size_t)--n * V);
        if (n > 0)
            write_logprob(s, logprob + r, logits, ids + r + 1, n);
        wkv_arena_reset(s->scratch, mark);
    }
}

static void score_piece(wkv_session *s, const int32_t *ids, int rows, bool last, double *logprob)
{
    size_t mark = wkv_arena_mark(s->scratch);
    score_rows(s, advance(s, ids, rows), ids, rows, last, logprob);
    wkv_arena_reset(s->scratch, mark);
}

/* Whom feed_each tells. */
typedef struct listener {
    void (*each)(void *user, size_t i, const float *logits);
    void *user;
} listener;

/* `first`: the index of the piece's first token. */
static void tell_piece(wkv_session *s, const int32_t *ids, int rows, size_t first,
                       const listener *l)
{
    const size_t C = (size_t)s->model->cfg.dim[WKV_DIM_C], V = (size_t)s->model->cfg.dim[WKV_DIM_V];
    const size_t mark = wkv_arena_mark(s->scratch);
    const real *hidden = advance(s, ids, rows);
    for (int r = 0; r < rows; r += HEAD_PIECE) {
        const size_t at_logits = wkv_arena_mark(s->scratch);
        const int n = rows - r < HEAD_PIECE ? rows - r : HEAD_PIECE;
        const real *logits = run_head(s, hidden + (size_t)r * C, n);
        for (int i = 0; i < n; i++) {
            keep_logits(s, logits + (size_t)i * V);
            l->each(l->user, first + (size_t)(r + i), s->logits);
        }
        wkv_arena_reset(s->scratch, at_logits);
    }
    wkv_arena_reset(s->scratch, mark);
}

/* The first token of a scored text is weighed by the logits of an earlier feed. */
static void score_first(wkv_session *s, int32_t id, double *logprob)
{
    wkv_exec x = exec_of(s);
    size_t mark = wkv_arena_mark(s->scratch);
    const int V = s->model->cfg.dim[WKV_DIM_V];
    real *logits = wkv_arena_reals(s->scratch, (size_t)V);
    if (!wkv_exec_measuring(&x))
        for (int i = 0; i < V; i++)
            logits[i] = s->logits[i];
    write_logprob(s, logprob, logits, &id, 1);
    wkv_arena_reset(s->scratch, mark);
}

void wkv_session_measure(wkv_arena *scratch, const wkv_model *m)
{
    const int32_t ids[PIECE] = {0};
    wkv_session s = {.model = m, .scratch = scratch};
    for (int rows = 1; rows <= PIECE; rows++)
        feed_piece(&s, ids, rows, true);
}

static size_t measure_scratch(wkv_session *s)
{
    const int32_t ids[PIECE + 1] = {0};
    double logprob[PIECE];
    wkv_arena_measure(&s->own);
    /* Feeding and scoring differ behind the layers only, which are gone through once for both. */
    for (int rows = 1; rows <= PIECE; rows++) {
        size_t mark = wkv_arena_mark(s->scratch);
        const real *hidden = advance(s, ids, rows);
        keep_last(s, hidden, rows);
        score_rows(s, hidden, ids, rows, false, logprob);
        wkv_arena_reset(s->scratch, mark);
    }
    score_first(s, 0, logprob);
    return s->own.peak;
}

/* ---- the interface ------------------------------------------------------------------ */

static wkv_status allocate(wkv_session *s, wkv_error *err)
{
    const wkv_config *cfg = &s->model->cfg;
    s->state_size = cfg->arch->state_size(cfg);
    s->state = wkv_malloc_aligned(s->state_size * sizeof *s->state);
    if (s->state != NULL) /* some megabytes that every token reads and writes */
        wkv_prefer_large_pages(s->state, s->state_size * sizeof *s->state);
    s->logits = wkv_malloc_aligned((size_t)cfg->dim[WKV_DIM_V] * sizeof *s->logits);
    size_t scratch = s->bare ? 0 : measure_scratch(s);
    if (s->state == NULL || s->logits == NULL || (!s->bare && !wkv_arena_init(&s->own, scratch)))
        WKV_FAIL(err, WKV_E_MEMORY,
                 "out of memory for a session (%zu bytes of state, %zu of scratch)",
                 s->state_size * sizeof *s->state, scratch);
    return WKV_OK;
}

static wkv_status open_session(wkv_session **out, const wkv_model *m, bool bare, wkv_error *err)
{
    *out = NULL;
    wkv_session *s = wkv_calloc(1, sizeof *s);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a session");
    s->model = m;
    s->bare = bare;
    s->scratch = &s->own;
    wkv_status status = allocate(s, err);
    if (status != WKV_OK) {
        wkv_session_close(&s);
        return status;
    }
    wkv_session_reset(s);
    *out = s;
    return WKV_OK;
}

wkv_status wkv_session_open(wkv_session **out, const wkv_model *m, wkv_error *err)
{
    return open_session(out, m, false, err);
}

wkv_status wkv_session_open_bare(wkv_session **out, const wkv_model *m, wkv_error *err)
{
    return open_session(out, m, true, err);
}

void wkv_session_close(wkv_session **ps)
{
    wkv_session *s = *ps;
    *ps = NULL;
    if (s == NULL)
        return;
    wkv_arena_deinit(&s->own);
    wkv_free_aligned(s->logits);
    wkv_free_aligned(s->state);
    wkv_free(s);
}

wkv_status wkv_session_check(const wkv_session *s, const int32_t *tokens, size_t n)
{
    if (n == 0)
        return WKV_E_ARGUMENT;
    const uint64_t longest = (uint64_t)wkv_config_max_length(&s->model->cfg);
    if (longest > 0 && (s->position > longest || n > longest - s->position))
        return WKV_E_LIMIT;
    const int32_t V = s->model->cfg.dim[WKV_DIM_V];
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= V)
            return WKV_E_TOKEN;
    return WKV_OK;
}

void wkv_session_advance(wkv_session *s, wkv_arena *scratch, const int32_t *tokens, size_t n,
                         bool last)
{
    s->scratch = scratch;
    for (size_t i = 0; i < n; i += PIECE) {
        int rows = n - i < PIECE ? (int)(n - i) : PIECE;
        feed_piece(s, tokens + i, rows, last && i + PIECE >= n);
    }
    s->scratch = &s->own;
}

wkv_status wkv_session_feed(wkv_session *s, const int32_t *tokens, size_t n)
{
    if (s->bare)
        return WKV_E_STATE;
    WKV_TRY(wkv_session_check(s, tokens, n));
    wkv_session_advance(s, &s->own, tokens, n, true);
    s->position += n;
    return WKV_OK;
}

wkv_status wkv_session_score(wkv_session *s, const int32_t *tokens, size_t n, double *logprob)
{
    if (s->bare)
        return WKV_E_STATE;
    WKV_TRY(wkv_session_check(s, tokens, n));
    if (s->has_logits)
        score_first(s, tokens[0], logprob);
    else
        logprob[0] = (double)NAN;
    for (size_t i = 0; i < n; i += PIECE) {
        int rows = n - i < PIECE ? (int)(n - i) : PIECE;
        score_piece(s, tokens + i, rows, i + PIECE >= n, logprob + i + 1);
    }
    s->position += n;
    return WKV_OK;
}

wkv_status wkv_session_feed_each(wkv_session *s, const int32_t *tokens, size_t n,
                                 void (*each)(void *user, size_t i, const float *logits),
                                 void *user)
{
    const listener l = {each, user};
    if (s->bare)
        return WKV_E_STATE;
    WKV_TRY(wkv_session_check(s, tokens, n));
    for (size_t i = 0; i < n; i += PIECE)
        tell_piece(s, tokens + i, n - i < PIECE ? (int)(n - i) : PIECE, i, &l);
    s->position += n;
    return WKV_OK;
}

const float *wkv_session_logits(const wkv_session *s)
{
    return s->has_logits ? s->logits : NULL;
}

uint64_t wkv_session_position(const wkv_session *s)
{
    return s->position;
}

void wkv_session_reset(wkv_session *s)
{
    wkv_state_start(&s->model->cfg, &s->model->weights, s->state);
    s->position = 0;
    s->has_logits = false;
}

wkv_status wkv_session_copy(wkv_session *to, const wkv_session *from)
{
    if (to->model != from->model)
        return WKV_E_ARGUMENT;
    if (to == from)
        return WKV_OK;
    memcpy(to->state, from->state, from->state_size * sizeof *from->state);
    if (from->has_logits)
        memcpy(to->logits, from->logits,
               (size_t)from->model->cfg.dim[WKV_DIM_V] * sizeof *from->logits);
    to->has_logits = from->has_logits;
    to->position = from->position;
    return WKV_OK;
}
