/* Any bytes as GGUF: refused with an error that names the file, or opened and read to
 * the last element. */
#include "support/open_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wkv_error err;
    /* What other formats claim is left to their own targets. */
    if (wkv_format_gguf.probe(data, size))
        open_all(data, size, &err);
    return 0;
}
