/* store/safetensors.c - reading .safetensors: eight bytes that give the size of a JSON
 * header, the header, then the tensors' bytes.
 *
 * Strict, as the format's definition asks: the tensors cover the data without gap or
 * overlap, so that a file can carry nothing that is not declared. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "store/bytes.h"
#include "store/json.h"
#include "store/safetensors.h"

enum { MAX_DEPTH = 3 }; /* { name: { "shape": [ */

/* The bytes that one tensor takes of the data. */
typedef struct span {
    uint64_t begin, end;
    const char *name;
} span;

typedef struct reading {
    wkv_store *store;
    const uint8_t *data; /* what follows the header */
    uint64_t size;
    span *spans;
    size_t n_spans;
} reading;

static bool probe(const uint8_t *data, uint64_t total)
{
    uint64_t i = 8;
    while (i < total && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r'))
        i++;
    return i < total && data[i] == '{';
}

static wkv_status read_dtype(const json_t *info, const char *name, wkv_dtype *out, wkv_error *err)
{
    const char *dtype = json_string_value(json_object_get(info, "dtype"));
    if (dtype == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has no dtype", name);
    for (int t = 0; t < WKV_DTYPE_COUNT; t++) {
        const char *known = wkv_dtype_of((wkv_dtype)t)->st_name;
        if (known != NULL && strcmp(known, dtype) == 0) {
            *out = (wkv_dtype)t;
            return WKV_OK;
        }
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is of type %.40s, which is not supported", name,
             dtype);
}

/* A JSON integer that is not negative; -1 for everything else. */
static int64_t natural(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

static wkv_status read_shape(const json_t *info, wkv_tensor *t, uint64_t *bytes, wkv_error *err)
{
    const json_t *shape = json_object_get(info, "shape");
    if (!json_is_array(shape))
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has no shape", t->name);
    if (json_array_size(shape) > WKV_MAX_DIMS)
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' has %zu dimensions; at most %d are supported",
                 t->name, json_array_size(shape), WKV_MAX_DIMS);
    t->ndim = (int)json_array_size(shape);
    uint64_t count = 1;
    for (int d = 0; d < t->ndim; d++) {
        t->dim[d] = natural(json_array_get(shape, (size_t)d));
        if (t->dim[d] < 0)
            WKV_FAIL(err, WKV_E_FORMAT, "dimension %d of tensor '%s' is no natural number", d,
                     t->name);
        if (!wkv_mul_ok(count, (uint64_t)t->dim[d], &count) || count > INT64_MAX)
            WKV_FAIL(err, WKV_E_FORMAT, "the shape of tensor '%s' overflows", t->name);
    }
    if (!wkv_dtype_bytes(t->dtype, count, bytes))
        WKV_FAIL(err, WKV_E_FORMAT, "the shape of tensor '%s' overflows", t->name);
    wkv_tensor_set_strides(t);
    return WKV_OK;
}

static wkv_status read_tensor(reading *r, const char *key, const json_t *info, wkv_error *err)
{
    wkv_tensor t = {.name = wkv_store_strndup(r->store, key, strlen(key))};
    uint64_t bytes;
    if (t.name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    if (!json_is_object(info))
        WKV_FAIL(err, WKV_E_FORMAT, "the entry of tensor '%s' is no object", key);
    WKV_TRY(read_dtype(info, key, &t.dtype, err));
    WKV_TRY(read_shape(info, &t, &bytes, err));

    const json_t *offsets = json_object_get(info, "data_offsets");
    int64_t begin = natural(json_array_get(offsets, 0)), end = natural(json_array_get(offsets, 1));
    if (json_array_size(offsets) != 2 || begin < 0 || end < begin)
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has no valid data_offsets", key);
    if ((uint64_t)end > r->size)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "tensor '%s' ends at byte %" PRId64 " of %" PRIu64 " bytes of data", key, end,
                 r->size);
    if ((uint64_t)(end - begin) != bytes)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "tensor '%s' has %" PRId64 " bytes of data; its shape needs %" PRIu64, key,
                 end - begin, bytes);
    t.data = bytes > 0 ? r->data + begin : NULL;
    r->spans[r->n_spans++] = (span){.begin = (uint64_t)begin, .end = (uint64_t)end, .name = t.name};
    return wkv_store_add(r->store, &t, err);
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static wkv_status check_cover(const reading *r, wkv_error *err)
{
    uint64_t at = 0;
    qsort(r->spans, r->n_spans, sizeof *r->spans, by_begin);
    for (size_t i = 0; i < r->n_spans; i++) {
        const span *s = &r->spans[i];
        if (s->begin != at)
            WKV_FAIL(err, WKV_E_FORMAT,
                     "tensor '%s' begins at byte %" PRIu64 " of the data; %" PRIu64
                     " was expected (a gap or an overlap)",
                     s->name, s->begin, at);
        at = s->end;
    }
    if (at != r->size)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the tensors cover %" PRIu64 " bytes, but the file holds %" PRIu64, at, r->size);
    return WKV_OK;
}

static wkv_status read_entries(reading *r, json_t *root, wkv_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0)
            WKV_TRY(wkv_json_read_meta(r->store, value, err));
        else
            WKV_TRY(read_tensor(r, key, value, err));
    }
    return check_cover(r, err);
}

static wkv_status read_root(wkv_store *s, json_t *root, uint64_t data_at, wkv_error *err)
{
    if (!json_is_object(root))
        WKV_FAIL(err, WKV_E_FORMAT, "the header is no JSON object");
    reading r = {.store = s, .data = s->map.data + data_at, .size = s->map.size - data_at};
    r.spans = wkv_calloc(json_object_size(root), sizeof *r.spans);
    if (r.spans == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the header");
    wkv_status status = read_entries(&r, root, err);
    wkv_free(r.spans);
    return status;
}

static wkv_status read(wkv_store *s, wkv_error *err)
{
    const uint64_t total = s->map.size;
    const uint64_t n = wkv_get_u64(s->map.data);
    if (n > total - 8)
        WKV_FAIL(err, WKV_E_FORMAT, "the header claims %" PRIu64 " bytes, but %" PRIu64 " follow",
                 n, total - 8);
    json_t *root;
    WKV_TRY(wkv_json_parse(&root, "the header", s->map.data + 8, n, MAX_DEPTH, err));
    wkv_status status = read_root(s, root, 8 + n, err);
    json_decref(root);
    return status;
}

const wkv_format wkv_format_safetensors = {
    .name = "safetensors",
    .suffixes = ".safetensors",
    .probe = probe,
    .read = read,
    .write = wkv_safetensors_write,
};
