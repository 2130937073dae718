/* tests/ops/device.c - see device.h. */
#include "device.h"

#include "test.h"

wkv_dev *open_dev(int threads)
{
    wkv_dev *dev;
    assert_int_equal(wkv_dev_open_cpu(&dev, threads, NULL), WKV_OK);
    return dev;
}

void pack_weight(wkv_weight *W)
{
    wkv_dev *dev = open_dev(2);
    const size_t room = dev->packed_size(W);
    if (room > 0)
        dev->pack(W, aligned_alloc(64, (room + 63) / 64 * 64), calloc(dev->packed_units(W), 1));
    wkv_dev_close(&dev);
}

void unpack_weight(wkv_weight *W)
{
    free(W->packed);
    free(W->marks);
    W->packed = NULL;
    W->marks = NULL;
    W->layout = WKV_LAYOUT_NONE;
}

void run_products(wkv_exec x, const wkv_product *p, int n, int rows)
{
    wkv_arena scratch;
    x.scratch = &scratch;
    wkv_arena_measure(&scratch);
    x.dev->products(&x, p, n, rows);
    assert_true(wkv_arena_init(&scratch, scratch.peak));
    x.dev->products(&x, p, n, rows);
    wkv_arena_deinit(&scratch);
}
