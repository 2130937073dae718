/* base/dtype.h - element types: names, sizes, and conversion to real numbers. */
#ifndef WKV_BASE_DTYPE_H
#define WKV_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wkv_dtype {
#define DTYPE(id, name, st_name, block, bytes) WKV_DTYPE_##id,
#include "base/dtype.def"
#undef DTYPE
    WKV_DTYPE_COUNT
} wkv_dtype;

typedef struct wkv_dtype_info {
    const char *name;    /* "bf16" */
    const char *st_name; /* the safetensors spelling, NULL when that format lacks it */
    int block;           /* elements per block; 1 for plain types */
    int bytes;           /* bytes per block */
} wkv_dtype_info;

/* Never NULL; t must be < WKV_DTYPE_COUNT. */
const wkv_dtype_info *wkv_dtype_of(wkv_dtype t);

/* The type called `name` (our spelling), or WKV_DTYPE_COUNT. */
wkv_dtype wkv_dtype_by_name(const char *name);

/* True for the types whose elements are real numbers that can be weights. */
bool wkv_dtype_is_weight(wkv_dtype t);

/* Bytes of n elements of type t; false when n is no whole number of blocks or
 * the product overflows. */
bool wkv_dtype_bytes(wkv_dtype t, uint64_t n, uint64_t *bytes);

/* Converts n elements (a whole number of blocks) at src, of any alignment, to
 * double or float.  t must satisfy wkv_dtype_is_weight. */
void wkv_dtype_to_f64(double *dst, const void *src, wkv_dtype t, size_t n);
void wkv_dtype_to_f32(float *dst, const void *src, wkv_dtype t, size_t n);

/* Converts n floats to type t (F64, F32, F16, BF16 only), round to nearest even. */
void wkv_dtype_from_f32(void *dst, const float *src, wkv_dtype t, size_t n);

#endif
