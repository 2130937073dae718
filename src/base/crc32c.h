/* base/crc32c.h - CRC-32C (Castagnoli), the checksum of states and checkpoints. */
#ifndef WKV_BASE_CRC32C_H
#define WKV_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues from crc (0 at the start) over n bytes.  "123456789" gives 0xe3069283. */
uint32_t wkv_crc32c(uint32_t crc, const void *data, size_t n);

#endif
