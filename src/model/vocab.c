/* model/vocab.c - see vocab.h. */
#include "model/vocab.h"

#include <string.h>

#include "os/os.h"

wkv_status wkv_vocab_of_store(wkv_tok **out, const wkv_store *file, wkv_error *err)
{
    *out = NULL;
    const wkv_meta *kind = wkv_store_find_meta(file, WKV_META_TOKENIZER);
    if (kind == NULL)
        return WKV_OK;
    const wkv_meta *vocab = wkv_store_find_meta(file, WKV_META_VOCAB);
    return wkv_tok_open(out, kind->value, wkv_store_path(file), vocab != NULL ? vocab->value : NULL,
                        vocab != NULL ? vocab->value_len : 0, err);
}

/* A vocabulary is text.  Every form of model file has a zero among its first bytes: in
 * a length, a version, a count; or is a folder. */
static wkv_status looks_like_text(const char *path, bool *text, wkv_error *err)
{
    enum { LOOK = 8 };
    wkv_map map;
    *text = false;
    if (wkv_path_is_folder(path))
        return WKV_OK;
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

wkv_status wkv_vocab_open(wkv_tok **out, const char *spec, wkv_error *err)
{
    bool text = true;
    if (strcmp(spec, "bytes") != 0)
        WKV_TRY(looks_like_text(spec, &text, err));
    return text ? wkv_tok_open_spec(out, spec, err) : open_from_model(out, spec, err);
}

wkv_status wkv_vocab_fits(const wkv_tok *t, int logits, const char *who, wkv_error *err)
{
    if (t->vocab_size > logits)
        WKV_FAIL(err, WKV_E_SHAPE, "%s: the vocabulary has ids up to %d, the model only %d logits",
                 who, t->vocab_size - 1, logits);
    return WKV_OK;
}

size_t wkv_vocab_to_meta(wkv_meta out[2], const wkv_tok *t)
{
    out[0] = (wkv_meta){WKV_META_TOKENIZER, t->kind->name, strlen(t->kind->name)};
    if (t->vocab == NULL)
        return 1;
    out[1] = (wkv_meta){WKV_META_VOCAB, t->vocab, t->vocab_len};
    return 2;
}
