/* tok/bpe.c - byte-level BPE: the text's words fall into bytes, and of the pairs in a
 * word the one with the lowest rank merges, again and again (bpe_word.c).
 *
 * Before that come, in this order: added tokens of the raw text, the normal form, added
 * tokens of the normal text, words (pretok.h).  A byte that is not UTF-8 takes part in
 * none of these; a run of them is a word.  Memory is bounded because the text goes
 * through in chunks, cut where a word ends whatever follows: before white space.  Only
 * where 64 KiB have no such place is the cut made elsewhere, at the end of a character.
 *
 * All that encoding writes to lies in a scratch.  The tokenizer keeps some, whose words
 * stay known from call to call; a thread that finds none makes its own. */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "tok/bpe_word.h"
#include "tok/kinds.h"
#include "tok/nfc.h"
#include "tok/pretok.h"
#include "tok/utf8.h"

enum { CHUNK = WKV_BPE_WORD_MAX / WKV_NFC_GROWTH, KEPT = 16 };

typedef struct scratch {
    wkv_bpe_words *words;
    wkv_pretok_match *match;
    uint8_t normal[WKV_BPE_WORD_MAX];
} scratch;

typedef struct bpe {
    wkv_tok tok;
    char *text; /* behind tok.vocab */
    wkv_bpe_vocab v;
    wkv_pretok *pretok;
    _Atomic(scratch *) idle[KEPT]; /* of which there is always one, here or in use */
} bpe;

/* One call of encode. */
typedef struct run {
    const bpe *b;
    scratch *s;
    wkv_bpe_sink sink;
} run;

/* ---- from text to words ---------------------------------------------------------------- */

/* The longest added token that the n >= 1 bytes begin with; -1 when there is none. */
static int32_t added_at(const wkv_bpe_added *added, const uint8_t *text, size_t n, size_t *len)
{
    return added->begins[text[0]] ? wkv_trie_match(&added->trie, text, n, len) : -1;
}

/* Takes the added tokens out of the text and hands what is between them on. */
static void split(run *r, const wkv_bpe_added *added, const uint8_t *text, size_t n,
                  void (*between)(run *r, const uint8_t *text, size_t n))
{
    size_t from = 0, i = 0;
    while (i < n) {
        size_t len;
        int32_t id = added_at(added, text + i, n - i, &len);
        if (id < 0) {
            i++;
            continue;
        }
        if (i > from)
            between(r, text + from, i - from);
        wkv_bpe_put(&r->sink, id);
        i += len;
        from = i;
    }
    if (n > from)
        between(r, text + from, n - from);
}

static void word(run *r, const uint8_t *text, size_t n)
{
    wkv_bpe_word(&r->b->v, r->s->words, text, n, &r->sink);
}

static void words(run *r, const uint8_t *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t end = wkv_pretok_next(r->b->pretok, r->s->match, text, n, at);
        word(r, text + at, end - at);
        at = end;
    }
}

/* Text that may hold bytes that are not UTF-8. */
static void stretches(run *r, const uint8_t *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t len = wkv_utf8_valid(text + at, n - at), normal_len = len;
        if (len == 0) {
            len = wkv_utf8_invalid(text + at, n - at);
            word(r, text + at, len);
        } else {
            const uint8_t *normal = text + at;
            if (r->b->v.nfc)
                normal = wkv_nfc(normal, len, r->s->normal, &normal_len);
            split(r, &r->b->v.normal, normal, normal_len, words);
        }
        at += len;
    }
}

/* ---- chunks -------------------------------------------------------------------------- */

/* True when the character that ends before text[p], p >= 3, is no white space.  False in
 * doubt: of the characters beyond ASCII, those that share their first bytes with white
 * space count as such. */
static bool ends_word(const uint8_t *text, size_t p)
{
    uint8_t c = text[p - 1], b = text[p - 2], a = text[p - 3];
    if (c < 0x80)
        return c > 0x20 && c < 0x7f;
    return b != 0xc2 && !(a == 0xe1 && b == 0x9a) && !(a == 0xe2 && (b == 0x80 || b == 0x81)) &&
           !(a == 0xe3 && b == 0x80);
}

/* Where the chunk ends with which n > CHUNK bytes begin; depends on nothing behind it
 * but the first byte. */
static size_t chunk_end(const uint8_t *text)
{
    for (size_t p = CHUNK; p > CHUNK / 2; p--)
        if (wkv_bpe_space(text[p]) && ends_word(text, p))
            return p;
    size_t p = CHUNK;
    while (p > CHUNK - 3 && (text[p] & 0xc0) == 0x80)
        p--;
    return p;
}

static size_t chunk(const uint8_t *text, size_t n)
{
    return n > CHUNK ? chunk_end(text) : 0;
}

static void free_scratch(scratch *s)
{
    if (s == NULL)
        return;
    wkv_pretok_match_free(s->match);
    wkv_bpe_words_free(s->words);
    wkv_free(s);
}

