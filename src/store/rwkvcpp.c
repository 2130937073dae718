/* store/rwkvcpp.c - reading the .bin files of rwkv.cpp ("ggmf", versions 100 and 101)
 * and undoing what its converter did, so that the canonical form comes out: names,
 * orientations and raw values of RWKV-LM's .pth.
 *
 * Joined tensors are split and transposed ones shown as strided views, without a copy.
 * Only decays and RWKV-5's bonus, which the converter passed through exponentials, are
 * computed anew on the heap. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "store/bytes.h"
#include "store/canon.h"
#include "store/rwkvcpp.h"

enum { HEADER_SIZE = WKV_RWKVCPP_HEADER, MAX_KEY = 1 << 10 };

typedef enum generation { V4, V5, V6, V7 } generation;

typedef struct reading {
    wkv_store *store;
    uint32_t version;
    wkv_tensor *raw; /* as the file has them */
    size_t n_raw, cap_raw;
} reading;

static bool probe(const uint8_t *data, uint64_t total)
{
    return total >= 4 && wkv_get_u32(data) == WKV_RWKVCPP_MAGIC;
}

/* ---- the file as it is ------------------------------------------------------------------ */

/* Sizes are those of the tensors, whatever the header says; but one that no model can have is
 * the sign of a damaged file. */
static wkv_status check_sizes(const uint8_t *header, wkv_error *err)
{
    static const char *const name[] = {"vocabulary", "width", "number of layers"};
    for (int i = 0; i < 3; i++) {
        const int32_t v = (int32_t)wkv_get_u32(header + 8 + 4 * i);
        if (v < 1)
            WKV_FAIL(err, WKV_E_FORMAT, "the header's %s: expected 1 or more, found %" PRId32,
                     name[i], v);
    }
    const uint32_t type = wkv_get_u32(header + 20);
    if (wkv_rwkvcpp_dtype(type) == WKV_DTYPE_COUNT)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the header's type: expected 0, 1, 2, 3, 7, 8 or 9, found %" PRIu32, type);
    return WKV_OK;
}

static wkv_status read_header(reading *r, wkv_error *err)
{
    const wkv_map *map = &r->store->map;
    if (map->size < HEADER_SIZE)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside its header");
    r->version = wkv_get_u32(map->data + 4);
    if (r->version != 100 && r->version != 101)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the file is of version %" PRIu32 "; 100 and 101 are supported", r->version);
    return check_sizes(map->data, err);
}

static const struct {
    uint32_t number;
    wkv_dtype dtype;
} types[] = {{0, WKV_DTYPE_F32},  {1, WKV_DTYPE_F16},  {2, WKV_DTYPE_Q4_0}, {3, WKV_DTYPE_Q4_1},
             {7, WKV_DTYPE_Q5_0}, {8, WKV_DTYPE_Q5_1}, {9, WKV_DTYPE_Q8_0}};

int wkv_rwkvcpp_dtype_number(wkv_dtype t)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].dtype == t)
            return (int)types[i].number;
    return -1;
}

wkv_dtype wkv_rwkvcpp_dtype(uint32_t number)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].number == number)
            return types[i].dtype;
    return WKV_DTYPE_COUNT;
}

static wkv_status read_type(const reading *r, uint32_t number, const char *name, wkv_dtype *out,
                            wkv_error *err)
{
    *out = wkv_rwkvcpp_dtype(number);
    if (*out == WKV_DTYPE_COUNT)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is of the unknown type %" PRIu32, name,
                 number);
    /* The blocks had another layout before version 101. */
    if (wkv_dtype_of(*out)->block > 1 && r->version == 100)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "tensor '%s' is quantised in a file of version 100; only 101 is supported", name);
    return WKV_OK;
}

