/* tok/tok.c - opening a tokenizer by the name of its kind or by what a person wrote. */
#include "tok/tok.h"

#include <string.h>

#include "os/os.h"
#include "tok/kinds.h"

wkv_status wkv_tok_open(wkv_tok **out, const char *kind, const char *where, const char *vocab,
                        size_t vocab_len, wkv_error *err)
{
    *out = NULL;
    if (strcmp(kind, wkv_tok_bytes.name) == 0)
        return wkv_tok_open_bytes(out, err);
    if (strcmp(kind, wkv_tok_world.name) != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "%s: tokenizer \"%s\" is not known; expected \"bytes\" or \"world\"", where, kind);
    if (vocab == NULL)
        WKV_FAIL(err, WKV_E_MISSING, "%s: tokenizer \"world\" needs its vocabulary beside it",
                 where);
    return wkv_tok_open_world(out, where, vocab, vocab_len, err);
}

wkv_status wkv_tok_open_spec(wkv_tok **out, const char *spec, wkv_error *err)
{
    *out = NULL;
    if (strcmp(spec, wkv_tok_bytes.name) == 0)
        return wkv_tok_open_bytes(out, err);
    wkv_map map;
    WKV_TRY(wkv_map_open(&map, spec, err));
    wkv_status s = wkv_tok_open_world(out, spec, (const char *)map.data, (size_t)map.size, err);
    wkv_map_close(&map);
    return s;
}

size_t wkv_tok_covered(const wkv_tok *t, const uint8_t *text, size_t n, const int32_t *ids,
                       size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        const uint8_t *bytes = t->kind->token(t, ids[i], &len);
        if (len > n - at || memcmp(bytes, text + at, len) != 0)
            return at;
        at += len;
    }
    return at;
}

void wkv_tok_close(wkv_tok **t)
{
    if (*t != NULL)
        (*t)->kind->close(*t);
    *t = NULL;
}
