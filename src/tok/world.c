/* tok/world.c - the World tokenizer: a vocabulary of byte strings, and at each place
 * of the text the longest one that matches.
 *
 * The file has one token a line: id, Python literal, length in bytes.  It is read
 * strictly, because a vocabulary that was read almost rightly gives a model almost
 * the right text.  A vocabulary need not cover every byte: bytes that no token begins
 * with yield no id, so the tokens' lengths then add up to less than the text's. */
#include <stdbool.h>
#include <string.h>

#include "base/literal.h"
#include "base/mem.h"
#include "tok/kinds.h"
#include "tok/trie.h"

enum { MAX_ID = (1 << 20) - 1, MAX_TEXT = 1 << 26 };

typedef struct world {
    wkv_tok tok;
    char *text;       /* the vocabulary file, behind tok.vocab */
    uint8_t *pool;    /* the tokens' bytes, one after the other */
    uint32_t *offset; /* id's bytes are pool[offset[id]] to pool[offset[id + 1]] */
    uint8_t *known;   /* one bit an id: in the vocabulary; 0 always is */
    uint32_t longest; /* bytes of the longest token */
    wkv_trie trie;
} world;

/* ---- encoding and decoding --------------------------------------------------------- */

/* The ids of the tokens that begin before `stop`; *used is where the last of them ends. */
static size_t encode_until(const world *w, const uint8_t *text, size_t n, size_t stop, int32_t *out,
                           size_t cap, size_t *used)
{
    size_t count = 0, i = 0;
    while (i < stop) {
        size_t len;
        int32_t id = wkv_trie_match(&w->trie, text + i, n - i, &len);
        if (id < 0) {
            i++;
            continue;
        }
        if (count < cap)
            out[count] = id;
        count++;
        i += len;
    }
    *used = i;
    return count;
}

static size_t encode(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap)
{
    size_t used;
    return encode_until((const world *)t, text, n, n, out, cap, &used);
}

/* A token is final when even the longest one that could begin there lies in the text. */
static size_t encode_part(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap,
                          size_t *used)
{
    const world *w = (const world *)t;
    size_t stop = n >= w->longest ? n - w->longest + 1 : 0;
    return encode_until(w, text, n, stop, out, cap, used);
}

static const uint8_t *token(const wkv_tok *t, int32_t id, size_t *n)
{
    const world *w = (const world *)t;
    *n = 0;
    if (id < 0 || id >= t->vocab_size || (w->known[id / 8] >> (id % 8) & 1) == 0)
        return NULL;
    *n = w->offset[id + 1] - w->offset[id];
    return w->pool + w->offset[id];
}

static void close_world(wkv_tok *t)
{
    world *w = (world *)t;
    wkv_trie_deinit(&w->trie);
    wkv_free(w->known);
    wkv_free(w->offset);
    wkv_free(w->pool);
    wkv_free(w->text);
    wkv_free(w);
}

const wkv_tok_kind wkv_tok_world = {
    .name = "world",
    .close = close_world,
    .encode = encode,
    .encode_part = encode_part,
    .token = token,
};

/* ---- reading the file ---------------------------------------------------------------- */

typedef struct reader {
    const char *where;
    size_t line; /* from 1 */
    const char *p, *end;
    uint8_t *pool;
    size_t pool_len;
    wkv_trie_entry *entries;
    size_t n;
    wkv_error *err;
} reader;

/* Digits up to the first other character; false when there are none or the value
 * exceeds limit. */
static bool read_number(const char **p, const char *end, uint32_t limit, uint32_t *value)
{
    const char *start = *p;
    uint32_t v = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
        v = v * 10 + (uint32_t)(**p - '0');
        if (v > limit)
            return false;
    }
    *value = v;
    return *p > start;
}

/* The length, after the line's last space; *literal_end is that space. */
static bool read_length(const char *line, const char *end, const char **literal_end,
                        uint32_t *length)
{
    const char *space = end;
    while (space > line && space[-1] != ' ')
        space--;
    const char *p = space;
    *literal_end = space > line ? space - 1 : line;
    return space > line && read_number(&p, end, MAX_TEXT, length) && p == end;
}

/* One line, without its end: the first space ends the id, the last begins the length,
 * for the literal between them may hold spaces. */
