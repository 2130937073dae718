/* apps/cli/cli_input.c - opening models, and reading ids and text in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/term.h"

bool wkv_cli_open(const char *command, const char *path, const wkv_cli_model_opts *o,
                  wkv_model **model, wkv_session **session)
{
    wkv_model_opts opts;
    wkv_error err;
    wkv_model_opts_init(&opts);
    opts.threads = o->threads;
    opts.vocab = o->vocab;
    *session = NULL;
    if (wkv_model_open(model, path, &opts, &err) == WKV_OK) {
        if (wkv_session_open(session, *model, &err) == WKV_OK)
            return true;
        wkv_model_close(model);
    }
    wkv_term_error(command, "%s", err.text);
    return false;
}

FILE *wkv_cli_open_input(const char *command, const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0)
        return stdin;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        wkv_term_error(command, "%s: cannot open: %s", path, strerror(errno));
    return f;
}

void wkv_cli_close_input(FILE *f)
{
    if (f != NULL && f != stdin)
        fclose(f);
}

const char *wkv_cli_short(double v, char *buf)
{
    static const char units[] = " kMGTP";
    int unit = 0;
    while (v >= 999.5 && units[unit + 1] != '\0') {
        v /= 1000.0;
        unit++;
    }
    if (unit == 0)
        snprintf(buf, 32, "%.3g", v);
    else
        snprintf(buf, 32, "%.3g%c", v, units[unit]);
    return buf;
}

/* ---- ids ------------------------------------------------------------------------- */

enum { PIECE = 4096 };

static bool separates(int c)
{
    return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t';
}

/* The next number, its first character being c; -1 when it is none or too large. */
static int64_t read_number(FILE *in, int c, int *next)
{
    int64_t v = 0;
    bool good = c >= '0' && c <= '9';
    for (; good && c >= '0' && c <= '9'; c = getc(in)) {
        v = v * 10 + (c - '0');
        good = v <= INT32_MAX;
    }
    *next = c;
    return good && (separates(c) || c == EOF) ? v : -1;
}

bool wkv_cli_read_ids(const char *command, FILE *in, const char *name,
                      bool (*sink)(void *user, const int32_t *ids, size_t n), void *user)
{
    static int32_t ids[PIECE];
    size_t n = 0, count = 0;
    int c = getc(in);
    while (c != EOF) {
        if (separates(c)) {
            c = getc(in);
            continue;
        }
        int64_t v = read_number(in, c, &c);
        count++;
        if (v < 0) {
            wkv_term_error(command,
                           "%s: item %zu: expected a token id, a whole number from 0 to %d", name,
                           count, INT32_MAX);
            return false;
        }
        ids[n++] = (int32_t)v;
        if (n == PIECE) {
            if (!sink(user, ids, n))
                return false;
            n = 0;
        }
    }
    if (ferror(in)) {
        wkv_term_error(command, "%s: cannot read: %s", name, strerror(errno));
        return false;
    }
    return n == 0 || sink(user, ids, n);
}

/* ---- text ------------------------------------------------------------------------- */

/* The stream, seen through a window that slides over it.  A token is final when even the
 * longest one beginning with it would lie inside the window: the longest match at a place
 * depends on nothing else. */
typedef struct window {
    char *bytes;
    int32_t *ids;
    size_t size, fill;
    uint64_t offset; /* of bytes[0] in the stream */
    size_t longest;  /* bytes of the longest token */
} window;

static bool window_init(window *w, const wkv_tokenizer *t)
{
    *w = (window){.longest = 1};
    for (int32_t id = 0; id < wkv_tokenizer_vocab_size(t); id++) {
        size_t n;
        if (wkv_tokenizer_token(t, id, &n) != NULL && n > w->longest)
            w->longest = n;
    }
    w->size = (size_t)1 << 18;
    while (w->size < 4 * w->longest)
        w->size *= 2;
    w->bytes = malloc(w->size);
    w->ids = malloc(w->size * sizeof *w->ids);
    return w->bytes != NULL && w->ids != NULL;
}

/* Hands on the final tokens of the window and slides it.  NULL when all is well; else
 * the text of a message, which may be empty when the sink has had enough. */
static const char *advance(window *w, const wkv_tokenizer *t, bool last,
                           bool (*sink)(void *user, const int32_t *ids, size_t n), void *user)
{
    static char message[96];
    size_t count = wkv_tokenizer_encode(t, w->bytes, w->fill, w->ids, w->size);
    size_t at = 0, final = 0;
    for (; final < count && (last || at + w->longest <= w->fill); final++) {
        size_t n;
        const char *bytes = wkv_tokenizer_token(t, w->ids[final], &n);
        if (at + n > w->fill || memcmp(bytes, w->bytes + at, n) != 0)
            break; /* the tokenizer left out a byte that no token begins with */
        at += n;
    }
    if (final > 0 && !sink(user, w->ids, final))
        return "";
    if (at < w->fill && (last || at + w->longest <= w->fill)) {
        snprintf(message, sizeof message, "byte 0x%02x at offset %llu is not in the vocabulary",
                 (unsigned)(unsigned char)w->bytes[at], (unsigned long long)(w->offset + at));
        return message;
    }
    memmove(w->bytes, w->bytes + at, w->fill - at);
    w->fill -= at;
    w->offset += at;
    return NULL;
}

bool wkv_cli_encode(const char *command, const wkv_tokenizer *t, FILE *in, const char *name,
                    bool (*sink)(void *user, const int32_t *ids, size_t n), void *user)
{
    window w;
    const char *wrong = window_init(&w, t) ? NULL : "out of memory";
    for (bool last = false; !last && wrong == NULL;) {
        size_t room = w.size - w.fill, got = fread(w.bytes + w.fill, 1, room, in);
        w.fill += got;
        last = got < room;
        if (ferror(in))
            wrong = strerror(errno);
        else
            wrong = advance(&w, t, last, sink, user);
    }
    free(w.bytes);
    free(w.ids);
    if (wrong != NULL && wrong[0] != '\0')
        wkv_term_error(command, "%s: %s", name, wrong);
    return wrong == NULL;
}
