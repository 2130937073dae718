/* train/data.c - see data.h. */
#include "train/data.h"

#include <assert.h>
#include <string.h>

#include "base/crc32.h"
#include "base/mem.h"
#include "base/strbuf.h"

enum { FINGERPRINT_PIECES = 1024, PIECE_BYTES = 65536 };

/* ---- opening ------------------------------------------------------------------------- */

/* "<prefix><suffix>" on the heap; NULL when out of memory. */
static char *with_suffix(const char *prefix, const char *suffix)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_puts(&b, prefix);
    wkv_strbuf_puts(&b, suffix);
    return wkv_strbuf_take(&b);
}

/* The mask of PREFIX is a binidx of bytes, one a token. */
static wkv_status open_mask(wkv_data *d, const char *bin, const char *idx, wkv_error *err)
{
    wkv_map index = {0};
    wkv_binidx mask = {0};
    wkv_status s = wkv_map_open(&index, idx, err);
    if (s == WKV_OK)
        s = wkv_map_open(&d->mask, bin, err);
    if (s == WKV_OK)
        s = wkv_binidx_parse(&mask, idx, index.data, index.size, d->mask.size, err);
    if (s == WKV_OK && (mask.type.bytes != 1 || mask.tokens != d->n))
        s = WKV_SET(err, WKV_E_FORMAT, "%s: a mask of %llu tokens of %d bytes, expected %llu of 1",
                    bin, (unsigned long long)mask.tokens, mask.type.bytes,
                    (unsigned long long)d->n);
    d->learn = d->mask.data;
    wkv_map_close(&index);
    return s;
}

static bool ends_with_0(const wkv_data *d, uint64_t document)
{
    uint64_t end = wkv_data_document(d, document + 1);
    const uint8_t *last = d->ids + (end - 1) * (uint64_t)d->type.bytes;
    bool zero = end > wkv_data_document(d, document);
    for (int i = 0; zero && i < d->type.bytes; i++)
        zero = last[i] == 0;
    return zero;
}

static wkv_status open_binidx(wkv_data *d, const char *bin, const char *idx, wkv_error *err)
{
    WKV_TRY(wkv_map_open(&d->index, idx, err));
    WKV_TRY(wkv_map_open(&d->map, bin, err));
    WKV_TRY(wkv_binidx_parse(&d->documents, idx, d->index.data, d->index.size, d->map.size, err));
    d->ids = d->map.data;
    d->type = d->documents.type;
    d->n = d->documents.tokens;
    uint64_t n = d->documents.documents;
    d->ended = n > 0 && ends_with_0(d, 0) && ends_with_0(d, n - 1);
    return WKV_OK;
}

/* Halves the memory of ids that fit in 16 bits.  Works in place: id i is read before the
 * bytes that hold it are written, since it moves towards the start. */
static void pack16(wkv_data *d)
{
    unsigned char *bytes = d->heap;
    for (size_t i = 0; i < d->n; i++) {
        int32_t wide;
        memcpy(&wide, bytes + 4 * i, sizeof wide);
        bytes[2 * i] = (unsigned char)(wide & 0xff);
        bytes[2 * i + 1] = (unsigned char)(wide >> 8 & 0xff);
    }
    d->type = (wkv_id_type){2, false};
    void *smaller = wkv_realloc(d->heap, 2 * d->n);
    if (smaller != NULL)
        d->heap = smaller;
}

/* The n ids of the text into the heap.  A byte that the vocabulary lacks is not passed
 * over: the model would learn another text. */
static wkv_status encode_all(wkv_data *d, const wkv_tok *tok, const wkv_map *text, size_t n,
                             wkv_error *err)
{
    size_t size = (size_t)text->size;
    tok->kind->encode(tok, text->data, size, d->heap, n);
    size_t covered = wkv_tok_covered(tok, text->data, size, d->heap, n);
    if (covered < size)
        WKV_FAIL(err, WKV_E_TOKEN, "%s: byte 0x%02x at offset %zu is not in the vocabulary",
                 d->path, text->data[covered], covered);
    return WKV_OK;
}

/* Whether the path is that of one of two files, "x.bin" and "x.idx", which both exist. */
static bool is_half(const char *path)
{
    const size_t n = strlen(path);
    bool half = n > 4 && (strcmp(path + n - 4, ".bin") == 0 || strcmp(path + n - 4, ".idx") == 0);
    char *prefix = half ? wkv_strndup(path, n - 4) : NULL;
    char *bin = prefix != NULL ? with_suffix(prefix, ".bin") : NULL;
    char *idx = prefix != NULL ? with_suffix(prefix, ".idx") : NULL;
    half = bin != NULL && idx != NULL && wkv_path_exists(bin) && wkv_path_exists(idx);
    wkv_free(idx);
    wkv_free(bin);
    wkv_free(prefix);
    return half;
}

