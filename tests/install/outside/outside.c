/* outside.c - a program that knows nothing but the installed library. */
#include <stdio.h>
#include <string.h>
#include <wkv/wkv.h>

int main(void)
{
    puts(wkv_version());
    return strcmp(wkv_version(), WKV_VERSION) != 0;
}
