/* train/prep_lines.c - see prep.h. */
#include <stdio.h>
#include <string.h>

#include "os/team.h"
#include "train/example.h"
#include "train/prep.h"

static void add_bad(wkv_prep_piece *p, uint64_t line, const char *why)
{
    wkv_prep_bad bad = {.line = line};
    snprintf(bad.why, sizeof bad.why, "%.199s", why);
    wkv_strbuf_add(&p->bad, &bad, sizeof bad);
    p->failed = p->failed || !wkv_strbuf_ok(&p->bad);
}

/* The tokens of an example, and the end of the document.  False when a byte of it is not in
 * the vocabulary, after adding the line to the bad ones. */
static bool encode_example(wkv_prep_piece *p, const wkv_tok *t, uint64_t line)
{
    const wkv_example *e = &p->example;
    const int32_t end = 0;
    size_t from = 0, first = p->n;
    for (size_t i = 0; i < wkv_example_runs(e); i++) {
        const wkv_run *run = wkv_example_run(e, i);
        const char *text = e->text.data + from;
        size_t before = p->n, n = run->end - from;
        if (!wkv_prep_encode(p, t, text, n))
            return false;
        size_t at = wkv_tok_covered(t, (const uint8_t *)text, n, p->ids + before, p->n - before);
        if (at < n) {
            char why[80];
            snprintf(why, sizeof why, "byte 0x%02x is not in the vocabulary",
                     (unsigned)(unsigned char)text[at]);
            add_bad(p, line, why);
            p->n = first;
            return false;
        }
        memset(p->learn + before, run->learn, p->n - before);
        from = run->end;
    }
    if (!wkv_prep_reserve(p, 1))
        return false;
    /* What ends a conversation is the assistant's last word, or the user's. */
    p->learn[p->n] = wkv_example_run(e, wkv_example_runs(e) - 1)->learn;
    p->ids[p->n++] = end;
    return true;
}

static void do_line(const wkv_prepare *w, wkv_prep_piece *p, const char *line, size_t n,
                    uint64_t number)
{
    wkv_error err;
    size_t space = 0;
    while (space < n && (line[space] == ' ' || line[space] == '\t' || line[space] == '\r'))
        space++;
    if (space == n)
        return;
    if (n > w->o.longest_line) {
        snprintf(err.text, sizeof err.text, "longer than %llu bytes",
                 (unsigned long long)w->o.longest_line);
        add_bad(p, number, err.text);
        return;
    }
    wkv_example_clear(&p->example);
    wkv_status s = wkv_example_read(&p->example, w->chat, line, n, &err);
    if (s == WKV_E_MEMORY)
        p->failed = true;
    else if (s != WKV_OK)
        add_bad(p, number, err.text);
    else if (encode_example(p, w->tok, number))
        wkv_strbuf_add(&p->ends, &p->n, sizeof p->n);
    p->failed = p->failed || !wkv_strbuf_ok(&p->ends);
}

typedef struct window {
    const wkv_prepare *w;
    const char *text;
} window;

static void do_piece(void *ctx, int i)
{
    const window *v = ctx;
    const char *text = v->text;
    wkv_prep_piece *p = &v->w->piece[i];
    uint64_t number = p->line;
    p->n = 0;
    p->ends.len = p->bad.len = 0;
    for (size_t at = p->begin; at < p->end; number++) {
        const char *stop = memchr(text + at, '\n', p->end - at);
        size_t n = stop != NULL ? (size_t)(stop - text) - at : p->end - at;
        do_line(v->w, p, text + at, n, number);
        at += n + 1;
    }
}

/* Documents and bad lines of a piece, in their order where it matters. */
static wkv_status put_piece(wkv_prepare *w, const wkv_prep_piece *p, const char *input,
                            wkv_error *err)
{
    const wkv_prep_bad *bad = (const wkv_prep_bad *)(const void *)p->bad.data;
    const size_t *end = (const size_t *)(const void *)p->ends.data;
    if (p->failed)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", input);
    for (size_t i = 0; i < p->bad.len / sizeof *bad; i++)
        WKV_TRY(wkv_prep_bad_line(w, input, bad[i].line, bad[i].why, err));
    for (size_t i = 0, from = 0; i < p->ends.len / sizeof *end; from = end[i++]) {
        WKV_TRY(wkv_prep_put(w, p->ids + from, p->learn + from, end[i] - from, err));
        WKV_TRY(wkv_prep_end_document(w, err));
    }
    return WKV_OK;
}

/* Cuts the next pieces of the window at line ends; returns how many. */
static int cut(wkv_prepare *w, const char *text, size_t n, size_t *at, uint64_t *line)
{
    int pieces = 0;
    while (pieces < w->n_pieces && *at < n) {
        wkv_prep_piece *p = &w->piece[pieces++];
        size_t end = n - *at > WKV_PREP_PIECE ? *at + WKV_PREP_PIECE : n;
        const char *stop = end < n ? memchr(text + end, '\n', n - end) : NULL;
        p->begin = *at;
        p->end = end < n && stop != NULL ? (size_t)(stop - text) + 1 : n;
        p->line = *line;
        for (const char *c = text + p->begin; c < text + p->end; c++)
            *line += *c == '\n';
        *at = p->end;
    }
    return pieces;
}

wkv_status wkv_prep_lines(wkv_prepare *w, const char *input, const char *text, size_t n,
                          uint64_t *line, wkv_error *err)
{
    for (size_t at = 0; at < n;) {
        int pieces = cut(w, text, n, &at, line);
        window v = {w, text};
        wkv_team_once(w->threads, do_piece, &v, pieces);
        for (int i = 0; i < pieces; i++)
            WKV_TRY(put_piece(w, &w->piece[i], input, err));
    }
    return WKV_OK;
}
