/* base/error.c - statuses, their names, and the sentence that goes with a failure. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *wkv_status_name(wkv_status s)
{
    switch (s) {
#define NAME(name, number, sentence) \
    case WKV_##name:                 \
        return #name;
        WKV_STATUS_MAP(NAME)
#undef NAME
    }
    return "E_UNKNOWN";
}

const char *wkv_status_text(wkv_status s)
{
    switch (s) {
#define TEXT(name, number, sentence) \
    case WKV_##name:                 \
        return sentence;
        WKV_STATUS_MAP(TEXT)
#undef TEXT
    }
    return "unknown status";
}

wkv_status wkv_error_set(wkv_error *err, wkv_status code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

wkv_status wkv_error_prefix(wkv_error *err, wkv_status code, const char *prefix)
{
    if (err == NULL)
        return code;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    size_t n = strlen(prefix);
    if (n + 2 >= sizeof err->text)
        return code;
    memcpy(err->text, prefix, n);
    memcpy(err->text + n, ": ", 2);
    size_t room = sizeof err->text - n - 3;
    size_t keep = strlen(old) < room ? strlen(old) : room;
    memcpy(err->text + n + 2, old, keep);
    err->text[n + 2 + keep] = '\0';
    return code;
}
