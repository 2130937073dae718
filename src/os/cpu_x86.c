/* os/cpu_x86.c - which instruction sets may be used.  CPUID says what the processor
 * has, XCR0 what the operating system saves on a context switch; both must agree,
 * or the first wide instruction is a SIGILL or a corrupted register. */
#include "os/cpu.h"

#include <cpuid.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static uint64_t read_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Tiles are much to save on a context switch: Linux wants to be asked for them. */
static bool may_use_tiles(void)
{
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

/* Bits of CPUID's leaf 7, subleaf 1, register EAX. */
enum { AVX_VNNI = 1 << 4, AVX512_BF16 = 1 << 5 };

static bool has_bit(unsigned bit)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bit) != 0;
}

bool wkv_cpu_has(wkv_cpu_level level)
{
    return level != WKV_CPU_AVXVNNI || has_bit(AVX_VNNI);
}

wkv_cpu_level wkv_cpu_hardware_level(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return WKV_CPU_REF;
    unsigned need = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
    if ((c & need) != need || (read_xcr0() & 0x6) != 0x6)
        return WKV_CPU_REF;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
        return WKV_CPU_REF;
    unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b & wide) != wide || (read_xcr0() & 0xe6) != 0xe6)
        return wkv_cpu_has(WKV_CPU_AVXVNNI) ? WKV_CPU_AVXVNNI : WKV_CPU_AVX2;
    if (!(c & bit_AVX512VNNI))
        return WKV_CPU_AVX512;
    const unsigned tiles = 3u << 24 | 1u << 22; /* AMX-TILE, AMX-INT8, AMX-BF16 */
    bool amx = (d & tiles) == tiles && (read_xcr0() & 0x60000) == 0x60000 && has_bit(AVX512_BF16) &&
               may_use_tiles();
    return amx ? WKV_CPU_AMX : WKV_CPU_VNNI;
}
