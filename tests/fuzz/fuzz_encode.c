/* Any bytes as a text: encoded with a vocabulary that covers every byte they decode to
 * themselves, and pushed through the UTF-8 hold-back in any pieces nothing is lost. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <wkv/tokenizer.h>

#include "base/strbuf.h"
#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte, then some longer tokens that share beginnings. */
static wkv_tok *vocabulary(void)
{
    static const char *const words[] = {"th", "the", "their", "aa", "aaaa", "aaaaaaaa", "e "};
    wkv_strbuf text;
    wkv_strbuf_init(&text);
    for (int b = 0; b < 256; b++)
        wkv_strbuf_printf(&text, "%d b'\\x%02x' 1\n", b + 1, b);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        wkv_strbuf_printf(&text, "%zu '%s' %zu\n", 257 + i, words[i], strlen(words[i]));
    wkv_tok *t;
    wkv_status s = wkv_tok_open_world(&t, "fuzz", text.data, text.len, NULL);
    assert(s == WKV_OK);
    (void)s;
    wkv_strbuf_deinit(&text);
    return t;
}

static void check_ids(const uint8_t *data, size_t size)
{
    static wkv_tok *t;
    if (t == NULL)
        t = vocabulary();
    int32_t *ids = malloc((size + 1) * sizeof *ids);
    assert(ids != NULL);
    size_t count = t->kind->encode(t, data, size, ids, size), at = 0;
    assert(count <= size);
    for (size_t i = 0; i < count; i++) {
        size_t n;
        const uint8_t *bytes = t->kind->token(t, ids[i], &n);
        assert(bytes != NULL && n > 0 && at + n <= size && memcmp(bytes, data + at, n) == 0);
        at += n;
    }
    assert(at == size);
    free(ids);
}

static void check_utf8(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? 1 + data[0] % 7u : 1, at = 0;
    wkv_utf8 u = {0};
    for (size_t i = 0; i < size; i += step) {
        char out[7 + 3];
        size_t n = size - i < step ? size - i : step;
        size_t m = wkv_utf8_push(&u, (const char *)data + i, n, out);
        assert(memcmp(out, data + at, m) == 0);
        at += m;
        assert(i + n - at <= 3);
    }
    char rest[3];
    size_t m = wkv_utf8_flush(&u, rest);
    assert(at + m == size && memcmp(rest, data + at, m) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_ids(data, size);
    check_utf8(data, size);
    return 0;
}
