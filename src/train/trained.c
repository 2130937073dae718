/* train/trained.c - see trained.h. */
#include "train/trained.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

wkv_status wkv_trained_init(wkv_trained *s, size_t room, wkv_error *err)
{
    *s = (wkv_trained){.room = room};
    s->tensor = wkv_calloc(room + 1, sizeof *s->tensor);
    if (s->tensor == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", room);
    return WKV_OK;
}

void wkv_trained_deinit(wkv_trained *s)
{
    wkv_free(s->tensor);
    *s = (wkv_trained){0};
}

wkv_trained_tensor *wkv_trained_add(wkv_trained *s, const int64_t *dim, int ndim)
{
    assert(s->n < s->room && ndim <= WKV_MAX_DIMS);
    wkv_trained_tensor *t = &s->tensor[s->n++];
    *t = (wkv_trained_tensor){.ndim = ndim, .at = s->size, .n = 1, .lr_scale = 1};
    for (int i = 0; i < ndim; i++) {
        t->dim[i] = dim[i];
        t->n *= (size_t)dim[i];
    }
    s->size += wkv_flat_room(t->n);
    return t;
}

void wkv_trained_add_param(wkv_trained *s, const wkv_config *cfg, int i)
{
    int layer;
    int64_t dim[WKV_MAX_DIMS];
    const wkv_param *p = wkv_params_at(cfg, i, &layer);
    wkv_trained_tensor *t = wkv_trained_add(s, dim, wkv_param_shape(cfg, p, dim));
    wkv_param_name(t->name, p, layer);
    t->lr_scale = p->lr_scale;
    t->decays = wkv_param_decays(p);
}

uint64_t wkv_trained_count(const wkv_trained *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->tensor[i].n;
    return n;
}

void wkv_trained_view(const wkv_trained *s, const real *array, const char *prefix, wkv_tensor *out,
                      char *names, size_t name_bytes)
{
    for (size_t i = 0; i < s->n; i++) {
        const wkv_trained_tensor *from = &s->tensor[i];
        char *name = names + i * name_bytes;
        snprintf(name, name_bytes, "%s%s", prefix, from->name);
        out[i] = (wkv_tensor){.name = name,
                              .dtype = WKV_DTYPE_REAL,
                              .ndim = from->ndim,
                              .data = (const uint8_t *)(array + from->at)};
        memcpy(out[i].dim, from->dim, sizeof from->dim);
        wkv_tensor_set_strides(&out[i]);
    }
}
