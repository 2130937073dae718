/* store/bytes.h - numbers out of and into byte sequences of any alignment, in the
 * little-endian order that every format of this folder uses. */
#ifndef WKV_STORE_BYTES_H
#define WKV_STORE_BYTES_H

#include <stdint.h>

static inline uint16_t wkv_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline uint32_t wkv_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t wkv_get_u64(const uint8_t *p)
{
    return wkv_get_u32(p) | (uint64_t)wkv_get_u32(p + 4) << 32;
}

static inline void wkv_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void wkv_put_u32(uint8_t *p, uint32_t v)
{
    wkv_put_u16(p, (uint16_t)v);
    wkv_put_u16(p + 2, (uint16_t)(v >> 16));
}

static inline void wkv_put_u64(uint8_t *p, uint64_t v)
{
    wkv_put_u32(p, (uint32_t)v);
    wkv_put_u32(p + 4, (uint32_t)(v >> 32));
}

#endif
