/* train/binidx.c - see binidx.h.  The index is
 *   "MMIDIDX\0\0", u64 version = 1, u8 type, u64 n_items, u64 n_docs,
 *   i32 size[n_items], i64 pointer[n_items], i64 doc[n_docs]
 * and an item is a run of size[i] ids at byte pointer[i] of the .bin file.  Items must
 * lie one after the other without gaps, as every writer in use lays them, for only then
 * is the stream what the writer meant. */
#include "train/binidx.h"

#include <string.h>

#include "base/checked.h"

enum { MAGIC_BYTES = 9, HEADER_BYTES = MAGIC_BYTES + 8 + 1 + 8 + 8 };

typedef struct index {
    const char *path;
    uint64_t n_items, n_docs;
    const uint8_t *sizes, *pointers, *docs;
    wkv_error *err;
} index_view;

static uint64_t load(const uint8_t *p, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

/* The codes of the format's writers; 6 and 7 are floating point and hold no ids. */
static bool type_of_code(unsigned code, wkv_id_type *type)
{
    static const wkv_id_type known[] = {
        [1] = {1, false}, [2] = {1, true},  [3] = {2, true},  [4] = {4, true},
        [5] = {8, true},  [6] = {0, false}, [7] = {0, false}, [8] = {2, false},
    };
    if (code >= sizeof known / sizeof known[0] || known[code].bytes == 0)
        return false;
    *type = known[code];
    return true;
}

static wkv_status read_header(index_view *x, wkv_id_type *type, const uint8_t *idx, uint64_t size)
{
    if (size < HEADER_BYTES || memcmp(idx, "MMIDIDX\0\0", MAGIC_BYTES) != 0)
        WKV_FAIL(x->err, WKV_E_FORMAT, "%s: not an MMIDIDX index", x->path);
    const uint8_t *p = idx + MAGIC_BYTES;
    uint64_t version = load(p, 8);
    if (version != 1)
        WKV_FAIL(x->err, WKV_E_UNSUPPORTED, "%s: index version %llu, expected 1", x->path,
                 (unsigned long long)version);
    if (!type_of_code(p[8], type))
        WKV_FAIL(x->err, WKV_E_UNSUPPORTED, "%s: token type code %u is no integer type", x->path,
                 (unsigned)p[8]);
    x->n_items = load(p + 9, 8);
    x->n_docs = load(p + 17, 8);
    uint64_t items, docs, want;
    if (!wkv_mul_ok(x->n_items, 12, &items) || !wkv_mul_ok(x->n_docs, 8, &docs) ||
        !wkv_add_ok(items, docs, &want) || want != size - HEADER_BYTES)
        WKV_FAIL(x->err, WKV_E_FORMAT,
                 "%s: %llu items and %llu document marks do not fit a file of %llu bytes", x->path,
                 (unsigned long long)x->n_items, (unsigned long long)x->n_docs,
                 (unsigned long long)size);
    x->sizes = idx + HEADER_BYTES;
    x->pointers = x->sizes + 4 * x->n_items;
    x->docs = x->pointers + 8 * x->n_items;
    return WKV_OK;
}

/* Sums the sizes into *tokens and checks that item i starts where item i - 1 ended. */
static wkv_status check_items(const index_view *x, int width, uint64_t bin_size, uint64_t *tokens)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < x->n_items; i++) {
        uint64_t bytes = load(x->sizes + 4 * i, 4) * (uint64_t)width; /* < 2^35 */
        if (load(x->pointers + 8 * i, 8) != at)
            WKV_FAIL(x->err, WKV_E_FORMAT,
                     "%s: item %llu does not start at byte %llu, where the one before it ends",
                     x->path, (unsigned long long)i, (unsigned long long)at);
        if (!wkv_range_ok(at, bytes, bin_size))
            WKV_FAIL(x->err, WKV_E_FORMAT, "%s: item %llu ends beyond the .bin file's %llu bytes",
                     x->path, (unsigned long long)i, (unsigned long long)bin_size);
        at += bytes;
    }
    if (at != bin_size)
        WKV_FAIL(x->err, WKV_E_FORMAT, "%s: the items cover %llu bytes, the .bin file has %llu",
                 x->path, (unsigned long long)at, (unsigned long long)bin_size);
    *tokens = at / (uint64_t)width;
    return WKV_OK;
}

/* Document marks are item numbers in ascending order. */
static wkv_status check_docs(const index_view *x)
{
    uint64_t last = 0;
    for (uint64_t i = 0; i < x->n_docs; i++) {
        uint64_t item = load(x->docs + 8 * i, 8);
        if (item < last || item > x->n_items)
            WKV_FAIL(x->err, WKV_E_FORMAT,
                     "%s: document mark %llu is out of order or beyond the items", x->path,
                     (unsigned long long)i);
        last = item;
    }
    return WKV_OK;
}

/* Marks that begin with item 0 and end behind the last part the items into documents. */
static bool parts_all(const index_view *x)
{
    return x->n_docs >= 2 && load(x->docs, 8) == 0 &&
           load(x->docs + 8 * (x->n_docs - 1), 8) == x->n_items;
}

wkv_status wkv_binidx_parse(wkv_binidx *out, const char *path, const uint8_t *idx, uint64_t size,
                            uint64_t bin_size, wkv_error *err)
{
    index_view x = {.path = path, .err = err};
    *out = (wkv_binidx){0};
    WKV_TRY(read_header(&x, &out->type, idx, size));
    WKV_TRY(check_items(&x, out->type.bytes, bin_size, &out->tokens));
    WKV_TRY(check_docs(&x));
    bool marked = parts_all(&x);
    out->items = x.n_items;
    out->pointers = x.pointers;
    out->marks = marked ? x.docs : NULL;
    out->documents = marked ? x.n_docs - 1 : x.n_items;
    return WKV_OK;
}

uint64_t wkv_binidx_document(const wkv_binidx *x, uint64_t i)
{
    uint64_t item = x->marks != NULL ? load(x->marks + 8 * i, 8) : i;
    return item < x->items ? load(x->pointers + 8 * item, 8) / (uint64_t)x->type.bytes : x->tokens;
}
