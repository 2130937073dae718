/* train/feed.c - see feed.h.  Planning, which says what a window is made of, is apart from
 * reading: a run that goes on only plans. */
#include "train/feed.h"

#include "base/mem.h"
#include "train/feed_items.h"

enum { POOL = 256 }; /* pieces among which the next row finds what fills it */

struct wkv_feed {
    wkv_items items;
    uint64_t position; /* windows given out */
    wkv_segment *plan; /* of one window: B rows with room for per_row segments each */
    int *planned;      /* segments of each row */
    int per_row;
    wkv_segment *rest; /* CARRY: what each row has still to read of its document */
    wkv_segment pool[POOL];
    int pooled;
    int32_t *row; /* T + 1 ids */
};

int wkv_feed_per_row(wkv_feed_kind kind, int T)
{
    return kind == WKV_FEED_STREAM ? 1 : 2 + T / WKV_ROW_SHARE; /* the last may be padding */
}

/* ---- opening ----------------------------------------------------------------------------- */

wkv_status wkv_feed_check(const wkv_feed_opts *o, const wkv_part *p, const char *what,
                          wkv_error *err)
{
    if (o->kind == WKV_FEED_STREAM && p->n < (uint64_t)o->T + 1)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: %llu tokens %s, but ctx %d needs at least %d; lower ctx or give more data",
                 p->data->path, (unsigned long long)p->n, what, o->T, o->T + 1);
    uint64_t first, n = 0;
    for (uint64_t i = 0; i < p->documents && n < 2 && o->kind != WKV_FEED_STREAM; i++)
        wkv_part_document(p, i, &first, &n);
    if (n < 2 && o->kind != WKV_FEED_STREAM)
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: no document of two tokens or more %s", p->data->path,
                 what);
    return WKV_OK;
}

wkv_status wkv_feed_open(wkv_feed **out, const wkv_feed_opts *o, const wkv_mix *mix, wkv_error *err)
{
    wkv_feed *f = wkv_calloc(1, sizeof *f);
    wkv_status s = f != NULL ? wkv_items_init(&f->items, o, mix, err) : WKV_E_MEMORY;
    if (s == WKV_OK) {
        size_t B = (size_t)o->B;
        f->per_row = wkv_feed_per_row(o->kind, o->T);
        f->plan = wkv_calloc(B * (size_t)f->per_row, sizeof *f->plan);
        f->planned = wkv_calloc(B, sizeof *f->planned);
        f->rest = wkv_calloc(B, sizeof *f->rest);
        f->row = wkv_calloc((size_t)o->T + 1, sizeof *f->row);
        if (f->plan == NULL || f->planned == NULL || f->rest == NULL || f->row == NULL)
            s = WKV_E_MEMORY;
    }
    if (s == WKV_E_MEMORY)
        WKV_SET(err, s, "out of memory for the order of the data");
    if (s != WKV_OK)
        wkv_feed_close(&f);
    *out = f;
    return s;
}

void wkv_feed_close(wkv_feed **pf)
{
    wkv_feed *f = *pf;
    if (f == NULL)
        return;
    wkv_items_deinit(&f->items);
    wkv_free(f->plan);
    wkv_free(f->planned);
    wkv_free(f->rest);
    wkv_free(f->row);
    wkv_free(f);
    *pf = NULL;
}

bool wkv_feed_magic(const wkv_feed *f)
{
    bool magic = f->items.o.kind == WKV_FEED_STREAM;
    for (int s = 0; s < f->items.mix->n; s++)
        magic = magic && f->items.rows[s].prime != 0;
    return magic;
}

/* ---- planning ------------------------------------------------------------------------------ */

static void add(wkv_feed *f, int b, wkv_segment g)
{
    f->plan[b * f->per_row + f->planned[b]++] = g;
}

/* The first n targets of *g; the rest stays in it. */
static wkv_segment take(wkv_segment *g, uint64_t n)
{
    wkv_segment head = *g;
    head.n = n;
    g->n -= n;
    g->first += n;
    g->lead = g->fresh = false;
    return head;
}

