/* model/tokenizer_file.c - opening a tokenizer by what a person wrote: "bytes", a
 * vocabulary file, or a model that carries one.  Here and not in tok/, because looking
 * into a model file is not tok's business. */
#include <string.h>

#include "base/mem.h"
#include "model/vocab.h"
#include "os/os.h"
#include "tok/tokenizer.h"

/* A vocabulary is text.  Every form of model file has a zero among its first bytes: in
 * a length, a version, a count. */
static wkv_status looks_like_text(const char *path, bool *text, wkv_error *err)
{
    enum { LOOK = 8 };
    wkv_map map;
    WKV_TRY(wkv_map_open(&map, path, err));
    size_t n = map.size < LOOK ? (size_t)map.size : LOOK;
    *text = memchr(map.data, '\0', n) == NULL;
    wkv_map_close(&map);
    return WKV_OK;
}

static wkv_status open_from_model(wkv_tok **out, const char *path, wkv_error *err)
{
    wkv_store *file;
    WKV_TRY(wkv_store_open(&file, path, err));
    wkv_status s = wkv_vocab_of_store(out, file, err);
    if (s == WKV_OK && *out == NULL)
        s = WKV_SET(err, WKV_E_MISSING, "%s: this model carries no tokenizer", path);
    wkv_store_close(&file);
    return s;
}

static wkv_status open_spec(wkv_tok **out, const char *spec, wkv_error *err)
{
    bool text = true;
    if (strcmp(spec, "bytes") != 0)
        WKV_TRY(looks_like_text(spec, &text, err));
    return text ? wkv_tok_open_spec(out, spec, err) : open_from_model(out, spec, err);
}

wkv_status wkv_tokenizer_open(wkv_tokenizer **out, const char *spec, wkv_error *err)
{
    *out = NULL;
    wkv_tokenizer *t = wkv_calloc(1, sizeof *t);
    if (t == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", spec);
    wkv_status s = open_spec(&t->tok, spec, err);
    if (s != WKV_OK) {
        wkv_free(t);
        return s;
    }
    *out = t;
    return WKV_OK;
}
