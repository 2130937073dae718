/* Any bytes as an index of shards: refused with a reason, or every tensor has a file whose
 * name stays in the folder. */
#include <assert.h>
#include <string.h>

#include "store/hf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wkv_hf_index x;
    wkv_error err = {0};
    if (wkv_hf_index_parse(&x, data, size, &err) != WKV_OK) {
        assert(err.text[0] != '\0');
    } else {
        assert(x.n_shards > 0 && x.n_shards <= WKV_HF_MAX_SHARDS && x.n_places >= x.n_shards);
        for (size_t i = 0; i < x.n_places; i++) {
            assert(x.places[i].shard < x.n_shards);
            assert(wkv_hf_index_find(&x, x.places[i].tensor) == &x.places[i]);
        }
        for (size_t i = 0; i < x.n_shards; i++)
            assert(strchr(x.shards[i], '/') == NULL && strcmp(x.shards[i], "..") != 0);
    }
    wkv_hf_index_deinit(&x);
    return 0;
}
