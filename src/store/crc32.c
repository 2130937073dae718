/* store/crc32.c - the CRC-32 of ZIP archives (polynomial 0xedb88320, reflected).
 * Eight bytes at a time through eight tables ("slicing by 8"): a checkpoint has
 * gigabytes to sum. */
#include "store/bytes.h"
#include "store/zip.h"

typedef struct tables {
    uint32_t t[8][256];
} tables;

/* Cheap enough (2 KiB of shifts) to build where it is needed, and nothing global. */
static void build(tables *s)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        s->t[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            s->t[k][i] = s->t[k - 1][i] >> 8 ^ s->t[0][s->t[k - 1][i] & 0xff];
}

uint32_t wkv_crc32(uint32_t crc, const void *data, size_t n)
{
    tables s;
    build(&s);
    const uint8_t *p = data;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = wkv_get_u32(p) ^ c, high = wkv_get_u32(p + 4);
        c = s.t[7][low & 0xff] ^ s.t[6][low >> 8 & 0xff] ^ s.t[5][low >> 16 & 0xff] ^
            s.t[4][low >> 24] ^ s.t[3][high & 0xff] ^ s.t[2][high >> 8 & 0xff] ^
            s.t[1][high >> 16 & 0xff] ^ s.t[0][high >> 24];
    }
    for (; n > 0; n--, p++)
        c = c >> 8 ^ s.t[0][(c ^ *p) & 0xff];
    return ~c;
}
