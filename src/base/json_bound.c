/* base/json_bound.c - see json_bound.h.  One pass that knows strings, brackets and
 * commas, and leaves everything else to the parser. */
#include "base/json_bound.h"

#include <inttypes.h>
#include <stdbool.h>

enum { MAX_VALUES = 1 << 20 }; /* about 120,000 tensors, or a vocabulary with its merges */

wkv_status wkv_json_bound(const char *what, const char *text, uint64_t n, int max_depth,
                          wkv_error *err)
{
    int depth = 0, values = 0;
    bool quoted = false;
    for (uint64_t i = 0; i < n; i++) {
        const char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++, values++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        else if (!quoted && c == ',')
            values++;
        if (depth > max_depth)
            WKV_FAIL(err, WKV_E_FORMAT, "%s is nested too deeply at byte %" PRIu64, what, i);
        if (values > MAX_VALUES)
            WKV_FAIL(err, WKV_E_LIMIT, "%s holds more than %d values", what, MAX_VALUES);
    }
    return WKV_OK;
}
