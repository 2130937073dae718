/* base/crc32.c - CRCs eight bytes at a time ("slicing by 8", Kounavis and
 * Berry, 2005): table k holds the effect of a byte that lies k bytes back. */
#include "base/crc32.h"

#include <pthread.h>

static uint32_t castagnoli[8][256], zip[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The polynomial is reflected. */
static void fill_table(uint32_t table[8][256], uint32_t polynomial)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ ((c & 1u) ? polynomial : 0u);
        table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++)
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 255u];
}

static void fill_tables(void)
{
    fill_table(castagnoli, 0x82f63b78u);
    fill_table(zip, 0xedb88320u);
}

static uint32_t sum(uint32_t table[8][256], uint32_t crc, const void *data, size_t n)
{
    pthread_once(&once, fill_tables);
    const uint8_t *p = data;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                           (uint32_t)p[3] << 24);
        c = table[7][lo & 255u] ^ table[6][(lo >> 8) & 255u] ^ table[5][(lo >> 16) & 255u] ^
            table[4][lo >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; n > 0; n--, p++)
        c = (c >> 8) ^ table[0][(c ^ *p) & 255u];
    return ~c;
}

uint32_t wkv_crc32c(uint32_t crc, const void *data, size_t n)
{
    return sum(castagnoli, crc, data, n);
}

uint32_t wkv_crc32(uint32_t crc, const void *data, size_t n)
{
    return sum(zip, crc, data, n);
}
