/* base/error.h - raising and forwarding a wkv_status inside the library.
 *
 * WKV_FAIL sets the sentence and returns; WKV_TRY forwards.  Where resources are
 * held, one function takes and releases them, and calls another that may return at any point. */
#ifndef WKV_BASE_ERROR_H
#define WKV_BASE_ERROR_H

#include <wkv/status.h>

#include "base/attr.h"

/* Writes code and the formatted sentence to *err when err is not NULL; returns code. */
wkv_status wkv_error_set(wkv_error *err, wkv_status code, const char *fmt, ...)
    WKV_PRINTF(3, 4);

/* Puts "prefix: " before the sentence already in *err; returns code unchanged. */
wkv_status wkv_error_prefix(wkv_error *err, wkv_status code, const char *prefix);

#define WKV_SET(err, code, ...) wkv_error_set((err), (code), __VA_ARGS__)
/* Returns `code` itself, so that the compiler sees that this is a failure. */
#define WKV_FAIL(err, code, ...)                            \
    do {                                                    \
        (void)wkv_error_set((err), (code), __VA_ARGS__);    \
        return (code);                                      \
    } while (0)

#define WKV_TRY(expr)                           \
    do {                                        \
        wkv_status wkv_try_status = (expr);     \
        if (wkv_try_status != WKV_OK)           \
            return wkv_try_status;              \
    } while (0)

#endif