static wkv_status keep_raw(reading *r, const wkv_tensor *t, wkv_error *err)
{
    if (r->n_raw >= WKV_MAX_TENSORS)
        WKV_FAIL(err, WKV_E_LIMIT, "more than %d tensors", WKV_MAX_TENSORS);
    if (r->n_raw == r->cap_raw) {
        size_t cap = r->cap_raw > 0 ? r->cap_raw * 2 : 256;
        wkv_tensor *list = wkv_realloc(r->raw, cap * sizeof *list);
        if (list == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
        r->raw = list;
        r->cap_raw = cap;
    }
    r->raw[r->n_raw++] = *t;
    return WKV_OK;
}

/* Reads the shape, innermost dimension first, and the number of elements. */
static bool read_shape(wkv_tensor *t, const uint8_t *p, uint64_t *count)
{
    for (int d = 0; d < t->ndim; d++)
        t->dim[t->ndim - 1 - d] = (int32_t)wkv_get_u32(p + 4 * d);
    wkv_tensor_set_strides(t);
    uint64_t span;
    bool ok = true;
    for (int d = 0; d < t->ndim; d++)
        ok = ok && t->dim[d] > 0;
    return ok && wkv_tensor_measure(t, count, &span);
}

/* Reads the tensor at *at and moves on to the next. */
static wkv_status read_tensor(reading *r, uint64_t *at, wkv_error *err)
{
    const wkv_map *map = &r->store->map;
    const uint8_t *p = map->data + *at;
    uint64_t left = map->size - *at, count, bytes;
    if (left < 12)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside a tensor's header at byte %" PRIu64, *at);
    const uint32_t ndim = wkv_get_u32(p), key_len = wkv_get_u32(p + 4);
    /* No tensor is without name or dimension, which is also what zeros after the last would be. */
    if (ndim < 1 || ndim > WKV_MAX_DIMS || key_len < 1 || key_len > MAX_KEY)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the tensor at byte %" PRIu64
                 ": expected 1 to %d dimensions and a name of 1 to %d "
                 "bytes, found %" PRIu32 " and %" PRIu32,
                 *at, WKV_MAX_DIMS, MAX_KEY, ndim, key_len);
    const uint64_t head = 12 + 4 * (uint64_t)ndim + key_len;
    if (left < head)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends inside a tensor's header at byte %" PRIu64, *at);
    wkv_tensor t = {.ndim = (int)ndim,
                    .name = wkv_store_strndup(r->store, (const char *)p + 12 + 4 * ndim, key_len),
                    .data = p + head};
    if (t.name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    WKV_TRY(read_type(r, wkv_get_u32(p + 8), t.name, &t.dtype, err));
    if (!read_shape(&t, p + 12, &count) || !wkv_dtype_bytes(t.dtype, count, &bytes))
        WKV_FAIL(err, WKV_E_FORMAT, "the shape of tensor '%s' is impossible", t.name);
    if (bytes > left - head)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "tensor '%s' needs %" PRIu64 " bytes, but the file ends after %" PRIu64, t.name,
                 bytes, left - head);
    *at += head + bytes;
    return keep_raw(r, &t, err);
}

/* ---- the canonical form ------------------------------------------------------------------- */

static bool has_any(const reading *r, const char *end)
{
    for (size_t i = 0; i < r->n_raw; i++)
        if (wkv_ends_with(r->raw[i].name, end))
            return true;
    return false;
}

static generation recognise(const reading *r)
{
    return has_any(r, ".att.r_k")           ? V7
           : has_any(r, ".att.time_maa_x")  ? V6
           : has_any(r, ".att.ln_x.weight") ? V5
                                            : V4;
}

/* The inverses of what the converter did. */
static double undo_minus_exp(double v)
{
    return log(-v);
}

static double undo_exp_minus_exp(double v)
{
    return log(-log(v));
}

static wkv_status undo(wkv_store *s, wkv_tensor *t, double (*inverse)(double), wkv_error *err)
{
    float *values;
    WKV_TRY(wkv_canon_floats(s, t, &values, err));
    const int64_t n = wkv_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        double raw = inverse((double)values[i]);
        if (isnan(raw))
            WKV_FAIL(err, WKV_E_FORMAT,
                     "element %" PRId64 " of tensor '%s' is %g, outside the range that rwkv.cpp "
                     "writes",
                     i, t->name, (double)values[i]);
        values[i] = (float)raw;
    }
    return WKV_OK;
}

