/* tests/support/forge.c - see forge.h. */
#include "support/forge.h"

#include "test.h"

#include "store/tensor.h"

static void check(wkv_status status, const wkv_error *err)
{
    if (status != WKV_OK)
        fail_msg("forge: %s", err->text);
}

static bool is(const char *name, const char *wanted)
{
    return wanted != NULL && strcmp(name, wanted) == 0;
}

/* The metadata of the forged file; returns how many. */
static size_t forge_meta(wkv_meta *meta, const wkv_store *in, const forgery *what)
{
    size_t n = 0;
    for (size_t i = 0; i < wkv_store_meta_count(in) && !what->no_meta; i++) {
        wkv_meta m = *wkv_store_meta_at(in, i);
        if (is(m.key, what->meta_key)) {
            if (what->meta_value == NULL)
                continue;
            m.value = what->meta_value;
            m.value_len = strlen(m.value);
        }
        meta[n++] = m;
    }
    return n;
}

/* The tensors; *zeros receives the memory of the grown one. */
static size_t forge_tensors(wkv_tensor *tensors, void **zeros, const wkv_store *in,
                            const forgery *what)
{
    size_t n = 0;
    for (size_t i = 0; i < wkv_store_count(in); i++) {
        wkv_tensor t = *wkv_store_at(in, i);
        if (is(t.name, what->drop))
            continue;
        if (is(t.name, what->rename))
            t.name = what->name;
        if (is(t.name, what->shrink))
            t.dim[0]--;
        if (is(t.name, what->halve))
            t.dtype = WKV_DTYPE_F16;
        if (is(t.name, what->grow)) {
            t.dim[0]++;
            wkv_tensor_set_strides(&t);
            *zeros = calloc((size_t)wkv_tensor_count(&t), sizeof(double));
            t.data = *zeros;
        }
        tensors[n++] = t;
    }
    return n;
}

void forge(const char *out, const char *in, const forgery *what)
{
    wkv_error err;
    wkv_store *good;
    check(wkv_store_open(&good, in, &err), &err);
    wkv_tensor *tensors = calloc(wkv_store_count(good) + 1, sizeof *tensors);
    wkv_meta *meta = calloc(wkv_store_meta_count(good) + 1, sizeof *meta);
    void *zeros = NULL;
    const wkv_store_out file = {
        .tensors = tensors,
        .n_tensors = forge_tensors(tensors, &zeros, good, what),
        .meta = meta,
        .n_meta = forge_meta(meta, good, what),
        .dtype = WKV_DTYPE_COUNT,
    };
    check(wkv_store_write(out, "safetensors", &file, &err), &err);
    wkv_store_close(&good);
    free(zeros);
    free(meta);
    free(tensors);
}

void forge_plain(const char *out, bool with_meta)
{
    static const float square[6] = {1, -2, 3, 4.5f, -5, 6};
    static const int64_t whole[3] = {7, -8, INT64_MAX};
    wkv_tensor tensors[] = {
        {.name = "square", .dtype = WKV_DTYPE_F32, .ndim = 2, .dim = {2, 3}},
        {.name = "whole", .dtype = WKV_DTYPE_I64, .ndim = 1, .dim = {3}},
        {.name = "scalar", .dtype = WKV_DTYPE_F32},
    };
    tensors[0].data = tensors[2].data = (const uint8_t *)square;
    tensors[1].data = (const uint8_t *)whole;
    for (int i = 0; i < 3; i++)
        wkv_tensor_set_strides(&tensors[i]);
    const wkv_meta meta = {"author", "nobody", 6};
    const wkv_store_out file = {.tensors = tensors,
                                .n_tensors = 3,
                                .meta = &meta,
                                .n_meta = with_meta ? 1 : 0,
                                .dtype = WKV_DTYPE_COUNT};
    wkv_error err;
    check(wkv_store_write(out, "safetensors", &file, &err), &err);
}
