/* os/cpu_arm.c - which instruction sets of a 64-bit ARM may be used.  Every one has NEON;
 * of the rest Linux says in the auxiliary vector what it and the processor support.  Where
 * nobody is asked, what the compiler was told to count on is there. */
#include "os/cpu.h"

#if defined(__linux__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2 (Linux, Documentation/arch/arm64/elf_hwcaps.rst). */
#define HAS_DOTPROD (1ul << 20)
#define HAS_I8MM (1ul << 13)

wkv_cpu_level wkv_cpu_hardware_level(void)
{
    if ((getauxval(AT_HWCAP) & HAS_DOTPROD) == 0)
        return WKV_CPU_NEON;
    return (getauxval(AT_HWCAP2) & HAS_I8MM) != 0 ? WKV_CPU_I8MM : WKV_CPU_DOTPROD;
}
#else
wkv_cpu_level wkv_cpu_hardware_level(void)
{
#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
    return WKV_CPU_I8MM;
#elif defined(__ARM_FEATURE_DOTPROD)
    return WKV_CPU_DOTPROD;
#else
    return WKV_CPU_NEON;
#endif
}
#endif

bool wkv_cpu_has(wkv_cpu_level level)
{
    (void)level;
    return true;
}
