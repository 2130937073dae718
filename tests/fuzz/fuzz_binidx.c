/* Any bytes as a binidx index, held against a .bin file whose size they choose too. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "train/binidx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    uint64_t bin_size, tokens;
    memcpy(&bin_size, data, sizeof bin_size);
    wkv_id_type type;
    wkv_error err;
    wkv_binidx_parse(&type, &tokens, "fuzz.idx", data + 8, size - 8, bin_size, &err);
    return 0;
}
