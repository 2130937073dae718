/* base/json_load.h - one JSON text, parsed by jansson.  A header, so that builds of this room that
 * lack jansson need none. */
#ifndef WKV_BASE_JSON_LOAD_H
#define WKV_BASE_JSON_LOAD_H

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/number.h"

/* Parses a text that wkv_json_bound has let pass and that repeats no key.  `what` names it in
 * errors; the caller releases *out. */
static inline wkv_status wkv_json_load(json_t **out, const char *what, const char *text, size_t n,
                                       wkv_error *err)
{
    json_error_t why;
    const locale_t before = wkv_number_enter(); /* jansson knows decimal marks of one byte only */
    errno = 0;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    const bool refused = errno == ENOMEM; /* which jansson takes for bad syntax */
    uselocale(before);
    if (*out == NULL && refused)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory for its JSON of %zu bytes", what, n);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "%s is not valid JSON: line %d, column %d: %s", what, why.line,
                 why.column, why.text);
    return WKV_OK;
}

#endif
