/* wkv/status.h - what a call says when it returns.
 *
 * Every call that can fail returns a wkv_status.  Calls that open, load or save
 * also take an optional wkv_error *err, which receives one full sentence: the
 * file, tensor, line or option concerned, what was expected and what was found.
 * err may be NULL; it is written only on failure.
 *
 * A pointer may be NULL only where its header says so, and an array that has no elements may be.
 * A close is given the address of a handle, which becomes NULL; one that is NULL is left alone.
 * What takes n tokens takes at least one, else it returns E_ARGUMENT, unless it says otherwise.
 * Threads are 0 (one for each core that the process may use) to 4096. */
#ifndef WKV_STATUS_H
#define WKV_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WKV_BEGIN extern "C" {
#define WKV_END }
#else
#define WKV_BEGIN
#define WKV_END
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WKV_API __attribute__((visibility("default")))
#else
#define WKV_API
#endif

WKV_BEGIN

/* X(name, number, sentence).  The numbers are pinned: they never change. */
#define WKV_STATUS_MAP(X)                                                   \
    X(OK, 0, "success")                                                     \
    X(E_MEMORY, 1, "out of memory")                                         \
    X(E_IO, 2, "a file could not be read or written")                       \
    X(E_FORMAT, 3, "a file is damaged, truncated or of an unknown format")  \
    X(E_UNSUPPORTED, 4, "a file or request needs what this build lacks")    \
    X(E_SHAPE, 5, "a tensor's shape or type does not fit the model")        \
    X(E_MISSING, 6, "something needed is absent")                           \
    X(E_TOKEN, 7, "a token id is outside the vocabulary")                   \
    X(E_ARGUMENT, 8, "an argument is out of its range")                     \
    X(E_STATE, 9, "the call is not allowed at this point")                  \
    X(E_LIMIT, 10, "a size exceeds a stated limit")                         \
    X(E_NUMERIC, 11, "a result is not a finite number")

typedef enum wkv_status {
#define WKV_STATUS_ENUM(name, number, sentence) WKV_##name = number,
    WKV_STATUS_MAP(WKV_STATUS_ENUM)
#undef WKV_STATUS_ENUM
} wkv_status;

/* Detail of a failure; text is NUL-terminated UTF-8 and may be cut to fit.  Bytes of names that are
 * no UTF-8 are '?' in it. */
typedef struct wkv_error {
    wkv_status code;
    char text[1020];
} wkv_error;

/* The status's name ("E_SHAPE") and its sentence; never NULL. */
WKV_API const char *wkv_status_name(wkv_status s);
WKV_API const char *wkv_status_text(wkv_status s);

WKV_END
#endif
