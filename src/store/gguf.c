/* store/gguf.c - reading GGUF, versions 2 and 3: a header, metadata, a directory of
 * tensors, then their bytes.
 *
 * Every count and length is held against what is left of the file before anything is
 * allocated or added up.  Read strictly where a lie could cost memory or hide data: no
 * key twice, no nested arrays, and tensors one after the other without gap or overlap. */
#include "store/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "store/bytes.h"
#include "store/utf8.h"

enum {
    HEADER_SIZE = 24,
    MAX_VALUES = 1 << 16,
    MAX_KEY = (1 << 16) - 1,
    DEFAULT_ALIGNMENT = 32,
    /* The least that a pair and an entry of the directory take. */
    MIN_VALUE = 13,
    MIN_TENSOR = 24
};

static bool probe(const uint8_t *data, uint64_t total)
{
    return total >= 4 && memcmp(data, "GGUF", 4) == 0;
}

/* ---- pieces ------------------------------------------------------------------------------ */

/* The next n bytes; NULL when the file ends before. */
static const uint8_t *take(wkv_gguf *g, uint64_t n)
{
    if (!wkv_range_ok(g->at, n, g->store->map.size))
        return NULL;
    const uint8_t *p = g->store->map.data + g->at;
    g->at += n;
    return p;
}

/* The bytes of a string of at most `limit`; NULL when there is none. */
static const char *take_string(wkv_gguf *g, uint64_t limit, uint64_t *n)
{
    const uint8_t *p = take(g, 8);
    *n = p != NULL ? wkv_get_u64(p) : 0;
    return p != NULL && *n <= limit ? (const char *)take(g, *n) : NULL;
}

/* A key or a tensor's name, copied to the store. */
static wkv_status read_name(wkv_gguf *g, const char *what, const char **out, wkv_error *err)
{
    const uint64_t at = g->at;
    uint64_t n;
    const char *s = take_string(g, MAX_KEY, &n);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the %s at byte %" PRIu64 " is cut short or longer than %d bytes", what, at,
                 MAX_KEY);
    if (n == 0 || !wkv_text_valid(s, (size_t)n))
        WKV_FAIL(err, WKV_E_FORMAT, "the %s at byte %" PRIu64 " is empty or no valid UTF-8", what,
                 at);
    *out = wkv_store_strndup(g->store, s, (size_t)n);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a %s", what);
    return WKV_OK;
}

/* ---- metadata ---------------------------------------------------------------------------- */

