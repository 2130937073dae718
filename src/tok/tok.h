/* tok/tok.h - text to token ids and back.
 *
 * A tokenizer is immutable once open and may be shared by threads.  Encoding never
 * fails on any bytes; decoding yields bytes, and a token may end inside a UTF-8
 * character (utf8.h holds such tails back). */
#ifndef WKV_TOK_TOK_H
#define WKV_TOK_TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wkv_tok wkv_tok;

/* What a kind of tokenizer provides; struct wkv_tok begins with a pointer to it. */
typedef struct wkv_tok_kind {
    const char *name; /* "bytes", "world", "bpe" */
    void (*close)(wkv_tok *t);
    /* Appends the ids of text to out while they fit in cap; returns how many ids the
     * whole text has. */
    size_t (*encode)(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap);
    /* The same for the beginning of a text that goes on behind its n bytes: the ids that
     * nothing behind can change.  They stand for the first *used bytes, which may be
     * none; encoding goes on there. */
    size_t (*encode_part)(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap,
                          size_t *used);
    /* The length of the text's first chunk, behind which encoding begins anew whatever the
     * chunk holds; 0 when what is there does not say.  NULL for kinds that take at every
     * place the longest token. */
    size_t (*chunk)(const uint8_t *text, size_t n);
    /* As wkv_tok_covered; NULL for kinds whose ids stand for the text byte for byte. */
    size_t (*covered)(const wkv_tok *t, const uint8_t *text, size_t n);
    /* The bytes of one id (*n = 0 for ids that stand for nothing); NULL when id is
     * outside the vocabulary. */
    const uint8_t *(*token)(const wkv_tok *t, int32_t id, size_t *n);
} wkv_tok_kind;

struct wkv_tok {
    const wkv_tok_kind *kind;
    int32_t vocab_size; /* ids are below this */
    /* The vocabulary as it goes into a model file, NULL for bytes.  Owned by the tokenizer. */
    const char *vocab;
    size_t vocab_len;
};

/* Metadata under which a model file carries its tokenizer: the kind's name, and the
 * vocabulary's text (absent for bytes). */
#define WKV_META_TOKENIZER "wkv.tokenizer"
#define WKV_META_VOCAB "wkv.vocab"

/* ids = bytes, vocab_size 256. */
wkv_status wkv_tok_open_bytes(wkv_tok **out, wkv_error *err);

/* From the text of an rwkv_vocab file (LF or CRLF); the text is copied.  `where` names
 * it in errors, which carry the line. */
wkv_status wkv_tok_open_world(wkv_tok **out, const char *where, const char *text, size_t n,
                              wkv_error *err);

/* From the text of a Hugging Face tokenizer.json with byte-level BPE.  The vocabulary
 * that a model file gets is the same JSON without the space between its parts. */
wkv_status wkv_tok_open_bpe(wkv_tok **out, const char *where, const char *text, size_t n,
                            wkv_error *err);

/* By kind name, as stored in a model file. */
wkv_status wkv_tok_open(wkv_tok **out, const char *kind, const char *where, const char *vocab,
                        size_t vocab_len, wkv_error *err);

/* spec: "bytes" or the path of a vocabulary file of any known form. */
wkv_status wkv_tok_open_spec(wkv_tok **out, const char *spec, wkv_error *err);

/* The offset of the first byte of text that ids, its encoding, leaves out; n when they
 * stand for all of it.  Text in another normal form is not left out. */
size_t wkv_tok_covered(const wkv_tok *t, const uint8_t *text, size_t n, const int32_t *ids,
                       size_t count);

/* encode when `last`, else encode_part, and wkv_tok_covered of the *used bytes, by several
 * threads: with the same result, in bounded memory.  One thread does it where cap < n. */
size_t wkv_tok_encode_team(const wkv_tok *t, const uint8_t *text, size_t n, bool last, int threads,
                           int32_t *out, size_t cap, size_t *used, size_t *covered);

void wkv_tok_close(wkv_tok **t);

#endif
