/* tok/bpe_word.h - one word to ids. */
#ifndef WKV_TOK_BPE_WORD_H
#define WKV_TOK_BPE_WORD_H

#include "tok/bpe_vocab.h"

enum { WKV_BPE_WORD_MAX = 3 << 16 }; /* bytes of the longest word */

/* Room to work in, and the words seen before.  One thread's at a time. */
typedef struct wkv_bpe_words wkv_bpe_words;

/* NULL when out of memory. */
wkv_bpe_words *wkv_bpe_words_new(void);
void wkv_bpe_words_free(wkv_bpe_words *w);

/* Where ids go: the first cap are kept, all are counted. */
typedef struct wkv_bpe_sink {
    int32_t *out;
    size_t cap, count;
} wkv_bpe_sink;

static inline void wkv_bpe_put(wkv_bpe_sink *s, int32_t id)
{
    if (s->count < s->cap)
        s->out[s->count] = id;
    s->count++;
}

/* The ids of a word of 1 to WKV_BPE_WORD_MAX bytes.  A byte without an id is left out. */
void wkv_bpe_word(const wkv_bpe_vocab *v, wkv_bpe_words *w, const uint8_t *word, size_t len,
                  wkv_bpe_sink *sink);

#endif
