/* train/feed_items.c - see feed_items.h. */
#include "train/feed_items.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/permute.h"

/* A document whose source ends documents with token 0 begins with that as its first input, so
 * that its first token is learnt as well, as after the end of another document. */
static uint64_t targets_of(const wkv_part *p, uint64_t document, uint64_t *first)
{
    uint64_t n;
    wkv_part_document(p, document, first, &n);
    if (p->data->ended)
        return n;
    *first += 1;
    return n > 0 ? n - 1 : 0;
}

/* ---- opening ------------------------------------------------------------------------------ */

static wkv_status count_pieces(wkv_items *x, int s, wkv_error *err)
{
    const wkv_part *p = &x->mix->part[s];
    uint64_t first, sum = 0, T = (uint64_t)x->o.T;
    if (p->documents < SIZE_MAX)
        x->pieces[s] = wkv_calloc((size_t)p->documents + 1, sizeof *x->pieces[s]);
    if (x->pieces[s] == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory for a list of %llu documents", p->data->path,
                 (unsigned long long)p->documents);
    for (uint64_t i = 0; i < p->documents; i++) {
        x->pieces[s][i] = sum;
        sum += (targets_of(p, i, &first) + T - 1) / T;
    }
    x->pieces[s][p->documents] = sum;
    return WKV_OK;
}

wkv_status wkv_items_init(wkv_items *x, const wkv_feed_opts *o, const wkv_mix *mix, wkv_error *err)
{
    *x = (wkv_items){.o = *o, .mix = mix};
    for (int s = 0; s < mix->n; s++) {
        if (o->kind == WKV_FEED_PACK)
            WKV_TRY(count_pieces(x, s, err));
        if (o->kind == WKV_FEED_STREAM)
            wkv_rows_init(&x->rows[s], o->order, mix->part[s].n, (uint64_t)o->T, (uint64_t)o->B,
                          o->seed);
    }
    return WKV_OK;
}

void wkv_items_deinit(wkv_items *x)
{
    for (int s = 0; s < WKV_SOURCES_MAX; s++)
        wkv_free(x->pieces[s]);
    *x = (wkv_items){0};
}

void wkv_items_rewind(wkv_items *x)
{
    for (int s = 0; s < WKV_SOURCES_MAX; s++)
        x->drawn[s] = x->used[s] = 0;
}

/* ---- items --------------------------------------------------------------------------------- */

/* How many items source s has; training takes them again and again. */
static uint64_t count(const wkv_items *x, int s)
{
    const wkv_part *p = &x->mix->part[s];
    if (x->o.kind == WKV_FEED_STREAM)
        return (p->n - 1) / (uint64_t)x->o.T;
    return x->o.kind == WKV_FEED_PACK ? x->pieces[s][p->documents] : p->documents;
}

/* Which source the next item is of: in order with once, else the one with the fewest tokens
 * for its weight.  -1: none. */
static int next_source(const wkv_items *x)
{
    int best = x->o.once ? -1 : 0;
    for (int s = 0; s < x->mix->n; s++) {
        if (x->o.once && x->drawn[s] < count(x, s))
            return s;
        if (!x->o.once && (wkv_u128)x->used[s] * x->mix->weight[best] <
                              (wkv_u128)x->used[best] * x->mix->weight[s])
            best = s;
    }
    return best;
}

static wkv_segment window_of(const wkv_items *x, int s, uint64_t j)
{
    uint64_t B = (uint64_t)x->o.B;
    uint64_t start = x->o.once ? j * (uint64_t)x->o.T : wkv_rows_start(&x->rows[s], j / B, j % B);
    return (wkv_segment){.part = s, .n = (uint64_t)x->o.T, .first = start + 1, .fresh = true};
}

/* All targets of a document, with the input that leads to the first. */
static wkv_segment whole_document(const wkv_items *x, int s, uint64_t i)
{
    const wkv_part *p = &x->mix->part[s];
    wkv_segment g = {.part = s, .lead = p->data->ended, .fresh = true};
    g.n = targets_of(p, i, &g.first);
    return g;
}

/* The last document with no more than `piece` pieces before it: it has that one. */
static uint64_t document_of(const uint64_t *before, uint64_t documents, uint64_t piece)
{
    uint64_t low = 0, high = documents;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (before[middle] <= piece)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static wkv_segment piece_of(const wkv_items *x, int s, uint64_t piece)
{
    const wkv_part *p = &x->mix->part[s];
    uint64_t T = (uint64_t)x->o.T;
    uint64_t document = document_of(x->pieces[s], p->documents, piece);
    uint64_t done = (piece - x->pieces[s][document]) * T;
    wkv_segment g = whole_document(x, s, document);
    g.first += done;
    g.lead = g.lead && done == 0;
    g.n = g.n - done < T ? g.n - done : T;
    return g;
}

/* The j-th item of source s in the order of training: shuffled anew every time round. */
static uint64_t shuffled(const wkv_items *x, int s, uint64_t j)
{
    uint64_t n = count(x, s), round = j / n;
    if (x->o.once || x->o.order == WKV_ORDER_SEQUENTIAL)
        return j % n;
    uint64_t key = wkv_splitmix64(wkv_splitmix64(x->o.seed ^ (uint64_t)s << 56) ^ round);
    return wkv_permute(j % n, n, key);
}

bool wkv_items_next(wkv_items *x, wkv_segment *out)
{
    int s = next_source(x);
    if (s < 0)
        return false;
    uint64_t j = x->drawn[s]++;
    if (x->o.kind == WKV_FEED_STREAM)
        *out = window_of(x, s, j);
    else if (x->o.kind == WKV_FEED_PACK)
        *out = piece_of(x, s, shuffled(x, s, j));
    else
        *out = whole_document(x, s, shuffled(x, s, j));
    x->used[s] += out->n;
    return true;
}
