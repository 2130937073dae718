/* model/inspect.c - the public view of an open file: its tensors and metadata, whether
 * or not they make a model. */
#include <string.h>
#include <wkv/file.h>

#include "base/mem.h"
#include "store/tensor.h"

struct wkv_file {
    wkv_store *store;
};

_Static_assert(sizeof((wkv_file_tensor *)0)->dim / sizeof(int64_t) == WKV_MAX_DIMS,
               "the public struct has room for every tensor's dimensions");

wkv_status wkv_file_open(wkv_file **out, const char *path, wkv_error *err)
{
    *out = NULL;
    wkv_file *f = wkv_calloc(1, sizeof *f);
    if (f == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    wkv_status status = wkv_store_open(&f->store, path, err);
    if (status != WKV_OK) {
        wkv_file_close(&f);
        return status;
    }
    *out = f;
    return WKV_OK;
}

void wkv_file_close(wkv_file **f)
{
    if (*f == NULL)
        return;
    wkv_store_close(&(*f)->store);
    wkv_free(*f);
    *f = NULL;
}

const char *wkv_file_format(const wkv_file *f)
{
    return wkv_store_format(f->store);
}

size_t wkv_file_tensor_count(const wkv_file *f)
{
    return wkv_store_count(f->store);
}

void wkv_file_tensor_at(const wkv_file *f, size_t i, wkv_file_tensor *out)
{
    const wkv_tensor *t = wkv_store_at(f->store, i);
    *out = (wkv_file_tensor){
        .name = t->name,
        .dtype = wkv_dtype_of(t->dtype)->name,
        .ndim = t->ndim,
    };
    memcpy(out->dim, t->dim, (size_t)t->ndim * sizeof out->dim[0]);
}

wkv_status wkv_file_tensor_read(const wkv_file *f, size_t i, float *out, wkv_error *err)
{
    const wkv_tensor *t = wkv_store_at(f->store, i);
    if (!wkv_dtype_is_weight(t->dtype))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: tensor '%s' is of type %s, not real numbers",
                 wkv_store_path(f->store), t->name, wkv_dtype_of(t->dtype)->name);
    wkv_tensor_copy(out, t, WKV_DTYPE_F32);
    return WKV_OK;
}

size_t wkv_file_meta_count(const wkv_file *f)
{
    return wkv_store_meta_count(f->store);
}

void wkv_file_meta_at(const wkv_file *f, size_t i, const char **key, const char **value)
{
    const wkv_meta *m = wkv_store_meta_at(f->store, i);
    *key = m->key;
    *value = m->value;
}
