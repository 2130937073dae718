/* tok/utf8.c - holding back the unfinished end of a UTF-8 stream.
 *
 * Only an end that could still become a character is held: a lead byte and fewer
 * continuation bytes than it asks for, each in its allowed range.  Whatever can never
 * become valid is passed on at once, so nothing is lost and nothing waits for ever. */
#include <stdbool.h>
#include <string.h>

#include <wkv/tokenizer.h>

#include "tok/utf8.h"

/* Bytes of the character that `lead` begins; 1 when it begins none. */
static size_t char_length(unsigned char lead)
{
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 1;
}

/* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
static bool second_ok(unsigned char lead, unsigned char c)
{
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return c >= low && c <= high;
}

/* True when s (n bytes) is the beginning, not the whole, of some character. */
static bool unfinished(const unsigned char *s, size_t n)
{
    if (n >= char_length(s[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return false;
    return n < 2 || second_ok(s[0], s[1]);
}

size_t wkv_utf8_push(wkv_utf8 *u, const char *bytes, size_t n, char *out)
{
    size_t total = u->n + n;
    memcpy(out, u->tail, u->n);
    if (n > 0)
        memcpy(out + u->n, bytes, n);
    size_t hold = total < 3 ? total : 3;
    const unsigned char *end = (const unsigned char *)out + total;
    while (hold > 0 && !unfinished(end - hold, hold))
        hold--;
    memcpy(u->tail, end - hold, hold);
    u->n = (uint8_t)hold;
    return total - hold;
}

size_t wkv_utf8_flush(wkv_utf8 *u, char *out)
{
    size_t n = u->n;
    memcpy(out, u->tail, n);
    u->n = 0;
    return n;
}

/* The length of the whole, well-formed character at s (n >= 1 bytes); 0 when none is. */
static size_t whole(const unsigned char *s, size_t n)
{
    size_t len = char_length(s[0]);
    if (len == 1)
        return s[0] < 0x80;
    if (len > n || !second_ok(s[0], s[1]))
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t wkv_utf8_valid(const uint8_t *s, size_t n)
{
    static const uint64_t high = 0x8080808080808080u;
    size_t at = 0, len;
    while (at < n) {
        uint64_t eight = high;
        if (n - at >= sizeof eight)
            memcpy(&eight, s + at, sizeof eight);
        if ((eight & high) == 0)
            at += sizeof eight;
        else if ((len = whole(s + at, n - at)) > 0)
            at += len;
        else
            break;
    }
    return at;
}

size_t wkv_utf8_invalid(const uint8_t *s, size_t n)
{
    size_t at = 1;
    while (at < n && whole(s + at, n - at) == 0)
        at++;
    return at;
}
