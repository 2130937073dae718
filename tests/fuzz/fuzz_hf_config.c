/* Any bytes as a config.json, held against a model: refused with a reason, or its numbers are
 * in their ranges; and as a vocab.txt. */
#include <assert.h>

#include "store/hf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char one[] = "\x35\0\0\0\0\0\0\0"
                              "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    wkv_hf_config c;
    wkv_error err = {0};
    wkv_store *s;
    if (wkv_hf_config_parse(&c, data, size, &err) != WKV_OK)
        assert(err.text[0] != '\0');
    else
        assert(c.ln_eps >= 0 && c.ln_eps < 1 && c.gn_eps >= 0);
    if (wkv_store_open_memory(&s, "fuzz", one, sizeof one - 1, &err) != WKV_OK)
        assert(false);
    (void)wkv_hf_config_check(&c, s, &err);
    (void)wkv_hf_vocab_txt(s, (const char *)data, size, &err);
    wkv_store_close(&s);
    return 0;
}
