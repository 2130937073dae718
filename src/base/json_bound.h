/* base/json_bound.h - how deep and how large a JSON text is, before a parser sees it.
 * A parsed value costs a hundred times the byte or two that it takes as text, so the
 * length of the text alone bounds nothing. */
#ifndef WKV_BASE_JSON_BOUND_H
#define WKV_BASE_JSON_BOUND_H

#include <stdint.h>

#include "base/error.h"

/* E_FORMAT when the text nests deeper than max_depth, E_LIMIT when it has more than a
 * million values.  `what` names the text in errors. */
wkv_status wkv_json_bound(const char *what, const char *text, uint64_t n, int max_depth,
                          wkv_error *err);

#endif
