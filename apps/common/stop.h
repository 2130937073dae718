/* apps/common/stop.h - ending a stream of text at the first of some strings, wherever
 * the pieces in which the text comes are cut.  What could be the beginning of such a
 * string is held back until it is clear that it is not. */
#ifndef WKV_APPS_STOP_H
#define WKV_APPS_STOP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wkv_stop {
    const char *const *strings; /* n of them, none empty; they must outlive this */
    int n;
    char *held;
    size_t len, cap;
} wkv_stop;

void wkv_stop_init(wkv_stop *s, const char *const *strings, int n);
void wkv_stop_deinit(wkv_stop *s);

typedef enum wkv_stop_result {
    WKV_STOP_GO_ON,
    WKV_STOP_FOUND, /* what stood before the string was emitted; nothing else will be */
    WKV_STOP_NO_MEMORY
} wkv_stop_result;

/* Adds n bytes; passes what is certain to emit. */
wkv_stop_result wkv_stop_push(wkv_stop *s, const char *bytes, size_t n,
                              void (*emit)(void *user, const char *bytes, size_t n), void *user);

/* The text has ended: passes on what was held back. */
void wkv_stop_flush(wkv_stop *s, void (*emit)(void *user, const char *bytes, size_t n), void *user);

#endif
