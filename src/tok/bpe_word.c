/* tok/bpe_word.c - merging within a word.  A heap holds the possible merges, so that the
 * longest word costs n log n; short words, nearly all of a text, are remembered with
 * their ids in a table that forgets a word when another wants its place. */
#include "tok/bpe_word.h"

#include <string.h>

#include "base/mem.h"

enum { KNOWN_BITS = 14, KNOWN_BYTES = 22, KNOWN_IDS = 10 };
#define NO_RANK UINT32_MAX

/* A short word that was seen and its ids: one line of cache. */
typedef struct known_word {
    uint8_t len, n; /* len 0: a free place */
    uint8_t bytes[KNOWN_BYTES];
    int32_t ids[KNOWN_IDS];
} known_word;

/* A part of the word in work, in a list in the order of the text. */
typedef struct symbol {
    int32_t id;
    uint32_t rank; /* of the merge with the next one */
    uint32_t prev, next;
} symbol;

struct wkv_bpe_words {
    known_word known[1 << KNOWN_BITS];
    symbol symbols[WKV_BPE_WORD_MAX];
    /* Possible merges, rank << 32 | symbol, the lowest first.  A word of n symbols puts in
     * n - 1, and each of its merges at most two. */
    uint64_t heap[3 * WKV_BPE_WORD_MAX];
    size_t heap_len;
};

/* ---- merging ------------------------------------------------------------------------ */

static void heap_push(wkv_bpe_words *w, uint64_t item)
{
    size_t i = w->heap_len++;
    for (; i > 0 && w->heap[(i - 1) / 2] > item; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = item;
}

static uint64_t heap_pop(wkv_bpe_words *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->heap_len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_len; i = child) {
        if (child + 1 < w->heap_len && w->heap[child + 1] < w->heap[child])
            child++;
        if (w->heap[child] >= last)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* Looks up the merge of symbol i with the one after it. */
static void offer(const wkv_bpe_vocab *v, wkv_bpe_words *w, uint32_t i)
{
    symbol *sym = &w->symbols[i];
    sym->rank = NO_RANK;
    if (sym->next == NO_RANK)
        return;
    const wkv_bpe_pair *pair = wkv_bpe_find(v, sym->id, w->symbols[sym->next].id);
    if (pair->key == 0)
        return;
    sym->rank = pair->rank;
    heap_push(w, (uint64_t)pair->rank << 32 | i);
}

/* Symbol i takes in the next one. */
static void merge(const wkv_bpe_vocab *v, wkv_bpe_words *w, uint32_t i)
{
    symbol *left = &w->symbols[i], *right = &w->symbols[left->next];
    left->id = v->merged[left->rank];
    left->next = right->next;
    right->rank = NO_RANK;
    if (left->next != NO_RANK)
        w->symbols[left->next].prev = i;
    offer(v, w, i);
    if (left->prev != NO_RANK)
        offer(v, w, left->prev);
}

/* A word that is not known. */
static void encode_word(const wkv_bpe_vocab *v, wkv_bpe_words *w, const uint8_t *word, size_t len,
                        wkv_bpe_sink *sink)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int32_t id = v->of_byte[word[i]];
        if (id < 0)
            continue;
        w->symbols[n] = (symbol){id, NO_RANK, n - 1, n + 1}; /* 0 - 1 is NO_RANK */
        n++;
    }
    if (n == 0)
        return;
    w->symbols[n - 1].next = NO_RANK;
    for (uint32_t i = 0; i < n; i++)
        offer(v, w, i);
    while (w->heap_len > 0) {
        uint64_t item = heap_pop(w);
        uint32_t i = (uint32_t)item;
        if (w->symbols[i].rank == item >> 32) /* else one of the two has merged since */
            merge(v, w, i);
    }
    for (uint32_t i = 0; i != NO_RANK; i = w->symbols[i].next)
        wkv_bpe_put(sink, w->symbols[i].id);
}

/* ---- words that were seen -------------------------------------------------------------- */

static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static uint64_t load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Of 1 to KNOWN_BYTES bytes. */
static size_t place_of(const uint8_t *word, size_t len)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t h;
    if (len < 8) {
        h = load(word, len) ^ (uint64_t)len << 56;
    } else {
        h = load8(word) * odd ^ load8(word + len - 8) ^ (uint64_t)len;
        if (len > 16)
            h = (h ^ h >> 29) * odd ^ load8(word + 8);
    }
    h = (h ^ h >> 32) * odd;
    return (size_t)(h >> (64 - KNOWN_BITS));
}

void wkv_bpe_word(const wkv_bpe_vocab *v, wkv_bpe_words *w, const uint8_t *word, size_t len,
                  wkv_bpe_sink *sink)
{
    if (len > KNOWN_BYTES) {
        encode_word(v, w, word, len, sink);
        return;
    }
    known_word *k = &w->known[place_of(word, len)];
    if (k->len != len || memcmp(k->bytes, word, len) != 0) {
        wkv_bpe_sink own = {.out = k->ids, .cap = KNOWN_IDS};
        k->len = 0; /* its ids are overwritten */
        encode_word(v, w, word, len, &own);
        if (own.count > KNOWN_IDS) {
            encode_word(v, w, word, len, sink);
            return;
        }
        k->len = (uint8_t)len;
        k->n = (uint8_t)own.count;
        memcpy(k->bytes, word, len);
    }
    for (uint8_t i = 0; i < k->n; i++)
        wkv_bpe_put(sink, k->ids[i]);
}

wkv_bpe_words *wkv_bpe_words_new(void)
{
    wkv_bpe_words *w = wkv_malloc(sizeof *w); /* most of it is touched by long words alone */
    if (w == NULL)
        return NULL;
    memset(w->known, 0, sizeof w->known);
    w->heap_len = 0;
    return w;
}

void wkv_bpe_words_free(wkv_bpe_words *w)
{
    wkv_free(w);
}
