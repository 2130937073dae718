/* Any bytes as a tokenizer.json: it opens or is refused; what opened encodes any bytes
 * to ids that decode, its vocabulary opens again, and parts give what the whole gives. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const wkv_tok *t, const uint8_t *text, size_t n)
{
    enum { CAP = 512 };
    int32_t ids[CAP];
    size_t count = t->kind->encode(t, text, n, ids, CAP), used, len;
    for (size_t i = 0; i < count && i < CAP; i++)
        assert(t->kind->token(t, ids[i], &len) != NULL && len > 0);
    assert(wkv_tok_covered(t, text, n, ids, count < CAP ? count : CAP) <= n);
    assert(t->kind->encode_part(t, text, n, ids, CAP, &used) <= count && used <= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wkv_tok *t, *again;
    wkv_error err;
    if (wkv_tok_open_bpe(&t, "fuzz", (const char *)data, size, &err) != WKV_OK) {
        assert(t == NULL && err.text[0] != '\0');
        return 0;
    }
    check_text(t, data, size);
    for (int32_t id = 0; id < t->vocab_size && id < 1024; id++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, id, &n);
        if (bytes != NULL)
            check_text(t, bytes, n);
    }
    wkv_status s = wkv_tok_open_bpe(&again, "again", t->vocab, t->vocab_len, &err);
    assert(s == WKV_OK && again->vocab_size == t->vocab_size);
    (void)s;
    wkv_tok_close(&again);
    wkv_tok_close(&t);
    return 0;
}