static wkv_status open_text(wkv_data *d, const wkv_tok *tok, wkv_error *err)
{
    if (is_half(d->path))
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: one of the two files of a set, and no text; data must be their PREFIX, %.*s",
                 d->path, (int)strlen(d->path) - 4, d->path);
    if (tok == NULL)
        WKV_FAIL(
            err, WKV_E_ARGUMENT,
            "%s: a text file needs a vocabulary (\"bytes\" or a vocabulary file); without one, "
            "data must be a PREFIX of PREFIX.bin and PREFIX.idx",
            d->path);
    wkv_map text;
    WKV_TRY(wkv_map_open(&text, d->path, err));
    size_t n = tok->kind->encode(tok, text.data, (size_t)text.size, NULL, 0);
    d->heap = n <= SIZE_MAX / sizeof(int32_t) ? wkv_malloc(n * sizeof(int32_t)) : NULL;
    wkv_status s = d->heap != NULL
                       ? encode_all(d, tok, &text, n, err)
                       : WKV_SET(err, WKV_E_MEMORY, "%s: out of memory for %zu tokens", d->path, n);
    wkv_map_close(&text);
    if (s != WKV_OK)
        return s;
    d->n = n;
    d->type = (wkv_id_type){4, true};
    if (tok->vocab_size <= 65536)
        pack16(d);
    d->ids = d->heap;
    return WKV_OK;
}

/* The mask, where there is one: half of one would let all be learnt. */
static wkv_status open_mask_if_any(wkv_data *d, const char *bin, const char *idx, wkv_error *err)
{
    const bool has_bin = wkv_path_exists(bin), has_idx = wkv_path_exists(idx);
    if (has_bin && has_idx)
        return open_mask(d, bin, idx, err);
    if (has_bin || has_idx)
        WKV_FAIL(err, WKV_E_MISSING, "%s: absent, but %s is there: a mask is both files, or none",
                 has_bin ? idx : bin, has_bin ? bin : idx);
    return WKV_OK;
}

/* A binidx pair when both files exist, with its mask. */
static wkv_status open_either(wkv_data *d, const wkv_tok *tok, wkv_error *err)
{
    static const char *const suffix[] = {".bin", ".idx", ".mask.bin", ".mask.idx"};
    char *file[4];
    bool made = true;
    for (int i = 0; i < 4; i++)
        made = (file[i] = with_suffix(d->path, suffix[i])) != NULL && made;
    wkv_status s = WKV_OK;
    if (!made)
        s = WKV_SET(err, WKV_E_MEMORY, "%s: out of memory", d->path);
    else if (!wkv_path_exists(file[0]) || !wkv_path_exists(file[1]))
        s = open_text(d, tok, err);
    else
        s = open_binidx(d, file[0], file[1], err);
    if (s == WKV_OK && d->map.data != NULL)
        s = open_mask_if_any(d, file[2], file[3], err);
    for (int i = 0; i < 4; i++)
        wkv_free(file[i]);
    return s;
}

