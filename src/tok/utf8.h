/* tok/utf8.h - where a text stops being UTF-8. */
#ifndef WKV_TOK_UTF8_H
#define WKV_TOK_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many of the n bytes come before the first that belongs to no whole, well-formed
 * character; n when all is well. */
size_t wkv_utf8_valid(const uint8_t *s, size_t n);

/* How many of the n >= 1 bytes, of which the first begins no character, come before the
 * next that does. */
size_t wkv_utf8_invalid(const uint8_t *s, size_t n);

#endif
