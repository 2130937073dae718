/* store/build.c - what readers fill a store with: memory, tensors and metadata.
 *
 * Every number here comes from a file.  Nothing gets into a store that a caller could
 * not safely read: counts and byte sizes fit in 63 bits, names are UTF-8, and no
 * element of a mapped tensor lies outside the mapping. */
#include <stdalign.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "store/format.h"
#include "store/utf8.h"

enum {
    BLOCK_BYTES = 1 << 16,
    MAX_NAME = 1 << 12,
    /* A stride of 0 lets a few stored bytes show as many elements.  More than this
     * is an attack: it would fill the memory of whoever copies the tensor. */
    MAX_REPEATED_BYTES = 1 << 26
};

struct wkv_store_block {
    wkv_store_block *next;
    size_t used, size;
    alignas(16) unsigned char bytes[];
};

void *wkv_store_alloc(wkv_store *s, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (bytes + 15) & ~(size_t)15;
    wkv_store_block *b = s->blocks;
    if (b == NULL || b->size - b->used < rounded) {
        size_t size = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        b = wkv_malloc(sizeof *b + size);
        if (b == NULL)
            return NULL;
        *b = (wkv_store_block){.next = s->blocks, .size = size};
        s->blocks = b;
    }
    void *p = b->bytes + b->used;
    b->used += rounded;
    return p;
}

void wkv_store_free_blocks(wkv_store *s)
{
    while (s->blocks != NULL) {
        wkv_store_block *next = s->blocks->next;
        wkv_free(s->blocks);
        s->blocks = next;
    }
}

char *wkv_store_strndup(wkv_store *s, const char *p, size_t n)
{
    char *copy = n < SIZE_MAX ? wkv_store_alloc(s, n + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, p, n);
        copy[n] = '\0';
    }
    return copy;
}

static wkv_status check_name(const char *name, wkv_error *err)
{
    if (strlen(name) > MAX_NAME)
        WKV_FAIL(err, WKV_E_LIMIT, "a tensor's name has %zu bytes; at most %d are allowed",
                 strlen(name), MAX_NAME);
    if (!wkv_text_valid(name, strlen(name)))
        WKV_FAIL(err, WKV_E_FORMAT, "the name of a tensor is not valid UTF-8");
    return WKV_OK;
}

static wkv_status check_tensor(const wkv_store *s, const wkv_tensor *t, wkv_error *err)
{
    uint64_t count, span, bytes, span_bytes;
    if (t->ndim < 0 || t->ndim > WKV_MAX_DIMS)
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' has %d dimensions; at most %d are supported",
                 t->name, t->ndim, WKV_MAX_DIMS);
    if (!wkv_tensor_measure(t, &count, &span))
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has an impossible shape", t->name);
    const wkv_dtype_info *info = wkv_dtype_of(t->dtype);
    if (info->block > 1 && (t->ndim == 0 || t->dim[t->ndim - 1] % info->block != 0))
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has rows that are no whole blocks of %d (%s)",
                 t->name, info->block, info->name);
    if (!wkv_dtype_bytes(t->dtype, count, &bytes) ||
        !wkv_dtype_bytes(t->dtype, span, &span_bytes) || bytes > INT64_MAX ||
        span_bytes > INT64_MAX)
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has more bytes than can be counted", t->name);
    if (bytes > span_bytes && bytes > MAX_REPEATED_BYTES)
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' repeats %llu stored bytes as %llu", t->name,
                 (unsigned long long)span_bytes, (unsigned long long)bytes);
    if (count > 0 && t->data == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' has no data", t->name);
    uintptr_t at = (uintptr_t)t->data, map = (uintptr_t)s->map.data;
    if (count > 0 && at >= map && at - map < s->map.size &&
        !wkv_range_ok(at - map, span_bytes, s->map.size))
        WKV_FAIL(err, WKV_E_FORMAT, "tensor '%s' reaches beyond the end of the file", t->name);
    return WKV_OK;
}

/* Makes room for one more element of `size` bytes in *list. */
static bool grow(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t cap_new = *cap > 0 ? *cap * 2 : 64;
    void *p = wkv_realloc(*list, cap_new * size);
    if (p == NULL)
        return false;
    *list = p;
    *cap = cap_new;
    return true;
}

wkv_status wkv_store_add(wkv_store *s, const wkv_tensor *t, wkv_error *err)
{
    WKV_TRY(check_name(t->name, err));
    WKV_TRY(check_tensor(s, t, err));
    if (s->n_tensors >= WKV_MAX_TENSORS)
        WKV_FAIL(err, WKV_E_LIMIT, "more than %d tensors", WKV_MAX_TENSORS);
    void *list = s->tensors;
    if (!grow(&list, s->n_tensors, &s->cap_tensors, sizeof *t))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    s->tensors = list;
    s->tensors[s->n_tensors++] = *t;
    return WKV_OK;
}

wkv_status wkv_store_add_meta(wkv_store *s, const char *key, const char *value, size_t value_len,
                              wkv_error *err)
{
    wkv_meta m = {.key = wkv_store_strndup(s, key, strlen(key)),
                  .value = wkv_store_strndup(s, value, value_len),
                  .value_len = value_len};
    void *list = s->meta;
    if (m.key == NULL || m.value == NULL || !grow(&list, s->n_meta, &s->cap_meta, sizeof m))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the metadata");
    s->meta = list;
    s->meta[s->n_meta++] = m;
    return WKV_OK;
}
