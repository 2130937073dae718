/* base/version.c - the version that was linked. */
#include <wkv/version.h>

const char *wkv_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

const char *wkv_version(void)
{
    return WKV_VERSION;
}