int wkv_gguf_size(wkv_gguf_type type)
{
    static const int size[WKV_GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return size[type];
}

/* Moves past v->count elements. */
static bool skip_elements(wkv_gguf *g, const wkv_gguf_value *v)
{
    uint64_t bytes, n;
    if (v->type != WKV_GGUF_STRING)
        return wkv_mul_ok(v->count, (uint64_t)wkv_gguf_size(v->type), &bytes) &&
               take(g, bytes) != NULL;
    /* Each takes eight bytes at least: the file's size bounds the work. */
    for (uint64_t i = 0; i < v->count; i++)
        if (take_string(g, UINT64_MAX, &n) == NULL)
            return false;
    return true;
}

static wkv_status read_type(wkv_gguf *g, const char *key, wkv_gguf_type *out, wkv_error *err)
{
    const uint8_t *p = take(g, 4);
    if (p == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside the metadata '%s'", key);
    const uint32_t number = wkv_get_u32(p);
    if (number >= WKV_GGUF_TYPES)
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' is of the unknown type %" PRIu32, key,
                 number);
    *out = (wkv_gguf_type)number;
    return WKV_OK;
}

static wkv_status read_value(wkv_gguf *g, wkv_gguf_value *v, wkv_error *err)
{
    WKV_TRY(read_name(g, "key", &v->key, err));
    WKV_TRY(read_type(g, v->key, &v->type, err));
    v->count = 1;
    v->array = v->type == WKV_GGUF_ARRAY;
    if (v->array) {
        WKV_TRY(read_type(g, v->key, &v->type, err));
        if (v->type == WKV_GGUF_ARRAY)
            WKV_FAIL(err, WKV_E_UNSUPPORTED,
                     "the metadata '%s' is an array of arrays, which is not supported", v->key);
        const uint8_t *p = take(g, 8);
        v->count = p != NULL ? wkv_get_u64(p) : UINT64_MAX;
    }
    v->data = g->store->map.data + g->at;
    if (!skip_elements(g, v))
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' reaches beyond the end of the file", v->key);
    return WKV_OK;
}

static int by_key(const void *a, const void *b)
{
    const wkv_gguf_value *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static wkv_status read_values(wkv_gguf *g, uint64_t n, wkv_error *err)
{
    if (n > MAX_VALUES || n > (g->store->map.size - g->at) / MIN_VALUE)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the file claims %" PRIu64 " metadata values, more than it can hold or than %d", n,
                 MAX_VALUES);
    g->values = wkv_calloc((size_t)n + 1, sizeof *g->values);
    if (g->values == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the metadata");
    for (; g->n_values < n; g->n_values++)
        WKV_TRY(read_value(g, &g->values[g->n_values], err));
    qsort(g->values, g->n_values, sizeof *g->values, by_key);
    for (size_t i = 1; i < g->n_values; i++)
        if (by_key(&g->values[i - 1], &g->values[i]) == 0)
            WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' is there twice", g->values[i].key);
    return WKV_OK;
}

static int key_against(const void *key, const void *entry)
{
    const wkv_gguf_value *v = entry;
    return strcmp(key, v->key);
}

const wkv_gguf_value *wkv_gguf_find(const wkv_gguf *g, const char *key)
{
    return bsearch(key, g->values, g->n_values, sizeof *g->values, key_against);
}

const char *wkv_gguf_next_string(const uint8_t **p, size_t *n)
{
    const char *s = (const char *)*p + 8;
    *n = (size_t)wkv_get_u64(*p);
    *p += 8 + *n;
    return s;
}

bool wkv_gguf_is(const wkv_gguf *g, const char *arch)
{
    const wkv_gguf_value *v = wkv_gguf_find(g, "general.architecture");
    if (v == NULL || v->array || v->type != WKV_GGUF_STRING)
        return false;
    const uint8_t *p = v->data;
    size_t n;
    const char *s = wkv_gguf_next_string(&p, &n);
    return n == strlen(arch) && memcmp(s, arch, n) == 0;
}

wkv_status wkv_gguf_natural(const wkv_gguf *g, const char *key, uint64_t *out, wkv_error *err)
{
    const wkv_gguf_value *v = wkv_gguf_find(g, key);
    if (v == NULL)
        return WKV_OK;
    if (!v->array && v->type == WKV_GGUF_U32)
        *out = wkv_get_u32(v->data);
    else if (!v->array && v->type == WKV_GGUF_U64)
        *out = wkv_get_u64(v->data);
    else
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' is no unsigned integer", key);
    return WKV_OK;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static const struct {
    uint32_t number;
    wkv_dtype dtype;
} types[] = {
    {0, WKV_DTYPE_F32},     {1, WKV_DTYPE_F16},   {2, WKV_DTYPE_Q4_0},  {3, WKV_DTYPE_Q4_1},
    {6, WKV_DTYPE_Q5_0},    {7, WKV_DTYPE_Q5_1},  {8, WKV_DTYPE_Q8_0},  {10, WKV_DTYPE_Q2_K},
    {11, WKV_DTYPE_Q3_K},   {12, WKV_DTYPE_Q4_K}, {13, WKV_DTYPE_Q5_K}, {14, WKV_DTYPE_Q6_K},
    {20, WKV_DTYPE_IQ4_NL}, {24, WKV_DTYPE_I8},   {25, WKV_DTYPE_I16},  {26, WKV_DTYPE_I32},
    {27, WKV_DTYPE_I64},    {28, WKV_DTYPE_F64},  {30, WKV_DTYPE_BF16}};

int wkv_gguf_dtype_number(wkv_dtype t)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].dtype == t)
            return (int)types[i].number;
    return -1;
}

static wkv_status read_dtype(wkv_tensor *t, uint32_t number, wkv_error *err)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].number == number) {
            t->dtype = types[i].dtype;
            return WKV_OK;
        }
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is of type %" PRIu32 ", which is not supported",
             t->name, number);
}

/* The dimensions, innermost first, and the number of bytes. */
static wkv_status read_shape(wkv_tensor *t, const uint8_t *p, uint64_t *bytes, wkv_error *err)
{
    uint64_t count, span;
    bool ok = true;
    for (int d = 0; d < t->ndim; d++) {
        const uint64_t dim = wkv_get_u64(p + 8 * d);
        ok = ok && dim > 0 && dim <= INT64_MAX;
        t->dim[t->ndim - 1 - d] = ok ? (int64_t)dim : 0;
    }
    wkv_tensor_set_strides(t);
    const int block = wkv_dtype_of(t->dtype)->block;
    if (!ok || !wkv_tensor_measure(t, &count, &span) || !wkv_dtype_bytes(t->dtype, count, bytes) ||
        (block > 1 && (t->ndim == 0 || t->dim[t->ndim - 1] % block != 0)))
        WKV_FAIL(err, WKV_E_FORMAT, "the shape of tensor '%s' is impossible", t->name);
    return WKV_OK;
}

/* One entry.  Its data, which is found once all entries are read, lies `offset` bytes
 * from their beginning. */
