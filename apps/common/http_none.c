/* apps/common/http_none.c - http.h where the build has no libevent. */
#include "common/http.h"

#include <stdio.h>

bool wkv_http_available(char why[WKV_WHY_MAX])
{
    snprintf(why, WKV_WHY_MAX,
             "this wkv was built without libevent, which pages need; install it (Debian: "
             "libevent-dev) and build again");
    return false;
}

bool wkv_http_open(wkv_http **out, int port, wkv_http_handler *handler, void *user,
                   char why[WKV_WHY_MAX])
{
    (void)port;
    (void)handler;
    (void)user;
    *out = NULL;
    return wkv_http_available(why);
}

int wkv_http_port(const wkv_http *h)
{
    (void)h;
    return 0;
}

void wkv_http_close(wkv_http **h)
{
    *h = NULL;
}
