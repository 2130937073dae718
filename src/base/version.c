/* base/version.c - the version that was linked. */
#include <wkv/version.h>

const char *wkv_version(void)
{
    return WKV_VERSION;
}