static wkv_status read_line(reader *r, const char *line, const char *end)
{
    const char *p = line, *literal_end;
    uint32_t id, length;
    if (!read_number(&p, end, MAX_ID, &id) || p == end || *p != ' ')
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s, line %zu: expected an id from 0 to %d and a space",
                 r->where, r->line, MAX_ID);
    if (r->n > 0 && (int32_t)id <= r->entries[r->n - 1].id)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s, line %zu: expected an id above %d, found %u", r->where,
                 r->line, (int)r->entries[r->n - 1].id, (unsigned)id);
    p++;
    if (!read_length(p, end, &literal_end, &length))
        WKV_FAIL(r->err, WKV_E_FORMAT,
                 "%s, line %zu: expected a space and the token's length in bytes at the end",
                 r->where, r->line);

    uint8_t *bytes = r->pool + r->pool_len;
    size_t n;
    const char *expected = wkv_literal_decode(p, (size_t)(literal_end - p), bytes, &n);
    if (expected != NULL)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s, line %zu: expected %s", r->where, r->line, expected);
    if (n == 0)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s, line %zu: expected a token of at least one byte",
                 r->where, r->line);
    if (n != length)
        WKV_FAIL(r->err, WKV_E_FORMAT,
                 "%s, line %zu: expected a token of %u bytes, as the line says, found %zu",
                 r->where, r->line, (unsigned)length, n);
    r->entries[r->n++] = (wkv_trie_entry){bytes, length, (int32_t)id};
    r->pool_len += n;
    return WKV_OK;
}

static wkv_status read_lines(reader *r)
{
    while (r->p < r->end) {
        const char *line = r->p;
        const char *newline = memchr(line, '\n', (size_t)(r->end - line));
        const char *end = newline != NULL ? newline : r->end;
        r->p = newline != NULL ? newline + 1 : r->end;
        if (end > line && end[-1] == '\r')
            end--;
        r->line++;
        WKV_TRY(read_line(r, line, end));
    }
    if (r->n == 0)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: expected a vocabulary, found an empty file", r->where);
    return WKV_OK;
}

/* The tables by id, from the entries in ascending order. */
static bool fill_tables(world *w, const reader *r)
{
    size_t ids = (size_t)r->entries[r->n - 1].id + 1;
    w->offset = wkv_calloc(ids + 1, sizeof *w->offset);
    w->known = wkv_calloc(ids / 8 + 1, 1);
    if (w->offset == NULL || w->known == NULL)
        return false;
    w->tok.vocab_size = (int32_t)ids;
    w->known[0] = 1;
    uint32_t at = 0;
    size_t id = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t own = (size_t)r->entries[i].id;
        while (id <= own)
            w->offset[id++] = at;
        w->known[own / 8] |= (uint8_t)(1u << (own % 8));
        at += r->entries[i].len;
        w->longest = r->entries[i].len > w->longest ? r->entries[i].len : w->longest;
    }
    w->offset[ids] = at;
    return true;
}

static wkv_status build(world *w, reader *r)
{
    WKV_TRY(read_lines(r));
    int32_t twin[2];
    wkv_status s =
        fill_tables(w, r) ? wkv_trie_init(&w->trie, r->entries, r->n, twin) : WKV_E_MEMORY;
    if (s == WKV_E_FORMAT)
        WKV_FAIL(r->err, s, "%s: expected every token once, but ids %d and %d are the same bytes",
                 r->where, (int)twin[0], (int)twin[1]);
    if (s != WKV_OK)
        WKV_FAIL(r->err, s, "%s: out of memory", r->where);
    return WKV_OK;
}

/* The most tokens that a text of n bytes can have: lines are never shorter than the one
 * that says 1 'a' 1, and ids ascend. */
static size_t most_tokens(size_t n)
{
    enum { SHORTEST = 8 };
    const size_t lines = n / SHORTEST + 1;
    return lines <= MAX_ID ? lines : MAX_ID + 1;
}

wkv_status wkv_tok_open_world(wkv_tok **out, const char *where, const char *text, size_t n,
                              wkv_error *err)
{
    *out = NULL;
    if (n > MAX_TEXT)
        WKV_FAIL(err, WKV_E_LIMIT, "%s: a vocabulary of %zu bytes is larger than %d", where, n,
                 MAX_TEXT);
    world *w = wkv_calloc(1, sizeof *w);
    if (w == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    /* A literal is never shorter than what it stands for, so n bytes of pool are enough. */
    w->pool = wkv_malloc(n);
    w->text = wkv_strndup(text, n);
    w->tok = (wkv_tok){.kind = &wkv_tok_world, .vocab = w->text, .vocab_len = n};
    reader r = {.where = where, .p = text, .end = text + n, .pool = w->pool, .err = err};
    r.entries = wkv_calloc(most_tokens(n), sizeof *r.entries);
    wkv_status s = w->pool == NULL || w->text == NULL || r.entries == NULL
                       ? WKV_SET(err, WKV_E_MEMORY, "%s: out of memory", where)
                       : build(w, &r);
    wkv_free(r.entries);
    if (s != WKV_OK) {
        close_world(&w->tok);
        return s;
    }
    *out = &w->tok;
    return WKV_OK;
}
