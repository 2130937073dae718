/* model/vocab.c - see vocab.h. */
#include "model/vocab.h"

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

wkv_status wkv_vocab_fits(const wkv_tok *t, int logits, const char *who, wkv_error *err)
{
    if (t->vocab_size > logits)
        WKV_FAIL(err, WKV_E_SHAPE, "%s: the vocabulary has ids up to %d, the model only %d logits",
                 who, t->vocab_size - 1, logits);
    return WKV_OK;
}
