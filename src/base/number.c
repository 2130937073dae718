/* base/number.c - see number.h. */
#include "base/number.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static locale_t plain; /* for good */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* uselocale(0), were there no such locale, changes nothing. */
locale_t wkv_number_enter(void)
{
    pthread_once(&once, make_plain);
    return uselocale(plain);
}

double wkv_number_parse(const char *text, char **end)
{
    locale_t before = wkv_number_enter();
    double v = strtod(text, end);
    uselocale(before);
    return v;
}

int wkv_number_print(char *to, size_t room, const char *format, ...)
{
    va_list args;
    locale_t before = wkv_number_enter();
    va_start(args, format);
    int n = vsnprintf(to, room, format, args);
    va_end(args);
    uselocale(before);
    return n;
}

char *wkv_number_write(char *to, uint64_t v)
{
    char digits[WKV_NUMBER_DIGITS], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    const size_t n = (size_t)(digits + sizeof digits - first);
    memcpy(to, first, n);
    return to + n;
}
