/* tok/tokenizer.h - the public tokenizer is a wkv_tok in a struct of its own.  A model
 * holds one by value and lends its address; wkv_tokenizer_open makes one on the heap. */
#ifndef WKV_TOK_TOKENIZER_H
#define WKV_TOK_TOKENIZER_H

#include <wkv/tokenizer.h>

#include "tok/tok.h"

struct wkv_tokenizer {
    wkv_tok *tok; /* owned */
};

#endif
