/* train/prepare.c - see wkv/prepare.h and prep.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/prep.h"

enum { DEFAULT_LONGEST = 64 << 20 };

void wkv_prepare_opts_init(wkv_prepare_opts *o)
{
    *o = (wkv_prepare_opts){
        .vocab = "bytes",
        .chat_template = "world",
        .longest_line = DEFAULT_LONGEST,
    };
}

const char *wkv_chat_templates(void)
{
    return "world|chatml|alpaca";
}

/* ---- opening and closing ------------------------------------------------------------------ */

static wkv_status setup(wkv_prepare *p, const char *prefix, const wkv_prepare_opts *o,
                        wkv_error *err)
{
    p->chat = wkv_chat_find(o->chat_template);
    if (p->chat == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "template: \"%s\" is not known, expected one of %s",
                 o->chat_template != NULL ? o->chat_template : "(none)", wkv_chat_templates());
    if (o->vocab == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "vocab: \"bytes\" or a vocabulary file is needed");
    if (o->longest_line < 1)
        WKV_FAIL(err, WKV_E_ARGUMENT, "longest-line: expected 1 byte or more, found 0");
    if (o->threads < 0 || o->threads > 4096)
        WKV_FAIL(err, WKV_E_ARGUMENT, "threads: %d is out of range, expected 0 to 4096",
                 o->threads);
    p->o = *o;
    p->o.vocab = p->o.chat_template = NULL;
    p->threads = o->threads > 0 ? o->threads : wkv_cpu_count();
    p->n_pieces = p->threads * WKV_PREP_PIECES;
    p->window_size = (size_t)p->n_pieces * WKV_PREP_PIECE;
    WKV_TRY(wkv_tok_open_spec(&p->tok, o->vocab, err));
    p->piece = wkv_calloc((size_t)p->n_pieces, sizeof *p->piece);
    p->window = wkv_malloc(p->window_size);
    if (p->piece == NULL || p->window == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for %zu bytes of text", p->window_size);
    WKV_TRY(wkv_binidx_out_init(&p->out, prefix, p->tok->vocab_size, err));
    p->report.shortest = UINT64_MAX;
    p->report.id_bytes = p->out.id_bytes;
    return WKV_OK;
}

wkv_status wkv_prepare_open(wkv_prepare **out, const char *prefix, const wkv_prepare_opts *o,
                            wkv_error *err)
{
    *out = NULL;
    wkv_prepare *p = wkv_calloc(1, sizeof *p);
    if (p == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a preparer");
    wkv_status s = setup(p, prefix, o, err);
    if (s != WKV_OK)
        wkv_prepare_close(&p);
    *out = p;
    return s;
}

void wkv_prepare_close(wkv_prepare **pp)
{
    wkv_prepare *p = *pp;
    if (p == NULL)
        return;
    for (int i = 0; p->piece != NULL && i < p->n_pieces; i++) {
        wkv_free(p->piece[i].ids);
        wkv_free(p->piece[i].learn);
        wkv_strbuf_deinit(&p->piece[i].ends);
        wkv_strbuf_deinit(&p->piece[i].bad);
        wkv_example_deinit(&p->piece[i].example);
    }
    wkv_free(p->piece);
    wkv_free(p->window);
    wkv_binidx_out_deinit(&p->out);
    wkv_tok_close(&p->tok);
    wkv_free(p);
    *pp = NULL;
}

static wkv_status check_open(const wkv_prepare *p, wkv_error *err)
{
    if (p->ended != NULL)
        WKV_FAIL(err, WKV_E_STATE, "%s: %s; the preparer can only be closed", p->out.prefix,
                 p->ended);
    return WKV_OK;
}

wkv_status wkv_prepare_finish(wkv_prepare *p, wkv_error *err)
{
    WKV_TRY(check_open(p, err));
    if (p->report.documents == 0)
        WKV_FAIL(err, WKV_E_MISSING, "%s: no document was read; nothing is written", p->out.prefix);
    p->report.masked = p->out.mask != NULL;
    p->ended = "finish was called before";
    return wkv_binidx_out_finish(&p->out, err);
}

void wkv_prepare_describe(const wkv_prepare *p, wkv_prepare_report *out)
{
    *out = p->report;
    out->masked = out->masked || p->out.mask != NULL;
    out->shortest = out->documents > 0 ? out->shortest : 0;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

bool wkv_prep_reserve(wkv_prep_piece *p, size_t n)
{
    if (n <= p->room - p->n)
        return true;
    size_t room = p->n + n > 2 * p->room ? p->n + n : 2 * p->room;
    int32_t *ids = room <= SIZE_MAX / sizeof *ids ? wkv_realloc(p->ids, room * sizeof *ids) : NULL;
    p->ids = ids != NULL ? ids : p->ids;
    uint8_t *learn = ids != NULL ? wkv_realloc(p->learn, room) : NULL;
    p->learn = learn != NULL ? learn : p->learn;
    p->failed = learn == NULL;
    p->room = learn != NULL ? room : p->room;
    return learn != NULL;
}

bool wkv_prep_encode(wkv_prep_piece *p, const wkv_tok *t, const char *text, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t wanted = n / 2 + 16;;) {
        if (!wkv_prep_reserve(p, wanted))
            return false;
        size_t count = t->kind->encode(t, bytes, n, p->ids + p->n, p->room - p->n);
        if (count <= p->room - p->n) {
            p->n += count;
            return true;
        }
        wanted = count;
    }
}

/* ---- documents ------------------------------------------------------------------------------- */

wkv_status wkv_prep_put(wkv_prepare *p, const int32_t *ids, const uint8_t *learn, size_t n,
                        wkv_error *err)
{
    wkv_prepare_sample *s = &p->current;
    for (size_t i = 0; i < n && s->n < WKV_PREPARE_SAMPLE_TOKENS; i++) {
        s->learnt[s->n] = learn == NULL || learn[i] != 0;
        s->id[s->n++] = ids[i];
    }
    for (size_t i = 0; i < n && learn != NULL; i++)
        p->learnt += learn[i] != 0;
    p->learnt += learn == NULL ? n : 0;
    p->length += n;
    return wkv_binidx_out_add(&p->out, ids, learn, n, err);
}

/* The first document is a sample, and of the others two that a hash of their number chose. */
static void keep_sample(wkv_prepare *p)
{
    wkv_prepare_report *r = &p->report;
    uint64_t hash = wkv_splitmix64(r->documents), slot = (uint64_t)r->samples;
    p->current.document = r->documents;
    if (r->samples == WKV_PREPARE_SAMPLES) {
        if (hash % r->documents >= WKV_PREPARE_SAMPLES - 1)
            return;
        slot = 1 + (hash >> 32) % (WKV_PREPARE_SAMPLES - 1);
    } else {
        r->samples++;
    }
    r->sample[slot] = p->current;
}

wkv_status wkv_prep_end_document(wkv_prepare *p, wkv_error *err)
{
    wkv_prepare_report *r = &p->report;
    int bucket = 0;
    while (p->length >> (bucket + 1) != 0 && bucket + 1 < WKV_PREPARE_LENGTHS)
        bucket++;
    keep_sample(p);
    r->lengths[bucket]++;
    r->shortest = p->length < r->shortest ? p->length : r->shortest;
    r->longest = p->length > r->longest ? p->length : r->longest;
    r->tokens += p->length;
    r->learnt += p->learnt;
    r->documents++;
    p->length = p->learnt = 0;
    p->current.n = 0;
    return wkv_binidx_out_end_document(&p->out, err);
}

wkv_status wkv_prep_bad_line(wkv_prepare *p, const char *input, uint64_t line, const char *why,
                             wkv_error *err)
{
    p->report.bad++;
    if (p->o.strict)
        WKV_FAIL(err, WKV_E_FORMAT, "%s: line %llu: %s", input, (unsigned long long)line, why);
    if (p->o.bad_line != NULL)
        p->o.bad_line(p->o.user, input, line, why);
    return WKV_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct reader {
    wkv_prepare *p;
    FILE *file;
    const char *name;
    size_t fill;     /* bytes of the window that wait */
    uint64_t offset; /* of the window's first byte in the input */
    bool end;
    wkv_error *err;
} reader;

static wkv_status tell(const wkv_prepare *p, wkv_error *err)
{
    const wkv_prepare_progress now = {p->report.bytes, p->report.documents,
                                      p->report.tokens + p->length, p->report.bad};
    if (p->o.progress != NULL && !p->o.progress(p->o.user, &now))
        WKV_FAIL(err, WKV_E_STATE, "stopped; nothing is written");
    return WKV_OK;
}

/* Fills the window, as far as the input goes. */
static wkv_status fill(reader *r)
{
    wkv_prepare *p = r->p;
    while (!r->end && r->fill < p->window_size) {
        errno = 0;
        size_t got = fread(p->window + r->fill, 1, p->window_size - r->fill, r->file);
        r->fill += got;
        p->report.bytes += got;
        if (ferror(r->file) && errno == EINTR) {
            clearerr(r->file);
            WKV_TRY(tell(p, r->err));
        } else if (ferror(r->file)) {
            WKV_FAIL(r->err, WKV_E_IO, "%s: cannot read: %s", r->name, strerror(errno));
        } else {
            r->end = feof(r->file) != 0;
        }
    }
    return WKV_OK;
}

static void drop(reader *r, size_t n)
{
    memmove(r->p->window, r->p->window + n, r->fill - n);
    r->fill -= n;
    r->offset += n;
}

/* A longer window, for a line or token that does not fit. */
static wkv_status widen(reader *r)
{
    wkv_prepare *p = r->p;
    size_t size = 2 * p->window_size;
    char *wider = size > p->window_size ? wkv_realloc(p->window, size) : NULL;
    if (wider == NULL)
        WKV_FAIL(r->err, WKV_E_MEMORY, "%s: out of memory for %zu bytes of text", r->name, size);
    p->window = wider;
    p->window_size = size;
    return WKV_OK;
}

static wkv_status read_text(reader *r)
{
    for (bool done = false; !done;) {
        size_t used;
        WKV_TRY(fill(r));
        done = r->end;
        WKV_TRY(
            wkv_prep_text(r->p, r->name, r->p->window, r->fill, r->end, r->offset, &used, r->err));
        if (used == 0 && !done)
            WKV_TRY(widen(r));
        drop(r, used);
        WKV_TRY(tell(r->p, r->err));
    }
    if (r->p->length == 0)
        return wkv_prep_bad_line(r->p, r->name, 1, "an empty text", r->err);
    const int32_t end = 0;
    WKV_TRY(wkv_prep_put(r->p, &end, NULL, 1, r->err));
    return wkv_prep_end_document(r->p, r->err);
}

/* Bytes up to and with the last line end; all at the end of the input. */
static size_t whole_lines(const reader *r)
{
    size_t n = r->fill;
    while (!r->end && n > 0 && r->p->window[n - 1] != '\n')
        n--;
    return n;
}

/* Passes over the rest of a line that is too long to be held. */
static wkv_status skip_line(reader *r, uint64_t *line)
{
    char why[64];
    snprintf(why, sizeof why, "longer than %llu bytes", (unsigned long long)r->p->o.longest_line);
    WKV_TRY(wkv_prep_bad_line(r->p, r->name, *line, why, r->err));
    for (const char *stop = NULL; stop == NULL;) {
        stop = memchr(r->p->window, '\n', r->fill);
        drop(r, stop != NULL ? (size_t)(stop - r->p->window) + 1 : r->fill);
        if (stop == NULL && r->end)
            return WKV_OK;
        WKV_TRY(fill(r));
        WKV_TRY(tell(r->p, r->err));
    }
    ++*line;
    return WKV_OK;
}

static wkv_status read_lines(reader *r)
{
    uint64_t line = 1;
    do {
        WKV_TRY(fill(r));
        size_t n = whole_lines(r);
        if (n == 0 && r->fill > r->p->o.longest_line) {
            WKV_TRY(skip_line(r, &line));
            continue;
        }
        if (n == 0 && r->fill > 0) {
            WKV_TRY(widen(r));
            continue;
        }
        WKV_TRY(wkv_prep_lines(r->p, r->name, r->p->window, n, &line, r->err));
        drop(r, n);
        WKV_TRY(tell(r->p, r->err));
    } while (!r->end || r->fill > 0);
    r->p->report.lines += line;
    return WKV_OK;
}

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static bool is_lines(const reader *r, const char *path, wkv_input kind)
{
    size_t i = 0;
    if (kind != WKV_INPUT_AUTO)
        return kind == WKV_INPUT_JSONL;
    if (ends_in(path, ".txt") || ends_in(path, ".md"))
        return false;
    while (i < r->fill && strchr(" \t\r\n", r->p->window[i]) != NULL && r->p->window[i] != '\0')
        i++;
    return ends_in(path, ".jsonl") || ends_in(path, ".ndjson") || ends_in(path, ".json") ||
           (i < r->fill && r->p->window[i] == '{');
}

/* Any bytes would make tokens, if of no use. */
static const char *compressed_by(const reader *r)
{
    static const struct {
        const char *by, *begin;
        size_t n;
    } marks[] = {
        {"gzip", "\x1f\x8b\x08", 3}, {"zstd", "\x28\xb5\x2f\xfd", 4}, {"xz", "\xfd\x37zXZ\0", 6}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (r->fill >= marks[i].n && memcmp(r->p->window, marks[i].begin, marks[i].n) == 0)
            return marks[i].by;
    return NULL;
}

static wkv_status read_input(reader *r, const char *path, wkv_input kind)
{
    WKV_TRY(fill(r));
    if (kind == WKV_INPUT_AUTO && compressed_by(r) != NULL)
        WKV_FAIL(r->err, WKV_E_FORMAT,
                 "%s: compressed by %s; unpack it first, perhaps into standard input", r->name,
                 compressed_by(r));
    if (r->fill >= 3 && memcmp(r->p->window, "\xef\xbb\xbf", 3) == 0)
        drop(r, 3); /* a byte order mark is no text */
    if (!is_lines(r, path, kind))
        return read_text(r);
    if (r->fill > 0 && r->p->window[0] == '[')
        WKV_FAIL(r->err, WKV_E_FORMAT,
                 "%s: begins with '[': expected one JSON object a line, not a list of them",
                 r->name);
    return read_lines(r);
}

static wkv_status add(wkv_prepare *p, const char *path, wkv_input kind, wkv_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    reader r = {.p = p, .name = standard ? "standard input" : path, .err = err};
    r.file = standard ? stdin : fopen(path, "rb");
    if (r.file == NULL)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot open: %s", path, strerror(errno));
    wkv_status s = read_input(&r, path, kind);
    if (!standard)
        fclose(r.file);
    p->report.inputs++;
    return s;
}

wkv_status wkv_prepare_add(wkv_prepare *p, const char *path, wkv_input kind, wkv_error *err)
{
    WKV_TRY(check_open(p, err));
    wkv_status s = add(p, path, kind, err);
    if (s != WKV_OK)
        p->ended = "an input failed before";
    return s;
}
