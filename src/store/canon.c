/* store/canon.c - see canon.h.  What these take apart was measured by the reader before:
 * the elements are there. */
#include "store/canon.h"

#include <string.h>

bool wkv_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

bool wkv_canon_unused(const char *name)
{
    return strncmp(name, "blocks.0.att.v", 14) == 0 && strlen(name) == 15;
}

void wkv_canon_reshape(wkv_tensor *t, int ndim, int64_t d0, int64_t d1, int64_t d2)
{
    const int64_t dim[3] = {d0, d1, d2};
    memcpy(t->dim, dim, sizeof dim);
    t->ndim = ndim;
    wkv_tensor_set_strides(t);
}

wkv_status wkv_canon_floats(wkv_store *s, wkv_tensor *t, float **out, wkv_error *err)
{
    const size_t n = (size_t)wkv_tensor_count(t);
    float *values = n <= SIZE_MAX / sizeof *values ? wkv_store_alloc(s, n * sizeof *values) : NULL;
    if (values == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for tensor '%s'", t->name);
    wkv_tensor_copy(values, t, WKV_DTYPE_F32);
    t->dtype = WKV_DTYPE_F32;
    t->data = (const uint8_t *)values;
    *out = values;
    return WKV_OK;
}

wkv_status wkv_canon_transpose(wkv_store *s, wkv_tensor *t, wkv_error *err)
{
    float *values;
    if (t->ndim < 2)
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' should have two dimensions", t->name);
    if (wkv_dtype_of(t->dtype)->block > 1)
        WKV_TRY(wkv_canon_floats(s, t, &values, err));
    const int a = t->ndim - 2, b = t->ndim - 1;
    const int64_t dim = t->dim[a], stride = t->stride[a];
    t->dim[a] = t->dim[b];
    t->stride[a] = t->stride[b];
    t->dim[b] = dim;
    t->stride[b] = stride;
    return WKV_OK;
}

wkv_status wkv_canon_add_split(wkv_store *s, const wkv_tensor *joined, const char *stem,
                               const char *letters, wkv_error *err)
{
    const size_t n = strlen(letters), length = strlen(stem);
    const int64_t width = wkv_tensor_count(joined) / (int64_t)n;
    uint64_t bytes;
    if (wkv_tensor_count(joined) % (int64_t)n != 0 ||
        !wkv_dtype_bytes(joined->dtype, (uint64_t)width, &bytes))
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' cannot be split in %zu", joined->name, n);
    for (size_t i = 0; i < n; i++) {
        wkv_tensor t = *joined;
        char *name = wkv_store_alloc(s, length + 2);
        if (name == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
        memcpy(name, stem, length);
        name[length] = letters[i];
        name[length + 1] = '\0';
        t.name = name;
        t.data = joined->data + (uint64_t)i * bytes;
        wkv_canon_reshape(&t, 3, 1, 1, width);
        WKV_TRY(wkv_store_add(s, &t, err));
    }
    return WKV_OK;
}
