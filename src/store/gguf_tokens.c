/* store/gguf_tokens.c - the text of a World vocabulary as GGUF's arrays of tokens and of
 * their types: every id from 0 on, its bytes escaped as Python does, without quotes.
 *
 * The text is one that a tokenizer could open; what looks otherwise is refused. */
#include <inttypes.h>
#include <string.h>

#include "base/literal.h"
#include "base/mem.h"
#include "store/bytes.h"
#include "store/gguf.h"

enum { MAX_TOKENS = 1 << 20, TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_UNUSED = 5 };

typedef struct writing {
    wkv_strbuf *tokens, *types;
    uint64_t next, count; /* the id that comes next, of so many */
    wkv_strbuf token;     /* the one in hand, escaped */
    uint8_t *bytes;       /* room for one */
} writing;

static void put_token(writing *w, uint32_t type)
{
    uint8_t number[8];
    wkv_put_u64(number, w->token.len);
    wkv_strbuf_add(w->tokens, number, 8);
    wkv_strbuf_add(w->tokens, w->token.data, w->token.len);
    wkv_put_u32(number, type);
    wkv_strbuf_add(w->types, number, 4);
    w->token.len = 0;
    w->next++;
}

/* What stands where the vocabulary has no token, up to `id`. */
static void put_gap(writing *w, uint64_t id)
{
    while (w->next < id) {
        const bool first = w->next == 0;
        if (first)
            wkv_strbuf_puts(&w->token, "<s>");
        else
            wkv_strbuf_printf(&w->token, "[PAD%" PRIu64 "]", w->next);
        put_token(w, first ? TYPE_CONTROL : TYPE_UNUSED);
    }
}

static void escape(wkv_strbuf *b, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t c = bytes[i];
        if (c == '\n')
            wkv_strbuf_puts(b, "\\n");
        else if (c == '\t')
            wkv_strbuf_puts(b, "\\t");
        else if (c == '\r')
            wkv_strbuf_puts(b, "\\r");
        else if (c == '\\')
            wkv_strbuf_puts(b, "\\\\");
        else if (c < 0x20 || c > 0x7e)
            wkv_strbuf_hex(b, c);
        else
            wkv_strbuf_add(b, &c, 1);
    }
}

/* "ID LITERAL LENGTH", without the end of the line. */
static bool put_line(writing *w, const char *line, const char *end)
{
    uint64_t id = 0;
    const char *p = line;
    for (; p < end && *p >= '0' && *p <= '9' && id < w->count; p++)
        id = id * 10 + (uint64_t)(*p - '0');
    if (p == line || p == end || *p != ' ' || id < w->next || id >= w->count)
        return false;
    const char *last = end - 1;
    while (last > p && *last != ' ')
        last--;
    size_t n;
    if (last == p || wkv_literal_decode(p + 1, (size_t)(last - p - 1), w->bytes, &n) != NULL ||
        n == 0)
        return false;
    put_gap(w, id);
    escape(&w->token, w->bytes, n);
    put_token(w, TYPE_NORMAL);
    return true;
}

static wkv_status put_lines(writing *w, const char *text, size_t n, wkv_error *err)
{
    const char *end = text + n;
    size_t number = 1;
    for (const char *line = text; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline != NULL ? newline : end, *next = stop + (newline != NULL);
        if (stop > line && stop[-1] == '\r')
            stop--;
        if (!put_line(w, line, stop))
            WKV_FAIL(
                err, WKV_E_FORMAT,
                "line %zu of the vocabulary is none, or its id not one of the model's %" PRIu64,
                number, w->count);
        line = next;
    }
    put_gap(w, w->count);
    if (!wkv_strbuf_ok(w->tokens) || !wkv_strbuf_ok(w->types) || !wkv_strbuf_ok(&w->token))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the vocabulary");
    return WKV_OK;
}

wkv_status wkv_gguf_tokens(wkv_strbuf *tokens, wkv_strbuf *types, const char *text, size_t n,
                           uint64_t count, wkv_error *err)
{
    writing w = {.tokens = tokens, .types = types, .count = count};
    if (count > MAX_TOKENS)
        WKV_FAIL(err, WKV_E_LIMIT, "a vocabulary of %" PRIu64 " ids is larger than %d", count,
                 MAX_TOKENS);
    wkv_strbuf_init(&w.token);
    w.bytes = wkv_malloc(n + 1);
    wkv_status status = w.bytes != NULL
                            ? put_lines(&w, text, n, err)
                            : WKV_SET(err, WKV_E_MEMORY, "out of memory for the vocabulary");
    wkv_free(w.bytes);
    wkv_strbuf_deinit(&w.token);
    return status;
}
