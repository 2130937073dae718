/* tok/pretok.c - GPT-2's pattern through PCRE2.
 *
 * White space is spelled out, because \s means other characters to PCRE2 than to those
 * who made the vocabularies.  The pattern is anchored when compiled, since a match that
 * is anchored later leaves the compiled code for the interpreter.  What limits a match
 * cannot be met by the texts that come here, which are cut before; if one ever is, the
 * rest of the text is one word, and nothing is lost. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "tok/pretok.h"

#define SPACE "\\p{Z}\\x09-\\x0d\\x{85}"
static const char pattern[] = "'s|'t|'re|'ve|'m|'ll|'d"
                              "| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+"
                              "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+";

enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 1024 };

struct wkv_pretok {
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_code *code;
};

/* One match: its two offsets. */
struct wkv_pretok_match {
    pcre2_match_data *data;
};

static void *allocate(size_t n, void *user)
{
    (void)user;
    return wkv_malloc(n);
}

static void release(void *p, void *user)
{
    (void)user;
    wkv_free(p);
}

static wkv_status compile(wkv_pretok *p, const char *where, wkv_error *err)
{
    int code;
    PCRE2_SIZE at;
    p->memory = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *c = p->memory != NULL ? pcre2_compile_context_create(p->memory) : NULL;
    p->limits = c != NULL ? pcre2_match_context_create(p->memory) : NULL;
    if (p->limits != NULL)
        p->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_ANCHORED, &code, &at, c);
    pcre2_compile_context_free(c);
    if (p->limits == NULL || (p->code == NULL && code == PCRE2_ERROR_HEAP_FAILED))
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    if (p->code == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "%s: this PCRE2 does not know the pattern that cuts text into words", where);
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    /* Where code may not be generated, the interpreter finds the same words. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    return WKV_OK;
}

wkv_status wkv_pretok_open(wkv_pretok **out, const char *where, wkv_error *err)
{
    *out = NULL;
    wkv_pretok *p = wkv_calloc(1, sizeof *p);
    if (p == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    wkv_status s = compile(p, where, err);
    if (s != WKV_OK) {
        wkv_pretok_close(p);
        return s;
    }
    *out = p;
    return WKV_OK;
}

void wkv_pretok_close(wkv_pretok *p)
{
    if (p == NULL)
        return;
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->memory);
    wkv_free(p);
}

wkv_pretok_match *wkv_pretok_match_new(const wkv_pretok *p)
{
    wkv_pretok_match *m = wkv_calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->data = pcre2_match_data_create(1, p->memory);
    if (m->data == NULL) {
        wkv_free(m);
        return NULL;
    }
    return m;
}

void wkv_pretok_match_free(wkv_pretok_match *m)
{
    if (m == NULL)
        return;
    pcre2_match_data_free(m->data);
    wkv_free(m);
}

size_t wkv_pretok_next(const wkv_pretok *p, wkv_pretok_match *m, const uint8_t *text, size_t n,
                       size_t at)
{
    int found = pcre2_match(p->code, text, n, at, PCRE2_NO_UTF_CHECK, m->data, p->limits);
    if (found < 1)
        return n;
    size_t end = pcre2_get_ovector_pointer(m->data)[1];
    return end > at ? end : n;
}
