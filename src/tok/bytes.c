/* tok/bytes.c - the simplest tokenizer: the id is the byte.  It holds nothing but its
 * kind; each token's byte is found in one table. */
#include <stdbool.h>

#include "base/mem.h"
#include "tok/kinds.h"

static void close_bytes(wkv_tok *t)
{
    wkv_free(t);
}

static size_t encode(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap)
{
    (void)t;
    for (size_t i = 0; i < n && i < cap; i++)
        out[i] = text[i];
    return n;
}

static size_t encode_part(const wkv_tok *t, const uint8_t *text, size_t n, int32_t *out, size_t cap,
                          size_t *used)
{
    *used = n;
    return encode(t, text, n, out, cap);
}

#define ROW4(b) b, b + 1, b + 2, b + 3
#define ROW16(b) ROW4(b), ROW4(b + 4), ROW4(b + 8), ROW4(b + 12)
#define ROW64(b) ROW16(b), ROW16(b + 16), ROW16(b + 32), ROW16(b + 48)
static const uint8_t bytes[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

static const uint8_t *token(const wkv_tok *t, int32_t id, size_t *n)
{
    bool known = id >= 0 && id < t->vocab_size;
    *n = known ? 1 : 0;
    return known ? &bytes[id] : NULL;
}

const wkv_tok_kind wkv_tok_bytes = {
    .name = "bytes",
    .close = close_bytes,
    .encode = encode,
    .encode_part = encode_part,
    .token = token,
};

wkv_status wkv_tok_open_bytes(wkv_tok **out, wkv_error *err)
{
    *out = wkv_calloc(1, sizeof **out);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "bytes tokenizer: out of memory");
    (*out)->kind = &wkv_tok_bytes;
    (*out)->vocab_size = 256;
    return WKV_OK;
}
