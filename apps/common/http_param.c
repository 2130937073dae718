/* apps/common/http_param.c - parameters of a query, for any server. */
#include <string.h>

#include "common/http.h"

bool wkv_http_param(const char *query, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    for (const char *p = query; *p != '\0';) {
        size_t n = strcspn(p, "&");
        if (n > len && p[len] == '=' && strncmp(p, name, len) == 0) {
            n -= len + 1;
            n = n < size ? n : 0;
            memcpy(value, p + len + 1, n);
            value[n] = '\0';
            return true;
        }
        p += n + (p[n] == '&');
    }
    return false;
}
