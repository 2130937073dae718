/* base/literal.c - Python's string and bytes literals, as repr() writes them: the
 * escapes \\ \' \" \n \t \r \xNN, and in strings \uNNNN and \UNNNNNNNN.  Anything else
 * is refused, so that a vocabulary is never read in a way it was not meant. */
#include "base/literal.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

typedef struct cursor {
    const uint8_t *p, *end;
    uint8_t *out;
    bool raw; /* a bytes literal */
} cursor;

/* The digits of a vocabulary follow no rule that a processor could guess: hence a table, of
 * values + 1, and no comparisons. */
int wkv_hex_value(uint8_t c)
{
    static const uint8_t above[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    return above[c] - 1;
}

char *wkv_hex_escape(char *to, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    *to++ = '\\';
    *to++ = 'x';
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
    return to;
}

static bool read_hex(cursor *c, int digits, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        int digit = c->p < c->end ? wkv_hex_value(*c->p) : -1;
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
        c->p++;
    }
    return true;
}

static void put_utf8(cursor *c, uint32_t u)
{
    if (u < 0x80) {
        *c->out++ = (uint8_t)u;
    } else if (u < 0x800) {
        *c->out++ = (uint8_t)(0xc0 | u >> 6);
        *c->out++ = (uint8_t)(0x80 | (u & 63));
    } else if (u < 0x10000) {
        *c->out++ = (uint8_t)(0xe0 | u >> 12);
        *c->out++ = (uint8_t)(0x80 | (u >> 6 & 63));
        *c->out++ = (uint8_t)(0x80 | (u & 63));
    } else {
        *c->out++ = (uint8_t)(0xf0 | u >> 18);
        *c->out++ = (uint8_t)(0x80 | (u >> 12 & 63));
        *c->out++ = (uint8_t)(0x80 | (u >> 6 & 63));
        *c->out++ = (uint8_t)(0x80 | (u & 63));
    }
}

static const char *read_number(cursor *c, int digits)
{
    uint32_t u;
    if (!read_hex(c, digits, &u))
        return digits == 2   ? "two hexadecimal digits after \\x"
               : digits == 4 ? "four hexadecimal digits after \\u"
                             : "eight hexadecimal digits after \\U";
    if (c->raw) {
        *c->out++ = (uint8_t)u;
        return NULL;
    }
    if (u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
        return "an escape that is a Unicode character";
    put_utf8(c, u);
    return NULL;
}

/* The escape after a backslash. */
static const char *read_escape(cursor *c)
{
    static const char names[] = "\\'\"ntr", values[] = "\\'\"\n\t\r";
    if (c->p == c->end)
        return "a character after the backslash";
    uint8_t kind = *c->p++;
    if (kind == 'x')
        return read_number(c, 2);
    const char *simple = kind != '\0' ? strchr(names, kind) : NULL;
    if (simple != NULL) {
        *c->out++ = (uint8_t)values[simple - names];
        return NULL;
    }
    if (kind == 'u' && !c->raw)
        return read_number(c, 4);
    if (kind == 'U' && !c->raw)
        return read_number(c, 8);
    return c->raw ? "one of the escapes \\\\ \\' \\\" \\n \\t \\r \\x"
                  : "one of the escapes \\\\ \\' \\\" \\n \\t \\r \\x \\u \\U";
}

/* One character of a string that stands for itself: valid UTF-8, no control character. */
static const char *read_plain(cursor *c)
{
    const uint8_t lead = *c->p;
    if (lead < 0x20 || lead == 0x7f)
        return "control characters to be escaped";
    if (lead < 0x80) { /* nearly all of a vocabulary */
        *c->out++ = *c->p++;
        return NULL;
    }
    if (c->raw)
        return "bytes from 0x80 on to be escaped in a bytes literal";
    const size_t n = wkv_text_character((const char *)c->p, (size_t)(c->end - c->p));
    if (n == 0)
        return "valid UTF-8";
    memcpy(c->out, c->p, n);
    c->out += n;
    c->p += n;
    return NULL;
}

const char *wkv_literal_decode(const char *s, size_t n, uint8_t *out, size_t *len)
{
    cursor c = {.p = (const uint8_t *)s, .end = (const uint8_t *)s + n, .out = out};
    if (n > 0 && *c.p == 'b') {
        c.raw = true;
        c.p++;
    }
    if (c.end - c.p < 2 || (*c.p != '\'' && *c.p != '"') || c.end[-1] != *c.p)
        return "a Python literal in quotes";
    uint8_t quote = *c.p++;
    c.end--;
    while (c.p < c.end) {
        const char *expected;
        if (*c.p == quote)
            return "a quote inside the literal to be escaped";
        if (*c.p == '\\') {
            c.p++;
            expected = read_escape(&c);
        } else {
            expected = read_plain(&c);
        }
        if (expected != NULL)
            return expected;
    }
    *len = (size_t)(c.out - out);
    return NULL;
}
