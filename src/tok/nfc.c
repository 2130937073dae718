/* tok/nfc.c - NFC through utf8proc.
 *
 * The text is composed piece by piece, each small enough for the stack and cut before a
 * character that never joins what stands before it.  utf8proc sorts marks in quadratic
 * time; the bound on a piece keeps hostile text from being slow.  A piece without such a
 * place, a kilobyte of marks, is cut before the last character that is no mark, if any. */
#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "tok/nfc.h"

/* No byte of a character expands to more than two: the worst are two bytes that become
 * three characters. */
enum { PIECE = 1024, ROOM = 2 * PIECE };

/* The characters below U+0300 are normal, and begin with a byte below this. */
enum { FIRST_SUSPECT = 0xcc };

static bool suspect(const uint8_t *text, size_t n)
{
    uint8_t highest = 0;
    for (size_t i = 0; i < n; i++)
        highest = text[i] > highest ? text[i] : highest;
    return highest >= FIRST_SUSPECT;
}

/* True for characters, of the scripts with much text, that no character before them
 * composes with or is sorted past. */
static bool stands_alone(int32_t c)
{
    static const int32_t range[][2] = {{0, 0x2ff},       {0x370, 0x482},   {0x3001, 0x3029},
                                       {0x3041, 0x3096}, {0x30a0, 0x30ff}, {0x4e00, 0x9fff},
                                       {0xac00, 0xd7a3}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (c >= range[i][0] && c <= range[i][1])
            return true;
    return false;
}

/* How much of the n >= 1 bytes makes the next piece. */
static size_t piece_end(const uint8_t *text, size_t n)
{
    size_t clean = 0, starter = 0, at = 0;
    while (at < n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t size = utf8proc_iterate(text + at, (utf8proc_ssize_t)(n - at), &c);
        if (size < 1 || at + (size_t)size > PIECE)
            break;
        if (stands_alone(c))
            clean = at;
        if (utf8proc_get_property(c)->combining_class == 0)
            starter = at;
        at += (size_t)size;
    }
    if (at == n)
        return n;
    return clean > 0 ? clean : starter > 0 ? starter : at > 0 ? at : 1;
}

/* Composes one piece; returns the bytes written. */
static size_t compose(const uint8_t *text, size_t n, uint8_t *out)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_int32_t chars[ROOM];
    utf8proc_ssize_t count =
        utf8proc_decompose(text, (utf8proc_ssize_t)n, chars, ROOM, UTF8PROC_DECOMPOSE);
    if (count >= 0 && count <= ROOM)
        count = utf8proc_normalize_utf32(chars, count, options);
    if (count < 0 || count > ROOM) {
        memcpy(out, text, n);
        return n;
    }
    size_t len = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        len += (size_t)utf8proc_encode_char(chars[i], out + len);
    return len;
}

const uint8_t *wkv_nfc(const uint8_t *text, size_t n, uint8_t *out, size_t *len)
{
    *len = n;
    if (!suspect(text, n))
        return text;
    size_t at = 0, written = 0;
    while (at < n) {
        size_t size = piece_end(text + at, n - at);
        written += compose(text + at, size, out + written);
        at += size;
    }
    *len = written;
    return out;
}
