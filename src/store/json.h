/* store/json.h - the JSON that model files carry, in and out: bounded before it is
 * parsed, and metadata as an object of strings. */
#ifndef WKV_STORE_JSON_H
#define WKV_STORE_JSON_H

#include <jansson.h>

#include "base/strbuf.h"
#include "store/format.h"

/* Larger JSON is refused, as the definition of safetensors asks. */
enum { WKV_JSON_MAX_BYTES = 100000000 };

/* Parses one JSON text that nests at most max_depth deep and repeats no key.  The scan
 * for depth and number of values comes first and bounds the memory that this costs.
 * `what` names the text in errors.  The caller releases *out with json_decref. */
wkv_status wkv_json_parse(json_t **out, const char *what, const void *text, uint64_t n,
                          int max_depth, wkv_error *err);

/* Adds the entries of an object of strings to the metadata of s. */
wkv_status wkv_json_read_meta(wkv_store *s, json_t *object, wkv_error *err);

/* Appends a string with its quotes; s is valid UTF-8. */
void wkv_json_put_string(wkv_strbuf *b, const char *s, size_t n);

/* Appends the metadata as an object of strings; E_FORMAT when it is no UTF-8. */
wkv_status wkv_json_put_meta(wkv_strbuf *b, const wkv_store_out *what, wkv_error *err);

#endif
