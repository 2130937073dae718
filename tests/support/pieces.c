/* tests/support/pieces.c - see pieces.h. */
#include "support/pieces.h"

#include <stdio.h>

#include "test.h"

#include "base/rng.h"
#include "store/content.h"

enum { MOST = 256 };

struct pieces {
    wkv_tensor tensor[MOST];
    char name[MOST][96];
    size_t n;
    wkv_rng rng;
};

void pieces_put(pieces *p, const char *name, int64_t d0, int64_t d1, int64_t d2, double scale)
{
    wkv_tensor *t = &p->tensor[p->n];
    snprintf(p->name[p->n], sizeof p->name[0], "%s", name);
    *t = (wkv_tensor){.name = p->name[p->n++],
                      .dtype = WKV_DTYPE_F32,
                      .ndim = d2 > 0 ? 3 : d1 > 0 ? 2 : 1,
                      .dim = {d0, d1, d2}};
    wkv_tensor_set_strides(t);
    const size_t n = (size_t)wkv_tensor_count(t);
    float *values = malloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(scale * wkv_rng_normal(&p->rng));
    t->data = (const uint8_t *)values;
}

void pieces_put_model(pieces *p, const char *model)
{
    wkv_store *s;
    assert_int_equal(wkv_store_open(&s, model, NULL), WKV_OK);
    for (size_t i = 0; i < wkv_store_count(s); i++) {
        const wkv_tensor *from = wkv_store_at(s, i);
        assert_true(p->n < MOST);
        wkv_tensor *t = &p->tensor[p->n];
        snprintf(p->name[p->n], sizeof p->name[0], "%s", from->name);
        *t = *from;
        t->name = p->name[p->n++];
        t->dtype = WKV_DTYPE_F64;
        wkv_tensor_set_strides(t);
        double *values = malloc((size_t)wkv_tensor_count(t) * sizeof *values);
        wkv_tensor_copy(values, from, WKV_DTYPE_F64);
        t->data = (const uint8_t *)values;
    }
    wkv_store_close(&s);
}

pieces *pieces_begin(uint64_t seed)
{
    pieces *p = calloc(1, sizeof *p);
    wkv_rng_seed(&p->rng, seed);
    return p;
}

void pieces_seed(pieces *p, uint64_t seed)
{
    wkv_rng_seed(&p->rng, seed);
}

void pieces_finish(pieces *p, const char *path, const char *dtype, const char *alpha)
{
    wkv_error err;
    const wkv_meta meta = {WKV_META_ALPHA, alpha, alpha != NULL ? strlen(alpha) : 0};
    const wkv_store_out out = {.tensors = p->tensor,
                               .n_tensors = p->n,
                               .meta = &meta,
                               .n_meta = alpha != NULL,
                               .dtype = dtype != NULL ? wkv_dtype_by_name(dtype)
                                                      : WKV_DTYPE_COUNT};
    if (wkv_store_write(path, wkv_store_format_of_path(path), &out, &err) != WKV_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < p->n; i++)
        free((void *)(uintptr_t)p->tensor[i].data);
    free(p);
}

void pieces_put_factors(pieces *p, const char *model, const char *A, const char *B, int rank,
                        double scale)
{
    wkv_store *s;
    int count = 0;
    char name[128];
    assert_int_equal(wkv_store_open(&s, model, NULL), WKV_OK);
    for (size_t i = 0; i < wkv_store_count(s); i++) {
        const wkv_tensor *t = wkv_store_at(s, i);
        const int stem = (int)strlen(t->name) - 7;
        if (!wkv_tensor_is_matrix(t) || stem < 0 || strcmp(t->name + stem, ".weight") != 0 ||
            strcmp(t->name, "emb.weight") == 0 || count++ % 2 == 0)
            continue;
        snprintf(name, sizeof name, "%.*s.%s", stem, t->name, A);
        pieces_put(p, name, rank, t->dim[1], 0, scale);
        snprintf(name, sizeof name, "%.*s.%s", stem, t->name, B);
        pieces_put(p, name, t->dim[0], rank, 0, scale);
    }
    assert_true(count > 5);
    wkv_store_close(&s);
}