wkv_status wkv_data_open(wkv_data *d, const char *path, const wkv_tok *tok, wkv_error *err)
{
    d->path = wkv_strndup(path, strlen(path));
    if (d->path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    return open_either(d, tok, err);
}

void wkv_data_close(wkv_data *d)
{
    wkv_map_close(&d->mask);
    wkv_map_close(&d->index);
    wkv_map_close(&d->map);
    wkv_free(d->heap);
    wkv_free(d->path);
    *d = (wkv_data){0};
}

/* ---- documents ------------------------------------------------------------------------ */

uint64_t wkv_data_documents(const wkv_data *d)
{
    return d->index.data != NULL ? d->documents.documents : 1;
}

uint64_t wkv_data_document(const wkv_data *d, uint64_t i)
{
    if (d->index.data == NULL)
        return i == 0 ? 0 : d->n;
    return wkv_binidx_document(&d->documents, i);
}

/* The first document that ends behind token `at`. */
static uint64_t document_at(const wkv_data *d, uint64_t at)
{
    uint64_t low = 0, high = wkv_data_documents(d);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (wkv_data_document(d, middle + 1) > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

wkv_part wkv_part_of(const wkv_data *d, uint64_t first, uint64_t n)
{
    wkv_part p = {.data = d, .first = first, .n = n};
    if (n > 0) {
        p.document = document_at(d, first);
        p.documents = document_at(d, first + n - 1) + 1 - p.document;
    }
    return p;
}

void wkv_part_document(const wkv_part *p, uint64_t i, uint64_t *first, uint64_t *n)
{
    uint64_t begin = wkv_data_document(p->data, p->document + i);
    uint64_t end = wkv_data_document(p->data, p->document + i + 1);
    begin = begin > p->first ? begin : p->first;
    end = end < p->first + p->n ? end : p->first + p->n;
    *first = begin - p->first;
    *n = end - begin;
}

/* ---- reading -------------------------------------------------------------------------- */

static int64_t id_at(const wkv_data *d, uint64_t i)
{
    const uint8_t *p = d->ids + i * (uint64_t)d->type.bytes;
    uint64_t x = 0;
    for (int b = 0; b < d->type.bytes; b++)
        x |= (uint64_t)p[b] << (8 * b);
    uint64_t sign = (uint64_t)1 << (8 * d->type.bytes - 1);
    if (d->type.is_signed && (x & sign) != 0)
        return -(int64_t)(~x & (sign - 1)) - 1;
    return (int64_t)x;
}

static wkv_status bad_token(const wkv_data *d, uint64_t at, int64_t id, int32_t vocab,
                            wkv_error *err)
{
    WKV_FAIL(err, WKV_E_TOKEN, "%s: token %llu has id %lld, expected 0 to %d", d->path,
             (unsigned long long)at, (long long)id, vocab - 1);
}

wkv_status wkv_data_largest(const wkv_data *d, int32_t *largest, wkv_error *err)
{
    int64_t most = 0;
    for (uint64_t i = 0; i < d->n; i++) {
        int64_t id = id_at(d, i);
        if (id < 0 || id >= INT32_MAX)
            return bad_token(d, i, id, INT32_MAX, err);
        most = id > most ? id : most;
    }
    *largest = (int32_t)most;
    return WKV_OK;
}

static wkv_status read_id(int32_t *id, const wkv_data *d, uint64_t at, int32_t vocab,
                          wkv_error *err)
{
    const int64_t v = id_at(d, at);
    if (v < 0 || v >= vocab)
        return bad_token(d, at, v, vocab, err);
    *id = (int32_t)v;
    return WKV_OK;
}

/* Where piece i of those that stand for a whole begins: one of `size` is looked at in
 * FINGERPRINT_PIECES of them, from its beginning to its end. */
static uint64_t piece_at(uint64_t i, uint64_t piece, uint64_t size)
{
    return (size - piece) * i / (FINGERPRINT_PIECES - 1);
}

static wkv_status check_ids(const wkv_data *d, uint64_t first, uint64_t n, int32_t vocab,
                            wkv_error *err)
{
    int32_t id;
    for (uint64_t i = first; i < first + n; i++)
        WKV_TRY(read_id(&id, d, i, vocab, err));
    return WKV_OK;
}

wkv_status wkv_part_check(const wkv_part *p, int32_t vocab, wkv_error *err)
{
    const uint64_t piece = PIECE_BYTES / (uint64_t)p->data->type.bytes;
    if (p->n <= FINGERPRINT_PIECES * piece)
        return check_ids(p->data, p->first, p->n, vocab, err);
    for (uint64_t i = 0; i < FINGERPRINT_PIECES; i++)
        WKV_TRY(check_ids(p->data, p->first + piece_at(i, piece, p->n), piece, vocab, err));
    return WKV_OK;
}

wkv_status wkv_part_read(const wkv_part *p, uint64_t first, size_t n, int32_t vocab, int32_t *out,
                         wkv_error *err)
{
    assert(first <= p->n && n <= p->n - first);
    for (size_t i = 0; i < n; i++)
        WKV_TRY(read_id(&out[i], p->data, p->first + first + i, vocab, err));
    return WKV_OK;
}

void wkv_part_mask(const wkv_part *p, uint64_t first, size_t n, int32_t *target)
{
    if (p->data->learn == NULL)
        return;
    const uint8_t *learn = p->data->learn + p->first + first;
    for (size_t i = 0; i < n; i++)
        if (learn[i] == 0)
            target[i] = -1;
}

static uint32_t fingerprint(uint32_t crc, const uint8_t *bytes, uint64_t size)
{
    if (size <= (uint64_t)FINGERPRINT_PIECES * PIECE_BYTES)
        return wkv_crc32c(crc, bytes, (size_t)size);
    for (uint64_t i = 0; i < FINGERPRINT_PIECES; i++)
        crc = wkv_crc32c(crc, bytes + piece_at(i, PIECE_BYTES, size), PIECE_BYTES);
    return crc;
}

uint32_t wkv_part_fingerprint(const wkv_part *p)
{
    const wkv_data *d = p->data;
    uint64_t width = (uint64_t)d->type.bytes;
    uint32_t crc = fingerprint(0, d->ids + p->first * width, p->n * width);
    return d->learn != NULL ? fingerprint(crc, d->learn + p->first, p->n) : crc;
}
