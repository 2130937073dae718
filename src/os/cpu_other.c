/* os/cpu_other.c - a processor without kernels of its own: portable C. */
#include "os/cpu.h"

wkv_cpu_level wkv_cpu_hardware_level(void)
{
    return WKV_CPU_REF;
}

bool wkv_cpu_has(wkv_cpu_level level)
{
    (void)level;
    return true;
}
