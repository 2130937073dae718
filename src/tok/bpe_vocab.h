/* tok/bpe_vocab.h - what a tokenizer.json of Hugging Face's says about byte-level BPE,
 * as tables: the bytes of each id, the pairs of ids that merge, and the added tokens
 * that are looked for before the text is cut into words. */
#ifndef WKV_TOK_BPE_VOCAB_H
#define WKV_TOK_BPE_VOCAB_H

#include <stdbool.h>

#include "tok/trie.h"

/* Larger vocabulary files are refused. */
enum { WKV_BPE_MAX_TEXT = 1 << 26 };

/* The bytes of an id in the pool. */
typedef struct wkv_bpe_span {
    uint32_t at, len; /* len 0: no such id */
} wkv_bpe_span;

/* One merge.  Open addressing; key 0 is a free place. */
typedef struct wkv_bpe_pair {
    uint64_t key; /* (left + 1) << 32 | right */
    int32_t id;   /* what the two become */
    uint32_t rank;
} wkv_bpe_pair;

/* Added tokens: the longest one at each place of the text is taken out. */
typedef struct wkv_bpe_added {
    bool begins[256]; /* by the first byte */
    wkv_trie trie;    /* empty when no byte begins one */
} wkv_bpe_added;

typedef struct wkv_bpe_vocab {
    int32_t size; /* ids are below this */
    wkv_bpe_span *spans;
    uint8_t *pool;
    int32_t of_byte[256]; /* the id of a single byte; -1 when it has none */
    wkv_bpe_pair *pairs;
    unsigned pair_bits;        /* 2^bits places */
    int32_t *merged;           /* by rank: what the pair becomes */
    wkv_bpe_added raw, normal; /* looked for before, and after, normalising */
    bool nfc;
} wkv_bpe_vocab;

/* Reads the text.  *minified, to be released with wkv_free, is the same JSON without
 * the space between its parts.  Release v with deinit in every case. */
wkv_status wkv_bpe_vocab_init(wkv_bpe_vocab *v, char **minified, const char *where,
                              const char *text, size_t n, wkv_error *err);
void wkv_bpe_vocab_deinit(wkv_bpe_vocab *v);

/* Text is cut before some of these (bpe.c). */
static inline bool wkv_bpe_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* No pair has 0. */
static inline uint64_t wkv_bpe_key(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left + 1) << 32 | (uint32_t)right;
}

/* The place of a pair's key in the table, or the free place where it would be. */
static inline wkv_bpe_pair *wkv_bpe_find(const wkv_bpe_vocab *v, int32_t left, int32_t right)
{
    uint64_t key = wkv_bpe_key(left, right);
    uint64_t mask = ((uint64_t)1 << v->pair_bits) - 1;
    uint64_t place = (key * 0x9e3779b97f4a7c15u) >> (64 - v->pair_bits);
    while (v->pairs[place].key != key && v->pairs[place].key != 0)
        place = (place + 1) & mask;
    return &v->pairs[place];
}

#endif
