/* Any bytes as a binidx index, held against a .bin file whose size they choose too. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "train/binidx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    uint64_t bin_size, last = 0;
    memcpy(&bin_size, data, sizeof bin_size);
    wkv_binidx x;
    wkv_error err;
    if (wkv_binidx_parse(&x, "fuzz.idx", data + 8, size - 8, bin_size, &err) != WKV_OK)
        return 0;
    for (uint64_t i = 0; i <= x.documents; i++) {
        uint64_t first = wkv_binidx_document(&x, i);
        assert(first >= last && first <= x.tokens);
        last = first;
    }
    assert(last == x.tokens);
    return 0;
}
