/* tests/ops/device.h - what tests of products share: a device, packed weights, a product that is
 * measured before it is computed. */
#ifndef WKV_TESTS_OPS_DEVICE_H
#define WKV_TESTS_OPS_DEVICE_H

#include "dev/dev.h"

/* At the highest level that the processor has. */
wkv_dev *open_dev(int threads);

/* Packs a weight where the device wants it packed; unpack_weight frees what that took. */
void pack_weight(wkv_weight *W);
void unpack_weight(wkv_weight *W);

/* n products in one go with x's device, in scratch memory of the size that they ask for. */
void run_products(wkv_exec x, const wkv_product *p, int n, int rows);

#endif
