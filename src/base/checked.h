/* base/checked.h - arithmetic on sizes that come from files.  Each returns false
 * when the result does not fit; *out is then unspecified. */
#ifndef WKV_BASE_CHECKED_H
#define WKV_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool wkv_mul_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    *out = a * b;
    return b == 0 || a <= UINT64_MAX / b;
}

static inline bool wkv_add_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    *out = a + b;
    return a <= UINT64_MAX - b;
}

/* True when [offset, offset + size) lies inside [0, total). */
static inline bool wkv_range_ok(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

#endif