/* From the pool, oldest first, what still fits.  Returns how many tokens stay free. */
static uint64_t pack_row(wkv_feed *f, int b, uint64_t left)
{
    while (f->pooled < POOL && wkv_items_next(&f->items, &f->pool[f->pooled]))
        f->pooled++;
    int stay = 0;
    for (int i = 0; i < f->pooled; i++) {
        wkv_segment g = f->pool[i];
        if (g.n > left || f->planned[b] == f->per_row - 1) {
            f->pool[stay++] = g;
            continue;
        }
        add(f, b, g);
        left -= g.n;
    }
    f->pooled = stay;
    return left;
}

static uint64_t carry_row(wkv_feed *f, int b, uint64_t left)
{
    wkv_segment *rest = &f->rest[b];
    while (left > 0 && f->planned[b] < f->per_row - 1) {
        if (rest->n == 0 && !wkv_items_next(&f->items, rest))
            break;
        uint64_t n = rest->n < left ? rest->n : left;
        if (n > 0)
            add(f, b, take(rest, n));
        left -= n;
    }
    return left;
}

static uint64_t stream_row(wkv_feed *f, int b, uint64_t left)
{
    wkv_segment g;
    if (!wkv_items_next(&f->items, &g))
        return left;
    add(f, b, g);
    return 0;
}

/* Plans one window; false when there is nothing left to plan. */
static bool plan(wkv_feed *f)
{
    static uint64_t (*const row[])(wkv_feed *, int, uint64_t) = {
        [WKV_FEED_STREAM] = stream_row, [WKV_FEED_PACK] = pack_row, [WKV_FEED_CARRY] = carry_row};
    bool any = false;
    for (int b = 0; b < f->items.o.B; b++) {
        f->planned[b] = 0;
        uint64_t left = row[f->items.o.kind](f, b, (uint64_t)f->items.o.T);
        any = any || f->planned[b] > 0;
        if (left > 0)
            add(f, b, (wkv_segment){.part = -1, .n = left, .fresh = true});
    }
    f->position++;
    return any;
}

uint64_t wkv_feed_position(const wkv_feed *f)
{
    return f->position;
}

void wkv_feed_seek(wkv_feed *f, uint64_t windows)
{
    const wkv_feed_opts *o = &f->items.o;
    wkv_items_rewind(&f->items);
    for (int b = 0; b < o->B; b++)
        f->rest[b] = (wkv_segment){0};
    f->pooled = 0;
    f->position = 0;
    if (o->kind == WKV_FEED_STREAM && f->items.mix->n == 1) { /* no need to count */
        f->items.drawn[0] = windows * (uint64_t)o->B;
        f->items.used[0] = f->items.drawn[0] * (uint64_t)o->T;
        f->position = windows;
    }
    while (f->position < windows)
        plan(f);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The inputs and targets of a segment, to place `at` of the window. */
static wkv_status read_segment(wkv_feed *f, wkv_window *w, const wkv_segment *g, size_t at,
                               wkv_error *err)
{
    size_t n = (size_t)g->n;
    int32_t *ids = w->ids + at, *targets = w->targets + at;
    if (g->part < 0) {
        for (size_t i = 0; i < n; i++) {
            ids[i] = 0;
            targets[i] = -1;
        }
        return WKV_OK;
    }
    const wkv_part *p = &f->items.mix->part[g->part];
    size_t before = g->lead ? 0 : 1;
    f->row[0] = 0;
    WKV_TRY(wkv_part_read(p, g->first - before, n + before, f->items.o.vocab, f->row + 1 - before,
                          err));
    for (size_t i = 0; i < n; i++) {
        ids[i] = f->row[i];
        targets[i] = f->row[i + 1];
    }
    wkv_part_mask(p, g->first, n, targets);
    for (size_t i = 0; i < n; i++)
        w->learnt += targets[i] >= 0;
    return WKV_OK;
}

wkv_status wkv_feed_next(wkv_feed *f, wkv_window *w, bool *more, wkv_error *err)
{
    size_t at = 0;
    w->n = 0;
    w->learnt = 0;
    *more = plan(f);
    for (int b = 0; b < f->items.o.B && *more; b++) {
        for (int i = 0; i < f->planned[b]; i++) {
            const wkv_segment *g = &f->plan[b * f->per_row + i];
            WKV_TRY(read_segment(f, w, g, at, err));
            w->start[w->n] = (int32_t)at;
            w->kept[w->n++] = g->fresh ? -1 : b;
            at += (size_t)g->n;
        }
    }
    w->start[w->n] = (int32_t)at;
    return WKV_OK;
}
