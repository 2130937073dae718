/* train/prep_text.c - see prep.h.
 *
 * A tokenizer that takes at every place the longest token has no memory: from a place at
 * which a token ends, what follows depends on the text alone.  So threads encode pieces from
 * wherever they happen to begin; then, going on from where one piece ended, a few tokens lead
 * to a place at which a token of the next piece ends too, and from there on its ids are the
 * right ones.  The result is that of one thread. */
#include <string.h>

#include "base/mem.h"
#include "train/prep.h"

enum { STEP = 512 }; /* bytes in which to look for one token */

typedef struct walk {
    wkv_prepare *w;
    const char *input, *text;
    size_t n, at; /* all bytes, and those that are done */
    uint64_t offset;
    wkv_error *err;
} walk;

static size_t token_bytes(const wkv_tok *t, int32_t id)
{
    size_t n = 0;
    return t->kind->token(t, id, &n) != NULL ? n : 0;
}

static wkv_status not_covered(const walk *k, size_t at)
{
    WKV_FAIL(k->err, WKV_E_TOKEN, "%s: byte 0x%02x at offset %llu is not in the vocabulary",
             k->input, (unsigned)(unsigned char)k->text[at], (unsigned long long)(k->offset + at));
}

/* What is final in text[begin ..end), into the piece. */
static void do_piece(const wkv_prepare *w, wkv_prep_piece *p, const char *text)
{
    const uint8_t *bytes = (const uint8_t *)text + p->begin;
    size_t n = p->end - p->begin, count;
    p->n = 0;
    do {
        if (!wkv_prep_reserve(p, n / 2 + STEP))
            return;
        count = w->tok->kind->encode_part(w->tok, bytes, n, p->ids, p->room, &p->used);
        p->n = count < p->room ? count : p->room;
    } while (count > p->room && wkv_prep_reserve(p, count));
    if (p->failed || wkv_tok_covered(w->tok, bytes, p->used, p->ids, p->n) < p->used)
        p->n = p->used = 0;
}

/* One token on.  *stuck: what is there of the text does not say which. */
static wkv_status one_token(walk *k, bool *stuck)
{
    const wkv_tok *t = k->w->tok;
    const uint8_t *bytes = (const uint8_t *)k->text + k->at;
    size_t rest = k->n - k->at, n = rest < STEP ? rest : STEP, used;
    int32_t id;
    size_t count = t->kind->encode_part(t, bytes, n, &id, 1, &used);
    if (used == 0 && n < rest)
        count = t->kind->encode_part(t, bytes, n = rest, &id, 1, &used);
    *stuck = used == 0;
    if (*stuck)
        return WKV_OK;
    size_t length = count > 0 ? token_bytes(t, id) : 0;
    if (length == 0 || wkv_tok_covered(t, bytes, length, &id, 1) < length)
        return not_covered(k, k->at);
    k->at += length;
    return wkv_prep_put(k->w, &id, NULL, 1, k->err);
}

/* Goes on until a token of the piece ends where the walk is, and takes the rest of it. */
static wkv_status join(walk *k, const wkv_prep_piece *p, bool *stuck)
{
    size_t q = p->begin, i = 0;
    while (!*stuck) {
        for (; q < k->at && i < p->n; i++)
            q += token_bytes(k->w->tok, p->ids[i]);
        if (q == k->at) {
            WKV_TRY(wkv_prep_put(k->w, p->ids + i, NULL, p->n - i, k->err));
            k->at = p->begin + p->used;
            return WKV_OK;
        }
        if (q < k->at) /* the piece is used up */
            return WKV_OK;
        WKV_TRY(one_token(k, stuck));
    }
    return WKV_OK;
}

/* The end of a text, or all that a tokenizer with a memory makes of a window. */
static wkv_status rest_of(walk *k, bool last)
{
    wkv_prep_piece *p = &k->w->piece[0];
    const wkv_tok *t = k->w->tok;
    const uint8_t *bytes = (const uint8_t *)k->text + k->at;
    size_t n = k->n - k->at, count = 0;
    p->n = 0;
    p->used = n;
    do {
        if (!wkv_prep_reserve(p, count > n / 2 ? count : n / 2 + STEP))
            WKV_FAIL(k->err, WKV_E_MEMORY, "%s: out of memory", k->input);
        count = last ? t->kind->encode(t, bytes, n, p->ids, p->room)
                     : t->kind->encode_part(t, bytes, n, p->ids, p->room, &p->used);
    } while (count > p->room);
    size_t covered = wkv_tok_covered(t, bytes, p->used, p->ids, count);
    if (covered < p->used)
        return not_covered(k, k->at + covered);
    k->at += p->used;
    return wkv_prep_put(k->w, p->ids, NULL, count, k->err);
}

wkv_status wkv_prep_text(wkv_prepare *w, const char *input, const char *text, size_t n, bool last,
                         uint64_t offset, size_t *used, wkv_error *err)
{
    walk k = {w, input, text, n, 0, offset, err};
    bool stuck = false;
    int pieces = 0;
    if (w->tok->kind->covered == NULL && w->threads > 1)
        for (size_t at = 0; at < n && pieces < w->n_pieces; at += WKV_PREP_PIECE, pieces++) {
            w->piece[pieces].begin = at;
            w->piece[pieces].end = n - at > WKV_PREP_PIECE ? at + WKV_PREP_PIECE : n;
        }
#pragma omp parallel for num_threads(w->threads) schedule(dynamic) if (pieces > 1)
    for (int i = 0; i < pieces; i++)
        do_piece(w, &w->piece[i], text);
    for (int i = 0; i < pieces; i++)
        if (w->piece[i].failed)
            WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", input);
    for (int i = 0; i < pieces && !stuck; i++)
        WKV_TRY(join(&k, &w->piece[i], &stuck));
    if (last || pieces == 0)
        WKV_TRY(rest_of(&k, last));
    *used = k.at;
    return WKV_OK;
}
