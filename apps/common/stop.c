/* apps/common/stop.c - see stop.h. */
#include "common/stop.h"

#include <stdlib.h>
#include <string.h>

void wkv_stop_init(wkv_stop *s, const char *const *strings, int n)
{
    *s = (wkv_stop){.strings = strings, .n = n};
}

void wkv_stop_deinit(wkv_stop *s)
{
    free(s->held);
    *s = (wkv_stop){0};
}

static bool append(wkv_stop *s, const char *bytes, size_t n)
{
    if (s->len + n > s->cap) {
        size_t cap = 2 * (s->len + n);
        char *held = realloc(s->held, cap);
        if (held == NULL)
            return false;
        s->held = held;
        s->cap = cap;
    }
    if (n > 0)
        memcpy(s->held + s->len, bytes, n);
    s->len += n;
    return true;
}

/* True when some string begins at held[at] as far as the text goes; *whole when it lies
 * there entirely. */
static bool may_begin(const wkv_stop *s, size_t at, bool *whole)
{
    bool possible = false;
    *whole = false;
    for (int i = 0; i < s->n && !*whole; i++) {
        size_t len = strlen(s->strings[i]), there = s->len - at;
        if (memcmp(s->held + at, s->strings[i], len < there ? len : there) != 0)
            continue;
        possible = true;
        *whole = len <= there;
    }
    return possible;
}

wkv_stop_result wkv_stop_push(wkv_stop *s, const char *bytes, size_t n,
                              void (*emit)(void *user, const char *bytes, size_t n), void *user)
{
    if (!append(s, bytes, n))
        return WKV_STOP_NO_MEMORY;
    size_t at = 0;
    bool whole = false;
    while (at < s->len && !may_begin(s, at, &whole))
        at++;
    /* A string that may begin earlier hides one that stands whole further on only until
     * the next piece decides it. */
    if (at > 0)
        emit(user, s->held, at);
    memmove(s->held, s->held + at, s->len - at);
    s->len -= at;
    if (!whole)
        return WKV_STOP_GO_ON;
    s->len = 0;
    return WKV_STOP_FOUND;
}

void wkv_stop_flush(wkv_stop *s, void (*emit)(void *user, const char *bytes, size_t n), void *user)
{
    if (s->len > 0)
        emit(user, s->held, s->len);
    s->len = 0;
}
