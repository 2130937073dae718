/* Any bytes as a vocabulary file: it opens or is refused; what opened can encode and
 * decode, and each of its tokens is in range. */
#include <assert.h>
#include <stdlib.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wkv_tok *t;
    wkv_error err;
    if (wkv_tok_open_world(&t, "fuzz", (const char *)data, size, &err) != WKV_OK) {
        assert(t == NULL && err.text[0] != '\0');
        return 0;
    }
    int32_t ids[256];
    size_t count = t->kind->encode(t, data, size, ids, 256), n;
    assert(count <= size);
    for (size_t i = 0; i < count && i < 256; i++)
        assert(t->kind->token(t, ids[i], &n) != NULL && n > 0);
    for (int32_t id = 0; id < t->vocab_size && id < 4096; id++) {
        const uint8_t *bytes = t->kind->token(t, id, &n);
        int32_t own[1];
        if (n > 0 && t->kind->encode(t, bytes, n, own, 1) == 1)
            assert(own[0] == id);
    }
    wkv_tok_close(&t);
    return 0;
}
