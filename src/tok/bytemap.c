/* tok/bytemap.c - see bytemap.h.  No character of the map takes more than two bytes of
 * UTF-8, so that is all the decoder knows. */
#include "tok/bytemap.h"

/* Bytes that do not stand for themselves come in three ranges: 0x00-0x20, 0x7f-0xa0,
 * 0xad. */
enum { FIRST = 0x21, SECOND = 0x22, MOVED = FIRST + SECOND + 1 };

static bool stands_for_itself(unsigned c)
{
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xff && c != 0xad);
}

/* The byte of a character; -1 when it has none. */
static int byte_of(unsigned c)
{
    if (c < 0x100)
        return stands_for_itself(c) ? (int)c : -1;
    unsigned i = c - 0x100;
    if (i < FIRST)
        return (int)i;
    if (i < FIRST + SECOND)
        return (int)(0x7f + i - FIRST);
    return i < MOVED ? 0xad : -1;
}

bool wkv_bytemap_decode(const char *s, size_t n, uint8_t *out, size_t *len)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)s[i];
        if (c >= 0x80) {
            bool two = c >= 0xc2 && c <= 0xdf && i + 1 < n && ((unsigned char)s[i + 1] >> 6) == 2;
            if (!two)
                return false;
            c = (c & 0x1f) << 6 | ((unsigned char)s[++i] & 0x3f);
        }
        int byte = byte_of(c);
        if (byte < 0)
            return false;
        out[at++] = (uint8_t)byte;
    }
    *len = at;
    return true;
}
