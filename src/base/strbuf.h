/* base/strbuf.h - a growing byte string.  The first failed allocation sticks:
 * later appends do nothing and wkv_strbuf_ok says so once, at the end. */
#ifndef WKV_BASE_STRBUF_H
#define WKV_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

typedef struct wkv_strbuf {
    char *data; /* NUL-terminated when not NULL */
    size_t len;
    size_t cap;
    bool failed;
} wkv_strbuf;

void wkv_strbuf_init(wkv_strbuf *b);
void wkv_strbuf_deinit(wkv_strbuf *b);
void wkv_strbuf_add(wkv_strbuf *b, const void *bytes, size_t n);
/* Room for n more bytes behind those that are there, to be written to and then counted by
 * adding to len; NULL when there is none. */
char *wkv_strbuf_room(wkv_strbuf *b, size_t n);
void wkv_strbuf_puts(wkv_strbuf *b, const char *s);
void wkv_strbuf_printf(wkv_strbuf *b, const char *fmt, ...) WKV_PRINTF(2, 3);
/* As \x and two digits. */
void wkv_strbuf_hex(wkv_strbuf *b, uint8_t byte);
bool wkv_strbuf_ok(const wkv_strbuf *b);

/* Takes the bytes out: the caller frees them with wkv_free.  NULL on failure. */
char *wkv_strbuf_take(wkv_strbuf *b);

#endif
