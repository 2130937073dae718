/* base/crc32.h - the checksums of files.  Each continues from crc (0 at the start) over n bytes. */
#ifndef WKV_BASE_CRC32_H
#define WKV_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), of states and checkpoints.  "123456789" gives 0xe3069283. */
uint32_t wkv_crc32c(uint32_t crc, const void *data, size_t n);

/* CRC-32 as ZIP has it.  "123456789" gives 0xcbf43926. */
uint32_t wkv_crc32(uint32_t crc, const void *data, size_t n);

#endif
