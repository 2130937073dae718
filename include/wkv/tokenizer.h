/* wkv/tokenizer.h - text to token ids and back.
 * Immutable once open; may be used from many threads at the same time. */
#ifndef WKV_TOKENIZER_H
#define WKV_TOKENIZER_H

#include <wkv/status.h>

WKV_BEGIN

typedef struct wkv_tokenizer wkv_tokenizer;

/* Opens a tokenizer: "bytes" (the id is the byte), or the path of a vocabulary file
 * (rwkv_vocab_v20230424.txt), or of a model file that carries one.  The caller owns
 * *out; on failure *out is NULL. */
WKV_API wkv_status wkv_tokenizer_open(wkv_tokenizer **out, const char *spec, wkv_error *err);
WKV_API void wkv_tokenizer_close(wkv_tokenizer **t);

/* "bytes", "world"; and the number of ids. */
WKV_API const char *wkv_tokenizer_kind(const wkv_tokenizer *t);
WKV_API int32_t wkv_tokenizer_vocab_size(const wkv_tokenizer *t);

/* Encodes n bytes of any content.  Writes the first cap ids to out (which may be NULL
 * when cap is 0) and returns how many there are in all; never more than n. */
WKV_API size_t wkv_tokenizer_encode(const wkv_tokenizer *t, const char *text, size_t n,
                                    int32_t *out, size_t cap);

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
