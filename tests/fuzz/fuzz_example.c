/* Any bytes as a line of JSON, in every template: it is a document or is refused; what became
 * one is text cut into runs from its beginning to its end. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "train/example.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wkv_example e = {0};
    wkv_error err;
    for (int i = 0; wkv_chat_at(i) != NULL; i++) {
        wkv_example_clear(&e);
        if (wkv_example_read(&e, wkv_chat_at(i), (const char *)data, size, &err) != WKV_OK) {
            assert(err.text[0] != '\0');
            continue;
        }
        size_t runs = wkv_example_runs(&e), last = 0;
        assert(runs > 0 && e.text.len > 0);
        for (size_t r = 0; r < runs; r++) {
            const wkv_run *run = wkv_example_run(&e, r);
            assert(run->end > last);
            assert(r == 0 || run->learn != wkv_example_run(&e, r - 1)->learn);
            last = run->end;
        }
        assert(last == e.text.len);
    }
    wkv_example_deinit(&e);
    return 0;
}