static scratch *new_scratch(const bpe *b)
{
    scratch *s = wkv_malloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->words = wkv_bpe_words_new();
    s->match = wkv_pretok_match_new(b->pretok);
    if (s->words != NULL && s->match != NULL)
        return s;
    free_scratch(s);
    return NULL;
}

/* An idle scratch or, while other threads have them all, a new one.  Encoding never
 * fails: without memory for that, wait. */
static scratch *take_scratch(bpe *b)
{
    for (;;) {
        scratch *s = NULL;
        for (int i = 0; i < KEPT && s == NULL; i++)
            s = atomic_exchange_explicit(&b->idle[i], NULL, memory_order_acq_rel);
        if (s == NULL)
            s = new_scratch(b);
        if (s != NULL)
            return s;
    }
}

static void give_scratch(bpe *b, scratch *s)
{
    for (int i = 0; i < KEPT; i++) {
        scratch *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&b->idle[i], &none, s, memory_order_acq_rel,
                                                    memory_order_relaxed))
            return;
    }
    free_scratch(s);
}

/* The chunks of the text, the one at its end only when nothing goes on behind it. */
static size_t encode_chunks(const wkv_tok *t, const uint8_t *text, size_t n, bool to_end,
                            int32_t *out, size_t cap, size_t *used)
{
    /* The tokenizer looks the same before and after; only the scratch is written to. */
    bpe *b = (bpe *)(uintptr_t)t;
    run r = {.b = b, .s = take_scratch(b), .sink = {.out = out, .cap = cap}};
    size_t at = 0;
    while (n - at > CHUNK || (to_end && at < n)) {
        size_t len = n - at > CHUNK ? chunk_end(text + at) : n - at;
        split(&r, &b->v.raw, text + at, len, stretches);
        at += len;
    }
    give_scratch(b, r.s);
    *used = at;
    return r.sink.count;
}

static size_t encode(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap)
{
    size_t used;
    return encode_chunks(t, text, n, true, out, cap, &used);
}

static size_t encode_part(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap,
                          size_t *used)
{
    return encode_chunks(t, text, n, false, out, cap, used);
}

/* Only a byte that is no token by itself, outside the added tokens, is ever left out. */
static size_t covered(const wkv_tok *t, const uint8_t *text, size_t n)
{
    const wkv_bpe_vocab *v = &((const bpe *)t)->v;
    size_t at = 0;
    while (at < n) {
        size_t len;
        if (added_at(&v->raw, text + at, n - at, &len) < 0 &&
            added_at(&v->normal, text + at, n - at, &len) < 0) {
            if (v->of_byte[text[at]] < 0)
                return at;
            len = 1;
        }
        at += len;
    }
    return n;
}

/* ---- the kind ------------------------------------------------------------------------ */

static const uint8_t *token(const wkv_tok *t, int32_t id, size_t *n)
{
    const wkv_bpe_vocab *v = &((const bpe *)t)->v;
    *n = 0;
    if (id < 0 || id >= t->vocab_size || v->spans[id].len == 0)
        return NULL;
    *n = v->spans[id].len;
    return v->pool + v->spans[id].at;
}

static void close_bpe(wkv_tok *t)
{
    bpe *b = (bpe *)t;
    for (int i = 0; i < KEPT; i++)
        free_scratch(atomic_load_explicit(&b->idle[i], memory_order_relaxed));
    wkv_pretok_close(b->pretok);
    wkv_bpe_vocab_deinit(&b->v);
    wkv_free(b->text);
    wkv_free(b);
}

const wkv_tok_kind wkv_tok_bpe = {
    .name = "bpe",
    .close = close_bpe,
    .encode = encode,
    .encode_part = encode_part,
    .chunk = chunk,
    .covered = covered,
    .token = token,
};

static wkv_status open_parts(bpe *b, const char *where, const char *text, size_t n, wkv_error *err)
{
    WKV_TRY(wkv_pretok_open(&b->pretok, where, err));
    WKV_TRY(wkv_bpe_vocab_init(&b->v, &b->text, where, text, n, err));
    scratch *first = new_scratch(b);
    if (first == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    give_scratch(b, first);
    b->tok.vocab_size = b->v.size;
    b->tok.vocab = b->text;
    b->tok.vocab_len = strlen(b->text);
    return WKV_OK;
}

wkv_status wkv_tok_open_bpe(wkv_tok **out, const char *where, const char *text, size_t n,
                            wkv_error *err)
{
    *out = NULL;
    bpe *b = wkv_calloc(1, sizeof *b);
    if (b == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    b->tok.kind = &wkv_tok_bpe;
    for (int i = 0; i < KEPT; i++)
        atomic_init(&b->idle[i], NULL);
    wkv_status s = open_parts(b, where, text, n, err);
    if (s != WKV_OK) {
        close_bpe(&b->tok);
        return s;
    }
    *out = &b->tok;
    return WKV_OK;
}
