/* store/utf8.c - see utf8.h. */
#include "store/utf8.h"

#include "base/utf8.h"

bool wkv_text_valid(const char *s, size_t n)
{
    while (n > 0) {
        size_t step = wkv_text_character(s, n);
        if (step == 0)
            return false;
        s += step;
        n -= step;
    }
    return true;
}
