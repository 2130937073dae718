/* base/utf8.h - one character of UTF-8. */
#ifndef WKV_BASE_UTF8_H
#define WKV_BASE_UTF8_H

#include <stddef.h>

/* The length of the character at s, of which n >= 1 bytes exist; 0 when it is ill-formed, cut or
 * NUL. */
size_t wkv_text_character(const char *s, size_t n);

#endif
