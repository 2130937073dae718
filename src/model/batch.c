/* model/batch.c - many sequences through one forward.
 *
 * Every sequence is cut into pieces as if it were alone.  Pieces of a few rows, which are
 * nearly all when text is generated, share a pass with those of other sequences: products
 * then take row by row, so that a row's bits are those it gets alone, but read each weight
 * once for all.  Longer pieces keep the processor busy by themselves and go alone.
 *
 * An item is always finished before the next one's long pieces are looked at, so that
 * nothing has to be remembered about items that wait, however many there are. */
#include <string.h>
#include <wkv/batch.h>

#include "base/mem.h"
#include "model/session_impl.h"

enum { MAX_WIDTH = 256 };

struct wkv_batch {
    const wkv_model *model;
    int width;
    wkv_arena scratch;
    /* The pass being gathered. */
    int n;
    wkv_session *session[MAX_WIDTH];
    real *state[MAX_WIDTH];
    int32_t start[MAX_WIDTH + 1];
    int32_t ids[MAX_WIDTH * WKV_FEW_ROWS];
};

/* ---- a pass ------------------------------------------------------------------------ */

/* The last row of each sequence, (n, C), in scratch. */
static real *last_rows(wkv_batch *b, wkv_exec *x, const real *hidden)
{
    const size_t C = (size_t)b->model->cfg.dim[WKV_DIM_C];
    real *last = wkv_arena_reals(&b->scratch, (size_t)b->n * C);
    for (int i = 0; i < b->n; i++)
        x->dev->copy(x, last + (size_t)i * C, hidden + (size_t)(b->start[i + 1] - 1) * C, C);
    return last;
}

/* Advances the gathered sequences and leaves each its logits.  Rows do not see each other. */
static void run(wkv_batch *b)
{
    const wkv_model *m = b->model;
    const size_t C = (size_t)m->cfg.dim[WKV_DIM_C], V = (size_t)m->cfg.dim[WKV_DIM_V];
    const size_t mark = wkv_arena_mark(&b->scratch);
    wkv_exec x = {.dev = m->dev, .scratch = &b->scratch, .row_by_row = true};
    wkv_pass pass = {
        .exec = x,
        .cfg = &m->cfg,
        .weights = &m->weights,
        .seqs = {.n = b->n, .start = b->start},
        .ids = b->ids,
        .state = b->state,
        .hidden = wkv_arena_reals(&b->scratch, (size_t)b->start[b->n] * C),
    };
    wkv_forward(&pass);
    const real *last = last_rows(b, &x, pass.hidden);
    real *logits = wkv_arena_reals(&b->scratch, (size_t)b->n * V);
    wkv_head(&x, &m->weights, logits, last, b->n);
    for (int i = 0; i < b->n; i++)
        wkv_session_keep_logits(&x, b->session[i], logits + (size_t)i * V);
    wkv_arena_reset(&b->scratch, mark);
}

static void flush(wkv_batch *b)
{
    if (b->n > 0)
        run(b);
    b->n = 0;
}

static void gather(wkv_batch *b, wkv_session *s, const int32_t *ids, int rows)
{
    if (b->n == b->width)
        flush(b);
    const int32_t at = b->start[b->n];
    memcpy(b->ids + at, ids, (size_t)rows * sizeof *ids);
    b->session[b->n] = s;
    b->state[b->n] = s->state;
    b->start[++b->n] = at + rows;
}

/* ---- opening ------------------------------------------------------------------------- */

/* As many passes as there can be numbers of rows, each with as many sequences as it can
 * have. */
static size_t measure_scratch(wkv_batch *b)
{
    wkv_arena_measure(&b->scratch);
    for (int rows = 1; rows <= b->width * WKV_FEW_ROWS; rows++) {
        b->n = rows < b->width ? rows : b->width;
        for (int i = 0; i <= b->n; i++)
            b->start[i] = (int32_t)((int64_t)rows * i / b->n);
        run(b);
    }
    b->n = 0;
    wkv_session_measure(&b->scratch, b->model);
    return b->scratch.peak;
}

wkv_status wkv_batch_open(wkv_batch **out, const wkv_model *m, int32_t width, wkv_error *err)
{
    *out = NULL;
    if (width < 1 || width > MAX_WIDTH)
        WKV_FAIL(err, WKV_E_ARGUMENT, "width of a batch: expected 1 to %d, found %d", MAX_WIDTH,
                 (int)width);
    wkv_batch *b = wkv_calloc(1, sizeof *b);
    if (b == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a batch");
    b->model = m;
    b->width = width;
    const size_t scratch = measure_scratch(b);
    if (!wkv_arena_init(&b->scratch, scratch)) {
        wkv_batch_close(&b);
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a batch of %d (%zu bytes)", (int)width,
                 scratch);
    }
    *out = b;
    return WKV_OK;
}

void wkv_batch_close(wkv_batch **b)
{
    if (*b != NULL)
        wkv_arena_deinit(&(*b)->scratch);
    wkv_free(*b);
    *b = NULL;
}

wkv_status wkv_batch_session_open(wkv_session **out, const wkv_batch *b, wkv_error *err)
{
    return wkv_session_open_bare(out, b->model, err);
}

/* ---- feeding ------------------------------------------------------------------------- */

/* A good item's session is marked, so that one that comes twice is found however many there are. */
static wkv_status check_item(const wkv_batch *b, const wkv_batch_item *item)
{
    if (item->session->model != b->model || item->session->listed)
        return WKV_E_ARGUMENT;
    WKV_TRY(wkv_session_check(item->session, item->tokens, item->n));
    item->session->listed = true;
    return WKV_OK;
}

/* *good: how many items are, from the first on. */
static wkv_status check_items(size_t *good, const wkv_batch *b, const wkv_batch_item *items,
                              size_t n)
{
    wkv_status status = WKV_OK;
    size_t i = 0;
    while (i < n && (status = check_item(b, &items[i])) == WKV_OK)
        i++;
    for (size_t j = 0; j < i; j++)
        items[j].session->listed = false;
    *good = i;
    return status;
}

wkv_status wkv_batch_feed(wkv_batch *b, const wkv_batch_item *items, size_t n_items, size_t *bad)
{
    if (n_items == 0)
        return WKV_E_ARGUMENT;
    size_t good;
    const wkv_status status = check_items(&good, b, items, n_items);
    if (status != WKV_OK) {
        if (bad != NULL)
            *bad = good;
        return status;
    }
    for (size_t i = 0; i < n_items; i++) {
        const wkv_batch_item *item = &items[i];
        const size_t rest = item->n % WKV_SESSION_PIECE;
        const size_t few = rest <= WKV_FEW_ROWS ? rest : 0, alone = item->n - few;
        if (alone > 0)
            wkv_session_advance(item->session, &b->scratch, item->tokens, alone, few == 0);
        if (few > 0)
            gather(b, item->session, item->tokens + alone, (int)few);
        item->session->position += item->n;
    }
    flush(b);
    return WKV_OK;
}
