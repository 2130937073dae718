/* tok/tokenizer.c - the public functions over an open tokenizer.  Opening one may mean
 * looking into a model file, which this room may not: that is in model/. */
#include "tok/tokenizer.h"

#include "base/mem.h"
#include "os/os.h"

void wkv_tokenizer_close(wkv_tokenizer **t)
{
    if (*t == NULL)
        return;
    wkv_tok_close(&(*t)->tok);
    wkv_free(*t);
    *t = NULL;
}

const char *wkv_tokenizer_kind(const wkv_tokenizer *t)
{
    return t->tok->kind->name;
}

int32_t wkv_tokenizer_vocab_size(const wkv_tokenizer *t)
{
    return t->tok->vocab_size;
}

size_t wkv_tokenizer_encode(const wkv_tokenizer *t, const char *text, size_t n, int32_t *out,
                            size_t cap)
{
    return t->tok->kind->encode(t->tok, (const uint8_t *)text, n, out, cap);
}

size_t wkv_tokenizer_encode_part(const wkv_tokenizer *t, const char *text, size_t n, int32_t *out,
                                 size_t cap, size_t *used)
{
    return t->tok->kind->encode_part(t->tok, (const uint8_t *)text, n, out, cap, used);
}

size_t wkv_tokenizer_encode_threads(const wkv_tokenizer *t, const char *text, size_t n, bool last,
                                    int threads, int32_t *out, size_t cap, size_t *used,
                                    size_t *covered)
{
    return wkv_tok_encode_team(t->tok, (const uint8_t *)text, n, last,
                               threads > 0 ? threads : wkv_cpu_count(), out, cap, used, covered);
}

size_t wkv_tokenizer_covered(const wkv_tokenizer *t, const char *text, size_t n, const int32_t *ids,
                             size_t count)
{
    return wkv_tok_covered(t->tok, (const uint8_t *)text, n, ids, count);
}

const char *wkv_tokenizer_token(const wkv_tokenizer *t, int32_t id, size_t *n)
{
    return (const char *)t->tok->kind->token(t->tok, id, n);
}
