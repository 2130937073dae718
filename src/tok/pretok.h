/* tok/pretok.h - cutting text into words before its bytes are paired, by GPT-2's
 * pattern: contractions ('s, 't, ...), letters, numbers, other signs, each with at most
 * one space before it, and white space. */
#ifndef WKV_TOK_PRETOK_H
#define WKV_TOK_PRETOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wkv_pretok wkv_pretok;             /* the pattern; shared by threads */
typedef struct wkv_pretok_match wkv_pretok_match; /* one thread's room for matching */

/* E_UNSUPPORTED in a build without PCRE2.  `where` names the vocabulary in errors. */
wkv_status wkv_pretok_open(wkv_pretok **out, const char *where, wkv_error *err);
void wkv_pretok_close(wkv_pretok *p);

/* NULL when out of memory. */
wkv_pretok_match *wkv_pretok_match_new(const wkv_pretok *p);
void wkv_pretok_match_free(wkv_pretok_match *m);

/* The end of the word that begins at `at` < n in valid UTF-8; greater than `at`. */
size_t wkv_pretok_next(const wkv_pretok *p, wkv_pretok_match *m, const uint8_t *text, size_t n,
                       size_t at);

#endif
