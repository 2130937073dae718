/* base/error.c - statuses, their names, and the sentence that goes with a failure. */
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

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

/* Makes the text UTF-8, as status.h promises: names of files and what files say are any bytes, of
 * which each bad one becomes '?'.  A text that was cut ends with a whole character. */
static void tidy(wkv_error *err, bool cut)
{
    const size_t n = strlen(err->text);
    for (size_t i = 0, step; i < n; i += step) {
        step = wkv_text_character(err->text + i, n - i);
        if (step > 0)
            continue;
        err->text[i] = cut && n - i < 4 ? '\0' : '?';
        step = err->text[i] == '\0' ? n - i : 1;
    }
}

wkv_status wkv_error_set(wkv_error *err, wkv_status code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    tidy(err, n >= (int)sizeof err->text);
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
    size_t length = strlen(old), keep = length < room ? length : room;
    memcpy(err->text + n + 2, old, keep);
    err->text[n + 2 + keep] = '\0';
    tidy(err, keep < length);
    return code;
}
