/* wkv/tokenizer.h - text to token ids and back.
 * Immutable once open; may be used from many threads at the same time. */
#ifndef WKV_TOKENIZER_H
#define WKV_TOKENIZER_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

typedef struct wkv_tokenizer wkv_tokenizer;

/* Opens a tokenizer: "bytes" (the id is the byte), or the path of a vocabulary file
 * (rwkv_vocab_v20230424.txt, or a tokenizer.json with byte-level BPE, such as
 * 20B_tokenizer.json), or of a model file that carries one.  E_UNSUPPORTED when a
 * tokenizer.json asks for more than this build of wkv does.  The caller owns *out; on
 * failure *out is NULL. */
WKV_API wkv_status wkv_tokenizer_open(wkv_tokenizer **out, const char *spec, wkv_error *err);
WKV_API void wkv_tokenizer_close(wkv_tokenizer **t);

/* "bytes", "world", "bpe"; and the number of ids. */
WKV_API const char *wkv_tokenizer_kind(const wkv_tokenizer *t);
WKV_API int32_t wkv_tokenizer_vocab_size(const wkv_tokenizer *t);

/* Encodes n bytes of any content.  Writes the first cap ids to out (which may be NULL
 * when cap is 0) and returns how many there are in all.  For "bytes" and "world" that is
 * never more than n, and the ids stand for the text byte for byte.  "bpe" may first put
 * the text in a normal form (NFC), whose bytes the ids then stand for; it seldom has
 * more ids than the text has bytes. */
WKV_API size_t wkv_tokenizer_encode(const wkv_tokenizer *t, const char *text, size_t n,
                                    int32_t *out, size_t cap);

/* The same for the beginning of a text that goes on behind its n bytes: yields only the
 * ids that nothing behind can change, and sets *used to how many bytes they stand for.
 * The rest is to be given again with more text behind it, or, at the end, to encode; the
 * ids are then those of the whole text.  *used may be 0; it is not when n is large. */
WKV_API size_t wkv_tokenizer_encode_part(const wkv_tokenizer *t, const char *text, size_t n,
                                         int32_t *out, size_t cap, size_t *used);

/* encode when `last`, else encode_part, by several threads (0: one for each core
 * the process may use), with the same ids.  *covered is what wkv_tokenizer_covered says of the
 * *used bytes.  out must have room for n ids at least, or one thread does it. */
WKV_API size_t wkv_tokenizer_encode_threads(const wkv_tokenizer *t, const char *text, size_t n,
                                            bool last, int threads, int32_t *out, size_t cap,
                                            size_t *used, size_t *covered);

/* A vocabulary may lack bytes, which encoding leaves out.  The offset of the first that
 * `ids`, the encoding of the n bytes, left out; n when there is none. */
WKV_API size_t wkv_tokenizer_covered(const wkv_tokenizer *t, const char *text, size_t n,
                                     const int32_t *ids, size_t count);

/* The bytes of one token, owned by the tokenizer; *n is their number.  NULL when id is
 * not in the vocabulary.  Token 0 of World (end of document) has no bytes. */
WKV_API const char *wkv_tokenizer_token(const wkv_tokenizer *t, int32_t id, size_t *n);

/* Holds back the unfinished end of a UTF-8 stream.  Zero-initialise it. */
typedef struct wkv_utf8 {
    unsigned char tail[4];
    uint8_t n;
    uint8_t reserved[3];
} wkv_utf8;

/* Adds n bytes; writes to out (room for n + 3) every byte up to the last whole
 * character and returns their number.  Bytes that can never become valid UTF-8 are
 * passed through as they are. */
WKV_API size_t wkv_utf8_push(wkv_utf8 *u, const char *bytes, size_t n, char *out);
/* What is still held back, at the end of the stream; room for 3. */
WKV_API size_t wkv_utf8_flush(wkv_utf8 *u, char *out);

WKV_END
#endif
