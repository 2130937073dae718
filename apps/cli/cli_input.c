/* apps/cli/cli_input.c - opening models, and reading ids and text in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "common/files.h"
#include "common/term.h"

/* A model that cannot go on for ever says so before it begins. */
static void tell_limit(const char *command, const wkv_model *model)
{
    wkv_model_info info;
    wkv_model_describe(model, &info);
    if (info.max_length > 0)
        fprintf(stderr, "wkv %s: %s keeps every token and was made for %d: no text can be longer\n",
                command, info.arch, (int)info.max_length);
}

const char *wkv_cli_feed_error(const wkv_model *model, const wkv_session *session, size_t n,
                               wkv_status status, char text[WKV_CLI_FEED_ERROR])
{
    wkv_model_info info;
    wkv_model_describe(model, &info);
    if (status != WKV_E_LIMIT)
        return wkv_status_text(status);
    snprintf(text, WKV_CLI_FEED_ERROR,
             "the text ends here: %s was made for %d tokens, and %llu more after %llu pass that",
             info.arch, (int)info.max_length, (unsigned long long)n,
             (unsigned long long)wkv_session_position(session));
    return text;
}

void wkv_cli_fill_model_opts(wkv_model_opts *to, const wkv_cli_model_opts *from)
{
    wkv_model_opts_init(to);
    to->threads = from->threads;
    to->vocab = from->vocab;
    to->adapter = from->adapter;
    to->adapter_alpha = from->adapter_alpha;
    to->adapter_init = from->adapter_init;
    to->state = from->state;
}

bool wkv_cli_spares(const char *command, const char *out, const char *in)
{
    if (out == NULL || in == NULL || !wkv_files_same(out, in))
        return true;
    wkv_term_error(command, "%s: is to be read, and cannot be written", out);
    return false;
}

bool wkv_cli_open(const char *command, const char *path, const wkv_cli_model_opts *o,
                  wkv_model **model, wkv_session **session)
{
    wkv_model_opts opts;
    wkv_error err;
    wkv_cli_fill_model_opts(&opts, o);
    *session = NULL;
    if (wkv_model_open(model, path, &opts, &err) == WKV_OK) {
        if (wkv_session_open(session, *model, &err) == WKV_OK) {
            tell_limit(command, *model);
            return true;
        }
        wkv_model_close(model);
    }
    wkv_term_error(command, "%s", err.text);
    return false;
}

long long wkv_cli_model_bytes(const char *path)
{
    char weights[WKV_PATH_MAX];
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    if (S_ISDIR(st.st_mode) && stat(wkv_files_join(weights, path, "model.safetensors"), &st) != 0)
        return 0;
    return (long long)st.st_size;
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

bool wkv_cli_parse_bytes(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end);
    const char *unit = *end != '\0' ? strchr(units, *end == 'k' ? 'K' : *end) : NULL;
    if (unit != NULL) {
        bool binary = end[1] == 'i';
        for (const char *u = units; u <= unit; u++)
            value *= binary ? 1024 : 1000;
        end += binary ? 2 : 1;
    }
    if (*end == 'B')
        end++;
    if (end == text || *end != '\0' || !(value >= 1 && value < 1e18))
        return false;
    *bytes = (uint64_t)value;
    return true;
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

/* The stream, seen through a window that slides over it, and grows where the tokenizer
 * wants to see more. */
typedef struct window {
    char *bytes;
    int32_t *ids;
    size_t size, fill, n_ids;
    uint64_t offset; /* of bytes[0] in the stream */
} window;

static bool grow(void **p, size_t *n, size_t wanted, size_t size)
{
    if (wanted <= *n)
        return true;
    void *larger = wanted <= SIZE_MAX / size ? realloc(*p, wanted * size) : NULL;
    if (larger == NULL)
        return false;
    *p = larger;
    *n = wanted;
    return true;
}

/* Encodes what is final in the window, *used bytes of which *covered have ids; false when out
 * of memory. */
static bool encode(window *w, const wkv_tokenizer *t, int threads, bool last, size_t *count,
                   size_t *used, size_t *covered)
{
    for (;;) {
        *count = wkv_tokenizer_encode_threads(t, w->bytes, w->fill, last, threads, w->ids, w->n_ids,
                                              used, covered);
        if (*count <= w->n_ids)
            return true;
        if (!grow((void **)&w->ids, &w->n_ids, *count, sizeof *w->ids))
            return false;
    }
}

/* Hands on the final tokens of the window and slides it.  NULL when all is well; else
 * the text of a message, which may be empty when the sink has had enough. */
static const char *advance(window *w, const wkv_tokenizer *t, int threads, bool last,
                           bool (*sink)(void *user, const int32_t *ids, size_t n), void *user)
{
    static char message[96];
    size_t count, used, at;
    if (!encode(w, t, threads, last, &count, &used, &at))
        return "out of memory";
    if (at < used) {
        snprintf(message, sizeof message, "byte 0x%02x at offset %llu is not in the vocabulary",
                 (unsigned)(unsigned char)w->bytes[at], (unsigned long long)(w->offset + at));
        return message;
    }
    if (count > 0 && !sink(user, w->ids, count))
        return "";
    memmove(w->bytes, w->bytes + used, w->fill - used);
    w->fill -= used;
    w->offset += used;
    return NULL;
}

bool wkv_cli_encode(const char *command, const wkv_tokenizer *t, int threads, FILE *in,
                    const char *name, uint64_t *bytes,
                    bool (*sink)(void *user, const int32_t *ids, size_t n), void *user)
{
    /* A second thread wants to be woken seldom. */
    const size_t first = threads == 1 ? (size_t)1 << 18 : (size_t)1 << 22;
    window w = {0};
    const char *wrong = NULL;
    for (bool last = false; !last && wrong == NULL;) {
        size_t wanted = w.size == 0 ? first : w.fill == w.size ? 2 * w.size : w.size;
        if (!grow((void **)&w.bytes, &w.size, wanted, 1) ||
            !grow((void **)&w.ids, &w.n_ids, wanted, sizeof *w.ids)) {
            wrong = "out of memory";
            break;
        }
        size_t room = w.size - w.fill, got = fread(w.bytes + w.fill, 1, room, in);
        w.fill += got;
        if (bytes != NULL)
            *bytes += got;
        last = got < room;
        wrong = ferror(in) ? strerror(errno) : advance(&w, t, threads, last, sink, user);
    }
    free(w.bytes);
    free(w.ids);
    if (wrong != NULL && wrong[0] != '\0')
        wkv_term_error(command, "%s: %s", name, wrong);
    return wrong == NULL;
}
