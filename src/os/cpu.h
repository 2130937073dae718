/* os/cpu.h - what cpu_x86.c, cpu_arm.c and cpu_other.c answer, of which one is compiled. */
#ifndef WKV_OS_CPU_H
#define WKV_OS_CPU_H

#include "os/os.h"

/* The highest level that processor and operating system both support. */
wkv_cpu_level wkv_cpu_hardware_level(void);

#endif
