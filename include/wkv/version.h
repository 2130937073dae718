/* wkv/version.h - the version of the headers and of the library. */
#ifndef WKV_VERSION_H
#define WKV_VERSION_H

#include <stdbool.h>
#include <wkv/status.h>

#define WKV_VERSION_MAJOR 0
#define WKV_VERSION_MINOR 1
#define WKV_VERSION_PATCH 0
#define WKV_VERSION "0.1.0"

WKV_BEGIN
/* The version of the library that was linked, as "major.minor.patch". */
WKV_API const char *wkv_version(void);

/* The compiler that built the library: "gcc 12.2.0". */
WKV_API const char *wkv_compiler(void);

/* Major, minor and patch number of oneDNN where dense products go through it; else false. */
WKV_API bool wkv_onednn_version(int32_t version[3]);
WKV_END
#endif
