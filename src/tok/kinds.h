/* tok/kinds.h - the kinds of tokenizer, for tok.c to choose from. */
#ifndef WKV_TOK_KINDS_H
#define WKV_TOK_KINDS_H

#include "tok/tok.h"

extern const wkv_tok_kind wkv_tok_bytes, wkv_tok_world, wkv_tok_bpe;

#endif
