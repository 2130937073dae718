/* apps/common/http.h - a small HTTP server for pages on this machine: loopback only, in a
 * thread of its own, bounded in requests, connections and time.
 *
 * http.c is made of libevent; where the build has none, http_none.c says so. */
#ifndef WKV_APPS_HTTP_H
#define WKV_APPS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/files.h"

typedef struct wkv_http wkv_http;

/* What is answered.  body is freed by the server; NULL: the status alone. */
typedef struct wkv_http_reply {
    int status;       /* 200 */
    const char *type; /* "text/html; charset=utf-8" */
    char *body;       /* from malloc */
    size_t n;
} wkv_http_reply;

/* Answers GET path?query; query is "" where there is none.  Called in the server's thread. */
typedef void wkv_http_handler(void *user, const char *path, const char *query,
                              wkv_http_reply *reply);

/* Listens on 127.0.0.1; port 0: any that is free.  The caller owns *out.  False after putting
 * the reason into why. */
bool wkv_http_open(wkv_http **out, int port, wkv_http_handler *handler, void *user,
                   char why[WKV_WHY_MAX]);
int wkv_http_port(const wkv_http *h);
/* Ends the thread; harmless on NULL. */
void wkv_http_close(wkv_http **h);

/* True when there is such a server at all; else why says what lacks. */
bool wkv_http_available(char why[WKV_WHY_MAX]);

/* The value of `name` in a query ("x=step&y=loss"), as it stands there, or "" when it does not
 * fit; false when it is absent. */
bool wkv_http_param(const char *query, const char *name, char *value, size_t size);

#endif
