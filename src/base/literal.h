/* base/literal.h - Python's string and bytes literals, as they stand in a vocabulary. */
#ifndef WKV_BASE_LITERAL_H
#define WKV_BASE_LITERAL_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the literal s (n bytes: '...', "...", b'...' or b"...") into out, which has
 * room for n bytes, and sets *len.  A string becomes its UTF-8.  Returns NULL, or what
 * was expected and not found, to be put after "expected ". */
const char *wkv_literal_decode(const char *s, size_t n, uint8_t *out, size_t *len);

/* The value of a hexadecimal digit, -1 for any other character. */
int wkv_hex_value(uint8_t c);
/* Writes a byte as \x and two digits; the end of these four characters. */
char *wkv_hex_escape(char *to, uint8_t byte);

#endif
