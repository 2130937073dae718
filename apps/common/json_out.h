/* apps/common/json_out.h - writing JSON as it comes, without holding it: objects and
 * arrays are opened and closed, commas are put where they belong. */
#ifndef WKV_APPS_JSON_OUT_H
#define WKV_APPS_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { WKV_JSON_DEPTH = 8 };

typedef struct wkv_json {
    FILE *out;
    int depth;
    bool more[WKV_JSON_DEPTH + 1]; /* something stands at this depth already */
} wkv_json;

/* Bytes of the valid UTF-8 character at the beginning of n bytes, or 0. */
size_t wkv_json_character(const unsigned char *s, size_t n);

void wkv_json_init(wkv_json *j, FILE *out);

/* key is NULL inside an array and at the top. */
void wkv_json_open(wkv_json *j, const char *key, char bracket);
void wkv_json_close(wkv_json *j, char bracket);
void wkv_json_int(wkv_json *j, const char *key, int64_t v);
void wkv_json_uint(wkv_json *j, const char *key, uint64_t v);
/* With `digits` significant digits, or when that is 0 as few as give back exactly v; null
 * when v is not finite. */
void wkv_json_number(wkv_json *j, const char *key, double v, int digits);
void wkv_json_bool(wkv_json *j, const char *key, bool v);
/* n bytes of any content: what is no valid UTF-8 becomes U+FFFD.  NULL is null. */
void wkv_json_text(wkv_json *j, const char *key, const char *s, size_t n);
void wkv_json_string(wkv_json *j, const char *key, const char *s);

#endif
