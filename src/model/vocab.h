/* model/vocab.h - the tokenizer that travels inside a model file (the metadata is named
 * in tok/tok.h): opening it, and holding it against the model's shape. */
#ifndef WKV_MODEL_VOCAB_H
#define WKV_MODEL_VOCAB_H

#include "store/tensor.h"
#include "tok/tok.h"

/* Opens the tokenizer that the file carries.  *out is NULL, with WKV_OK, when it
 * carries none. */
wkv_status wkv_vocab_of_store(wkv_tok **out, const wkv_store *file, wkv_error *err);

/* Opens what a person wrote: "bytes", a vocabulary file, or a model that carries one. */
wkv_status wkv_vocab_open(wkv_tok **out, const char *spec, wkv_error *err);

/* E_SHAPE when t has ids for which a model with `logits` logits has none.  who names
 * the vocabulary in the error. */
wkv_status wkv_vocab_fits(const wkv_tok *t, int logits, const char *who, wkv_error *err);

/* The metadata that puts t into a model file: writes at most two pairs, whose text belongs
 * to t, and returns how many. */
size_t wkv_vocab_to_meta(wkv_meta out[2], const wkv_tok *t);

#endif
