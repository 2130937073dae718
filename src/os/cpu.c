/* os/cpu.c - the level of instruction sets to use: the hardware's, or one below it that the
 * user wants. */
#include "os/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "os/os.h"

static const char *const names[WKV_CPU_LEVELS] = {
#define LEVEL(id, name) [WKV_CPU_##id] = name,
    WKV_CPU_EACH_LEVEL(LEVEL)
#undef LEVEL
};

const char *wkv_cpu_level_name(wkv_cpu_level level)
{
    return names[level];
}

wkv_cpu_level wkv_cpu_detect(void)
{
    wkv_cpu_level best = wkv_cpu_hardware_level();
    const char *wish = getenv("WKV_CPU");
    for (int i = 0; wish != NULL && i < (int)best; i++)
        if (strcmp(wish, names[i]) == 0)
            best = (wkv_cpu_level)i;
    return wkv_cpu_has(best) ? best : (wkv_cpu_level)(best - 1);
}