static wkv_status read_entry(wkv_gguf *g, wkv_tensor *t, uint64_t *offset, uint64_t *bytes,
                             wkv_error *err)
{
    WKV_TRY(read_name(g, "name of a tensor", &t->name, err));
    const uint8_t *p = take(g, 4);
    const uint32_t ndim = p != NULL ? wkv_get_u32(p) : 0;
    if (ndim > WKV_GGUF_MAX_DIMS)
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' claims %" PRIu32 " dimensions; GGUF has %d",
                 t->name, ndim, WKV_GGUF_MAX_DIMS);
    p = p != NULL ? take(g, 8 * (uint64_t)ndim + 12) : NULL;
    if (p == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside the entry of tensor '%s'", t->name);
    t->ndim = (int)ndim;
    WKV_TRY(read_dtype(t, wkv_get_u32(p + 8 * ndim), err));
    *offset = wkv_get_u64(p + 8 * ndim + 4);
    return read_shape(t, p, bytes, err);
}

static wkv_status read_alignment(const wkv_gguf *g, uint64_t *out, wkv_error *err)
{
    *out = DEFAULT_ALIGNMENT;
    WKV_TRY(wkv_gguf_natural(g, "general.alignment", out, err));
    if (*out == 0 || (*out & (*out - 1)) != 0 || *out > UINT32_MAX)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the alignment is %" PRIu64 "; a power of two below 2^32 was expected", *out);
    return WKV_OK;
}

/* n rounded up to a multiple of alignment; n is at most INT64_MAX. */
static uint64_t align(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* A place and a size, until it is known where the data begins. */
typedef struct span {
    uint64_t begin, bytes;
} span;

static wkv_status place(const wkv_gguf *g, const span *spans, wkv_error *err)
{
    uint64_t alignment, expected = 0;
    WKV_TRY(read_alignment(g, &alignment, err));
    const uint64_t total = g->store->map.size, start = align(g->at, alignment);
    const uint64_t room = start < total ? total - start : 0;
    for (size_t i = 0; i < g->n_raw; i++) {
        wkv_tensor *t = &g->raw[i];
        if (spans[i].begin != expected)
            WKV_FAIL(err, WKV_E_FORMAT,
                     "tensor '%s' begins at byte %" PRIu64 " of the data; %" PRIu64
                     " was expected (a gap, an overlap or no multiple of the alignment)",
                     t->name, spans[i].begin, expected);
        if (!wkv_range_ok(expected, spans[i].bytes, room))
            WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' reaches beyond the end of the file", t->name);
        t->data = g->store->map.data + start + expected;
        expected = align(expected + spans[i].bytes, alignment);
    }
    return WKV_OK;
}

static wkv_status read_entries(wkv_gguf *g, span *spans, uint64_t n, wkv_error *err)
{
    for (; g->n_raw < n; g->n_raw++) {
        span *s = &spans[g->n_raw];
        WKV_TRY(read_entry(g, &g->raw[g->n_raw], &s->begin, &s->bytes, err));
    }
    return place(g, spans, err);
}

static wkv_status read_tensors(wkv_gguf *g, uint64_t n, wkv_error *err)
{
    if (n > WKV_MAX_TENSORS || n > (g->store->map.size - g->at) / MIN_TENSOR)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the file claims %" PRIu64 " tensors, more than it can hold or than %d", n,
                 WKV_MAX_TENSORS);
    span *spans = wkv_calloc((size_t)n + 1, sizeof *spans);
    g->raw = wkv_calloc((size_t)n + 1, sizeof *g->raw);
    wkv_status status = spans != NULL && g->raw != NULL
                            ? read_entries(g, spans, n, err)
                            : WKV_SET(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    wkv_free(spans);
    return status;
}

/* ---- the file -------------------------------------------------------------------------------- */

static wkv_status read_all(wkv_gguf *g, wkv_error *err)
{
    const uint8_t *p = take(g, HEADER_SIZE);
    if (p == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside its header");
    const uint32_t version = wkv_get_u32(p + 4);
    if ((version & 0xffff) == 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "the file is big-endian, which is not supported");
    if (version != 2 && version != 3)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the file is of version %" PRIu32 "; 2 and 3 are supported", version);
    WKV_TRY(read_values(g, wkv_get_u64(p + 16), err));
    WKV_TRY(read_tensors(g, wkv_get_u64(p + 8), err));
    WKV_TRY(wkv_gguf_add_tensors(g, err));
    return wkv_gguf_add_meta(g, err);
}

static wkv_status read(wkv_store *s, wkv_error *err)
{
    wkv_gguf g = {.store = s};
    wkv_status status = read_all(&g, err);
    wkv_free(g.raw);
    wkv_free(g.values);
    return status;
}

const wkv_format wkv_format_gguf = {
    .name = "gguf",
    .suffixes = ".gguf",
    .probe = probe,
    .read = read,
    .write = wkv_gguf_write,
    .dtype_number = wkv_gguf_dtype_number,
};
