/* wkv/version.h - the version of the headers and of the library. */
#ifndef WKV_VERSION_H
#define WKV_VERSION_H

#include <wkv/status.h>

#define WKV_VERSION_MAJOR 0
#define WKV_VERSION_MINOR 1
#define WKV_VERSION_PATCH 0
#define WKV_VERSION "0.1.0"

WKV_BEGIN
/* The version of the library that was linked, as "major.minor.patch". */
WKV_API const char *wkv_version(void);
WKV_END
#endif
