/* tok/pretok_none.c - stands in for pretok.c in a build without PCRE2: a vocabulary that
 * needs the pattern is refused with a sentence.  Nothing is ever matched. */
#include "tok/pretok.h"

wkv_status wkv_pretok_open(wkv_pretok **out, const char *where, wkv_error *err)
{
    *out = NULL;
    WKV_FAIL(err, WKV_E_UNSUPPORTED,
             "%s: a byte-level BPE vocabulary needs PCRE2, and this build of wkv is without it",
             where);
}

void wkv_pretok_close(wkv_pretok *p)
{
    (void)p;
}

wkv_pretok_match *wkv_pretok_match_new(const wkv_pretok *p)
{
    (void)p;
    return NULL;
}

void wkv_pretok_match_free(wkv_pretok_match *m)
{
    (void)m;
}

size_t wkv_pretok_next(const wkv_pretok *p, wkv_pretok_match *m, const uint8_t *text, size_t n,
                       size_t at)
{
    (void)p, (void)m, (void)text, (void)at;
    return n;
}
