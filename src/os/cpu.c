/* os/cpu.c - the level of instruction sets to use: the hardware's, or one below it that the
 * user wants.  It is decided once: who asks later gets the same answer, whatever has become of
 * the environment. */
#include "os/cpu.h"

#include <pthread.h>
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

static wkv_cpu_level decided;

static void decide(void)
{
    wkv_cpu_level best = wkv_cpu_hardware_level();
    const char *wish = getenv("WKV_CPU");
    for (int i = 0; wish != NULL && i < (int)best; i++)
        if (strcmp(wish, names[i]) == 0)
            best = (wkv_cpu_level)i;
    decided = wkv_cpu_has(best) ? best : (wkv_cpu_level)(best - 1);
}

wkv_cpu_level wkv_cpu_detect(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, decide);
    return decided;
}
