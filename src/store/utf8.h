/* store/utf8.h - is this text? */
#ifndef WKV_STORE_UTF8_H
#define WKV_STORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* True when the n bytes are well-formed UTF-8 and none of them is NUL. */
bool wkv_text_valid(const char *s, size_t n);

#endif
