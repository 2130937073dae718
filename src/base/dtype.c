/* base/dtype.c - the table of element types and conversion from each of them.
 * What a block of a quantised type holds is the business of blocks.c. */
#include "base/dtype.h"

#include <string.h>

#include "base/blocks.h"
#include "base/checked.h"
#include "base/half.h"

static const wkv_dtype_info table[WKV_DTYPE_COUNT] = {
#define DTYPE(id, name, st_name, block, bytes) {name, st_name, block, bytes},
#include "base/dtype.def"
#undef DTYPE
};

const wkv_dtype_info *wkv_dtype_of(wkv_dtype t)
{
    return &table[t];
}

wkv_dtype wkv_dtype_by_name(const char *name)
{
    int t = 0;
    while (t < WKV_DTYPE_COUNT && strcmp(table[t].name, name) != 0)
        t++;
    return (wkv_dtype)t;
}

bool wkv_dtype_is_weight(wkv_dtype t)
{
    return t <= WKV_DTYPE_BF16 || table[t].block > 1;
}

bool wkv_dtype_bytes(wkv_dtype t, uint64_t n, uint64_t *bytes)
{
    const wkv_dtype_info *d = &table[t];
    if (n % (uint64_t)d->block != 0)
        return false;
    return wkv_mul_ok(n / (uint64_t)d->block, (uint64_t)d->bytes, bytes);
}

static uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static void decode_plain(float *dst, const uint8_t *src, wkv_dtype t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (t == WKV_DTYPE_F64) {
            double v;
            memcpy(&v, src + 8 * i, 8);
            dst[i] = (float)v;
        } else if (t == WKV_DTYPE_F16) {
            dst[i] = wkv_f16_to_f32(load_u16(src + 2 * i));
        } else {
            dst[i] = wkv_bf16_to_f32(load_u16(src + 2 * i));
        }
    }
}

void wkv_dtype_to_f32(float *dst, const void *src, wkv_dtype t, size_t n)
{
    const uint8_t *p = src;
    if (t == WKV_DTYPE_F32) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    if (table[t].block == 1) {
        decode_plain(dst, p, t, n);
        return;
    }
    for (size_t i = 0; i < n; i += (size_t)table[t].block, p += table[t].bytes)
        wkv_block_decode(dst + i, p, t);
}

void wkv_dtype_to_f64(double *dst, const void *src, wkv_dtype t, size_t n)
{
    if (t == WKV_DTYPE_F64) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    const uint8_t *p = src;
    float piece[256]; /* a multiple of every block size */
    const size_t step = sizeof piece / sizeof *piece;
    for (size_t i = 0; i < n; i += step) {
        size_t m = n - i < step ? n - i : step;
        wkv_dtype_to_f32(piece, p, t, m);
        for (size_t j = 0; j < m; j++)
            dst[i + j] = (double)piece[j];
        p += m / (size_t)table[t].block * (size_t)table[t].bytes;
    }
}

void wkv_dtype_from_f32(void *dst, const float *src, wkv_dtype t, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) {
        double v = (double)src[i];
        uint16_t h = t == WKV_DTYPE_F16 ? wkv_f32_to_f16(src[i]) : wkv_f32_to_bf16(src[i]);
        if (t == WKV_DTYPE_F64)
            memcpy(p + 8 * i, &v, 8);
        else if (t == WKV_DTYPE_F32)
            memcpy(p + 4 * i, &src[i], 4);
        else
            memcpy(p + 2 * i, &h, 2);
    }
}
