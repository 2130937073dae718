/* tok/team.c - one text, encoded by several threads, with the ids that one gives.
 *
 * Where a kind can say at which places encoding begins anew whatever came before (its
 * chunks), threads take whole chunks.  A kind without them takes at every place the longest
 * token, so it has no memory: from a place at which a token ends, what follows depends on the
 * text alone.  Threads encode pieces from wherever they happen to begin; then, going on from
 * where one piece ended, a few tokens lead to a place at which a token of the next piece ends
 * too, and from there on its ids are the right ones.
 *
 * A piece's ids are written where its bytes lie in the text and then moved together: there
 * are never more ids than bytes.  Where that does not hold, or bytes are left out, one thread
 * does it all. */
#include <string.h>

#include "os/team.h"
#include "tok/tok.h"

enum {
    THREADS = 64,
    PIECES = 4 * THREADS,
    LEAST = 1 << 16, /* bytes of a piece */
    STEP = 512,      /* bytes in which to look for one token */
    BRIDGE = 256     /* tokens from one piece to where it meets the next */
};

typedef struct piece {
    size_t begin, end; /* of the text */
    size_t n, used;    /* ids, and the bytes that they stand for */
    bool good;
} piece;

typedef struct team {
    const wkv_tok *t;
    const uint8_t *text;
    size_t n;
    bool last;
    int32_t *out;
    size_t at, ids; /* what is in place: bytes, and ids */
    piece *pieces;
} team;

static size_t encode(const wkv_tok *t, const uint8_t *text, size_t n, bool last, int32_t *out,
                     size_t cap, size_t *used)
{
    *used = n;
    return last ? t->kind->encode(t, text, n, out, cap)
                : t->kind->encode_part(t, text, n, out, cap, used);
}

static size_t alone(const team *m, size_t cap, size_t *used, size_t *covered)
{
    size_t count = encode(m->t, m->text, m->n, m->last, m->out, cap, used);
    *covered = wkv_tok_covered(m->t, m->text, *used, m->out, count < cap ? count : cap);
    return count;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static int cut(const team *m, int threads)
{
    piece *p = m->pieces;
    size_t size = m->n / (4 * (size_t)threads) + 1, begin = 0, at = 0, step;
    int count = 0;
    size = size < LEAST ? LEAST : size;
    if (m->t->kind->chunk == NULL) {
        for (; at < m->n; at += size)
            p[count++] = (piece){.begin = at, .end = m->n - at > size ? at + size : m->n};
        return count;
    }
    while ((step = m->t->kind->chunk(m->text + at, m->n - at)) > 0) {
        at += step;
        if (at - begin < size)
            continue;
        p[count++] = (piece){.begin = begin, .end = at};
        begin = at;
    }
    if (begin < m->n)
        p[count++] = (piece){.begin = begin, .end = m->n};
    return count;
}

static void encode_piece(void *ctx, int i)
{
    const team *m = ctx;
    piece *p = &m->pieces[i];
    const uint8_t *bytes = m->text + p->begin;
    int32_t *ids = m->out + p->begin;
    const size_t n = p->end - p->begin;
    /* What ends with a chunk ends for good. */
    const bool ends = p->end == m->n ? m->last : m->t->kind->chunk != NULL;
    p->n = encode(m->t, bytes, n, ends, ids, n, &p->used);
    p->good = p->n <= n && wkv_tok_covered(m->t, bytes, p->used, ids, p->n) == p->used;
}

/* ---- joining ----------------------------------------------------------------------------- */

static size_t length_of(const wkv_tok *t, int32_t id)
{
    size_t n = 0;
    return t->kind->token(t, id, &n) != NULL ? n : 0;
}

/* The token at byte `at` and its length; 0 when there is none, or what is there of the text
 * does not say which. */
static size_t one_token(const team *m, size_t at, int32_t *id)
{
    const uint8_t *bytes = m->text + at;
    size_t rest = m->n - at, used = 0, count = 0;
    for (size_t n = rest < STEP ? rest : STEP; used == 0 && n > 0; n = n < rest ? rest : 0)
        count = encode(m->t, bytes, n, m->last && n == rest, id, 1, &used);
    size_t length = count > 0 && used > 0 ? length_of(m->t, *id) : 0;
    return length > 0 && wkv_tok_covered(m->t, bytes, length, id, 1) == length ? length : 0;
}

/* Puts n ids that stand for `bytes` bytes behind those that are in place. */
static void put(team *m, const int32_t *ids, size_t n, size_t bytes)
{
    memmove(m->out + m->ids, ids, n * sizeof *ids);
    m->ids += n;
    m->at += bytes;
}

/* The rest of a piece, once more.  False when bytes are left out. */
static bool encode_again(team *m, size_t end)
{
    size_t used, n = end - m->at;
    int32_t *ids = m->out + m->ids;
    size_t count = encode(m->t, m->text + m->at, n, m->last && end == m->n, ids, n, &used);
    bool good = wkv_tok_covered(m->t, m->text + m->at, used, ids, count) == used;
    m->ids += count;
    m->at += used;
    return good;
}

/* Goes on until a token of the piece ends where the text is done, and takes the rest of it.
 * False when that cannot be. */
static bool join(team *m, const piece *p)
{
    int32_t bridge[BRIDGE];
    size_t q = p->begin, i = 0, at = m->at, n = 0;
    const int32_t *ids = m->out + p->begin;
    for (;;) {
        for (; q < at && i < p->n; i++)
            q += length_of(m->t, ids[i]);
        if (q <= at)
            break;
        size_t length = n < BRIDGE ? one_token(m, at, &bridge[n]) : 0;
        if (length == 0)
            break;
        at += length;
        n++;
    }
    /* The bridge may reach into the piece, whose end stays where there is room for it. */
    int32_t *rest = m->out + m->ids + n;
    if (q == at)
        memmove(rest, ids + i, (p->n - i) * sizeof *ids);
    put(m, bridge, n, at - m->at);
    if (q == at) {
        m->ids += p->n - i;
        m->at = p->begin + p->used;
        return true;
    }
    return q < at || (n == BRIDGE && at < p->end && encode_again(m, p->end));
}

static bool join_all(team *m, int count)
{
    const piece *p = m->pieces;
    for (int i = 0; i < count; i++) {
        if (!p[i].good)
            return false;
        if (m->t->kind->chunk != NULL)
            put(m, m->out + p[i].begin, p[i].n, p[i].used);
        else if (!join(m, &p[i]))
            return false;
    }
    return !m->last || m->at == m->n || encode_again(m, m->n);
}

size_t wkv_tok_encode_team(const wkv_tok *t, const uint8_t *text, size_t n, bool last, int threads,
                           int32_t *out, size_t cap, size_t *used, size_t *covered)
{
    piece pieces[PIECES + 1];
    team m = {.t = t, .text = text, .n = n, .last = last, .out = out, .pieces = pieces};
    threads = threads > THREADS ? THREADS : threads;
    if (threads <= 1 || n < 2 * (size_t)LEAST || cap < n)
        return alone(&m, cap, used, covered);
    const int count = cut(&m, threads);
    wkv_team_once(threads, encode_piece, &m, count);
    if (!join_all(&m, count))
        return alone(&m, cap, used, covered);
    *used = *covered = m.at;
    return m.ids;
}
