/* model/tokenizer_file.c - the public way to open a tokenizer alone.  Here and not in
 * tok/, because it may lie in a model file, and looking into one is not tok's business. */
#include "base/mem.h"
#include "model/vocab.h"
#include "tok/tokenizer.h"

wkv_status wkv_tokenizer_open(wkv_tokenizer **out, const char *spec, wkv_error *err)
{
    *out = NULL;
    wkv_tokenizer *t = wkv_calloc(1, sizeof *t);
    if (t == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", spec);
    wkv_status s = wkv_vocab_open(&t->tok, spec, err);
    if (s != WKV_OK) {
        wkv_free(t);
        return s;
    }
    *out = t;
    return WKV_OK;
}
