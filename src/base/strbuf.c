/* base/strbuf.c - see strbuf.h. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/literal.h"
#include "base/mem.h"

void wkv_strbuf_init(wkv_strbuf *b)
{
    *b = (wkv_strbuf){0};
}

void wkv_strbuf_deinit(wkv_strbuf *b)
{
    wkv_free(b->data);
    *b = (wkv_strbuf){0};
}

/* Room for n more bytes and the closing NUL. */
static bool reserve(wkv_strbuf *b, size_t n)
{
    if (b->failed || n >= SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return false;
    }
    if (b->len + n + 1 <= b->cap)
        return true;
    size_t cap = b->cap * 2 > b->len + n + 1 ? b->cap * 2 : b->len + n + 1;
    char *data = wkv_realloc(b->data, cap < 64 ? 64 : cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap < 64 ? 64 : cap;
    return true;
}

char *wkv_strbuf_room(wkv_strbuf *b, size_t n)
{
    return reserve(b, n) ? b->data + b->len : NULL;
}

void wkv_strbuf_add(wkv_strbuf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void wkv_strbuf_puts(wkv_strbuf *b, const char *s)
{
    wkv_strbuf_add(b, s, strlen(s));
}

void wkv_strbuf_hex(wkv_strbuf *b, uint8_t byte)
{
    char text[4];
    wkv_hex_escape(text, byte);
    wkv_strbuf_add(b, text, sizeof text);
}

void wkv_strbuf_printf(wkv_strbuf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

bool wkv_strbuf_ok(const wkv_strbuf *b)
{
    return !b->failed;
}

char *wkv_strbuf_take(wkv_strbuf *b)
{
    if (!reserve(b, 0)) {
        wkv_strbuf_deinit(b);
        return NULL;
    }
    b->data[b->len] = '\0';
    char *data = b->data;
    *b = (wkv_strbuf){0};
    return data;
}
