/* support/bpe_json.h - a small tokenizer.json to test with: every byte, a few merges,
 * an added token of raw text and two of spaces. */
#ifndef WKV_TESTS_BPE_JSON_H
#define WKV_TESTS_BPE_JSON_H

#include "base/strbuf.h"

enum {
    BPE_TH = 256,
    BPE_THE,
    BPE_SPACE_THE,
    BPE_AA,
    BPE_AAAA,
    BPE_END, /* <|end|> */
    BPE_TWO, /* spaces */
    BPE_FOUR,
    BPE_SIZE
};

/* Appends the JSON. */
void bpe_json_make(wkv_strbuf *b);

#endif