/* [6, 1, C] under x_rwkvag becomes x_r, x_w, x_k, x_v, x_a, x_g. */
static wkv_status add_split(wkv_store *s, const wkv_tensor *joined, wkv_error *err)
{
    static const char letters[] = "rwkvag";
    char *stem = wkv_store_strndup(s, joined->name, strlen(joined->name) - strlen(letters));
    if (stem == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    return wkv_canon_add_split(s, joined, stem, letters, err);
}

/* Heads' tensors carry a trailing 1: [H, N, 1], or [H, 1, 1] with one value per head. */
static void drop_trailing_ones(wkv_tensor *t)
{
    while (t->ndim > 1 && t->dim[t->ndim - 1] == 1)
        t->ndim--;
    wkv_tensor_set_strides(t);
}

static bool is_low_rank(const char *name, generation g)
{
    static const char *const v6[] = {".time_maa_w1", ".time_maa_w2", ".time_decay_w1",
                                     ".time_decay_w2", NULL};
    static const char *const v7[] = {".att.w1", ".att.w2", ".att.a1", ".att.a2", ".att.v1",
                                     ".att.v2", ".att.g1", ".att.g2", NULL};
    const char *const *list = g == V6 ? v6 : v7;
    for (; g >= V6 && *list != NULL; list++)
        if (wkv_ends_with(name, *list))
            return true;
    return false;
}

static bool is_mix(const char *name)
{
    return strstr(name, ".time_mix_") != NULL || strstr(name, ".time_maa_") != NULL;
}

static wkv_status add_canonical(wkv_store *s, const wkv_tensor *raw, generation g, wkv_error *err)
{
    wkv_tensor t = *raw;
    if (wkv_ends_with(t.name, ".att.x_rwkvag"))
        return add_split(s, raw, err);
    if (is_low_rank(t.name, g))
        WKV_TRY(wkv_canon_transpose(s, &t, err));
    else if (is_mix(t.name) && t.ndim == 1)
        wkv_canon_reshape(&t, 3, 1, 1, t.dim[0]);
    else if (wkv_ends_with(t.name, ".att.time_faaaa"))
        drop_trailing_ones(&t);
    else if (wkv_ends_with(t.name, ".att.time_decay") && g == V4)
        WKV_TRY(undo(s, &t, undo_minus_exp, err));
    else if (wkv_ends_with(t.name, ".att.time_decay") && g == V6)
        wkv_canon_reshape(&t, 3, 1, 1, wkv_tensor_count(&t));
    else if (wkv_ends_with(t.name, ".att.time_decay") && g == V5) {
        drop_trailing_ones(&t);
        WKV_TRY(undo(s, &t, undo_exp_minus_exp, err));
    } else if (wkv_ends_with(t.name, ".att.time_first") && g == V5) {
        drop_trailing_ones(&t);
        WKV_TRY(undo(s, &t, log, err));
    }
    return wkv_store_add(s, &t, err);
}

static wkv_status read_all(reading *r, wkv_error *err)
{
    WKV_TRY(read_header(r, err));
    for (uint64_t at = HEADER_SIZE; at < r->store->map.size;)
        WKV_TRY(read_tensor(r, &at, err));
    const generation g = recognise(r);
    for (size_t i = 0; i < r->n_raw; i++)
        WKV_TRY(add_canonical(r->store, &r->raw[i], g, err));
    /* The program that these files are for normalises RWKV-5's heads with this. */
    if (g == V5)
        return wkv_store_add_meta(r->store, "wkv.gn_eps", "1e-05", 5, err);
    return WKV_OK;
}

static wkv_status read(wkv_store *s, wkv_error *err)
{
    reading r = {.store = s};
    wkv_status status = read_all(&r, err);
    wkv_free(r.raw);
    return status;
}

const wkv_format wkv_format_rwkvcpp = {
    .name = "rwkv.cpp",
    .suffixes = ".bin",
    .probe = probe,
    .read = read,
    .write = wkv_rwkvcpp_write,
    .dtype_number = wkv_rwkvcpp_dtype_number,
};
