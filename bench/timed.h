/* bench/timed.h - a device whose operations are timed: where the time of a pass goes. */
#ifndef WKV_BENCH_TIMED_H
#define WKV_BENCH_TIMED_H

#include "dev/dev.h"

/* A copy of dev that times every call of an operation; one at a time in a process. */
wkv_dev wkv_timed_dev(const wkv_dev *dev);

/* Forgets what was counted. */
void wkv_timed_reset(void);

/* A line for each operation, and for each shape of a product: milliseconds a step, calls a
 * step, share of `seconds`, and for products GFLOP/s. */
void wkv_timed_print(int steps, double seconds);

#endif
