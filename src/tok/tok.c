/* tok/tok.c - opening a tokenizer by the name of its kind or by what a person wrote. */
#include "tok/tok.h"

#include <stdbool.h>
#include <string.h>

#include "os/os.h"
#include "tok/kinds.h"

wkv_status wkv_tok_open(wkv_tok **out, const char *kind, const char *where, const char *vocab,
                        size_t vocab_len, wkv_error *err)
{
    *out = NULL;
    if (strcmp(kind, wkv_tok_bytes.name) == 0)
        return wkv_tok_open_bytes(out, err);
    bool world = strcmp(kind, wkv_tok_world.name) == 0;
    if (!world && strcmp(kind, wkv_tok_bpe.name) != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "%s: tokenizer \"%s\" is not known; expected \"bytes\", \"world\" or \"bpe\"",
                 where, kind);
    if (vocab == NULL)
        WKV_FAIL(err, WKV_E_MISSING, "%s: tokenizer \"%s\" needs its vocabulary beside it", where,
                 kind);
    return world ? wkv_tok_open_world(out, where, vocab, vocab_len, err)
                 : wkv_tok_open_bpe(out, where, vocab, vocab_len, err);
}

/* A tokenizer.json is an object; a World vocabulary begins with a number. */
static bool is_json(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
        i++;
    return i < n && text[i] == '{';
}

wkv_status wkv_tok_open_spec(wkv_tok **out, const char *spec, wkv_error *err)
{
    *out = NULL;
    if (strcmp(spec, wkv_tok_bytes.name) == 0)
        return wkv_tok_open_bytes(out, err);
    wkv_map map;
    WKV_TRY(wkv_map_open(&map, spec, err));
    const char *text = (const char *)map.data;
    size_t n = (size_t)map.size;
    wkv_status s = is_json(text, n) ? wkv_tok_open_bpe(out, spec, text, n, err)
                                    : wkv_tok_open_world(out, spec, text, n, err);
    wkv_map_close(&map);
    return s;
}

size_t wkv_tok_covered(const wkv_tok *t, const uint8_t *text, size_t n, const int32_t *ids,
                       size_t count)
{
    if (t->kind->covered != NULL)
        return t->kind->covered(t, text, n);
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
