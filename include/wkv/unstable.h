/* wkv/unstable.h - what may change without notice: measuring the machine. */
#ifndef WKV_UNSTABLE_H
#define WKV_UNSTABLE_H

#include <wkv/status.h>

WKV_BEGIN

/* Bytes per second that `threads` threads read from memory, and floating point
 * operations per second of a large f32 matrix product; each takes about `seconds`. */
WKV_API double wkv_measure_bandwidth(int threads, double seconds);
WKV_API double wkv_measure_flops(int threads, double seconds);

/* Name of the instruction set in use: "ref", "avx2", "avx512". */
WKV_API const char *wkv_cpu_name(void);

WKV_END
#endif
