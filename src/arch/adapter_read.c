/* arch/adapter_read.c - low-rank changes out of files, as RWKV-PEFT writes them (content.h).
 *
 * What PiSSA takes away and what it gives instead become one change of the sum of both ranks:
 * B A - B0 A0 = [B, -B0] [A; A0]. */
#include <stdio.h>
#include <string.h>

#include "arch/adapter.h"
#include "base/mem.h"
#include "base/number.h"
#include "store/content.h"

/* The factors of one matrix: those to add, and, with PiSSA, those to take away. */
typedef struct factors {
    const wkv_tensor *A, *B, *A0, *B0; /* A0, B0: NULL without PiSSA */
} factors;

typedef struct reader {
    wkv_adapter *a;
    const wkv_config *cfg;
    const wkv_weights *w;
    const wkv_store *file, *init; /* init: where A0 and B0 are, or NULL */
    double alpha;
    size_t size; /* reals of all factors */
} reader;

/* ---- what the file is --------------------------------------------------------------- */

static bool holds_init(const wkv_store *s)
{
    for (size_t i = 0; i < wkv_store_count(s); i++)
        if (strstr(wkv_store_at(s, i)->name, ".init_lora_A") != NULL)
            return true;
    return false;
}

static wkv_status check_content(const wkv_store *file, wkv_error *err)
{
    wkv_content c;
    wkv_store_content(&c, file);
    if (c.id == WKV_CONTENT_LORA && c.complete)
        return WKV_OK;
    if (c.id == WKV_CONTENT_LORA)
        WKV_FAIL(err, WKV_E_FORMAT, "damaged: not every lora_A has its lora_B of the same rank");
    if (c.id == WKV_CONTENT_STATE)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "no adapter but an initial state: give it as state");
    if (c.id == WKV_CONTENT_PISSA_INIT)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "where a PiSSA run began, not what came of it: give that as adapter, and this "
                 "beside it");
    WKV_FAIL(err, WKV_E_UNSUPPORTED,
             "no LoRA or PiSSA adapter: %s (matrices with lora_A and lora_B were expected)",
             wkv_content_name(c.id));
}

static wkv_status find_alpha(reader *r, wkv_error *err)
{
    if (r->init != NULL || r->alpha > 0)
        return WKV_OK;
    const char *text = wkv_store_meta(r->file, WKV_META_ALPHA);
    char *end = NULL;
    if (text == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "the file does not say its alpha: give adapter-alpha, the lora_alpha it was "
                 "trained with; or, if it is of a PiSSA run, the file of its beginning");
    r->alpha = wkv_number_parse(text, &end);
    if (end == text || *end != '\0' || !(r->alpha > 0 && r->alpha <= 1e9))
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata \"%s\" is \"%.32s\", no number above 0",
                 WKV_META_ALPHA, text);
    return WKV_OK;
}

/* ---- shapes ------------------------------------------------------------------------------ */

static void show_shape(char *buf, size_t room, const wkv_tensor *t)
{
    size_t n = (size_t)snprintf(buf, room, "[");
    for (int i = 0; i < t->ndim && n < room; i++)
        n += (size_t)snprintf(buf + n, room - n, "%s%lld", i > 0 ? ", " : "",
                              (long long)t->dim[i]);
    if (n < room)
        snprintf(buf + n, room - n, "]");
}

/* A (R, inputs) and B (outputs, R) for W, of real numbers. */
static wkv_status check_factors(const wkv_tensor *A, const wkv_tensor *B, const wkv_weight *W,
                                wkv_error *err)
{
    const int64_t most = W->rows < W->cols ? W->rows : W->cols;
    const wkv_tensor *wrong = A->ndim != 2 || A->dim[1] != W->cols ? A
                              : B->ndim != 2 || B->dim[0] != W->rows ? B
                                                                     : NULL;
    if (wrong != NULL) {
        char shape[128];
        show_shape(shape, sizeof shape, wrong);
        WKV_FAIL(err, WKV_E_SHAPE,
                 "%s is %s, but the model's matrix is [%d, %d]: %s was expected; the adapter is of "
                 "another model",
                 wrong->name, shape, W->rows, W->cols,
                 wrong == A ? "[R, inputs]" : "[outputs, R]");
    }
    if (A->dim[0] != B->dim[1] || A->dim[0] < 1 || A->dim[0] > most)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "%s has rank %lld and its lora_B %lld, expected the same, from 1 to %lld", A->name,
                 (long long)A->dim[0], (long long)B->dim[1], (long long)most);
    if (!wkv_dtype_is_weight(A->dtype) || !wkv_dtype_is_weight(B->dtype))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s is of type %s, not real numbers", A->name,
                 wkv_dtype_of(A->dtype)->name);
    return WKV_OK;
}

/* The factors of matrix i; *found false when the file has none for it. */
static wkv_status find_factors(const reader *r, int i, factors *f, bool *found, wkv_error *err)
{
    int layer;
    char name[WKV_NAME_MAX];
    const wkv_param *p = wkv_params_at(r->cfg, i, &layer);
    const wkv_weight *W = wkv_weights_at(r->w, r->cfg, i);
    *f = (factors){0};
    *found = false;
    if (p->kind != WKV_MAT || W->data == NULL)
        return WKV_OK;
    wkv_param_name(name, p, layer);
    if (!wkv_content_factors(r->file, name, false, &f->A, &f->B))
        return WKV_OK;
    *found = true;
    WKV_TRY(check_factors(f->A, f->B, W, err));
    if (r->init == NULL)
        return WKV_OK;
    if (!wkv_content_factors(r->init, name, true, &f->A0, &f->B0))
        WKV_FAIL(err, WKV_E_MISSING, "%s is changed, but %s lacks what PiSSA took from it", name,
                 wkv_store_path(r->init));
    return check_factors(f->A0, f->B0, W, err);
}

static int rank_of(const factors *f)
{
    return (int)(f->A->dim[0] + (f->A0 != NULL ? f->A0->dim[0] : 0));
}

/* ---- values ------------------------------------------------------------------------------- */

/* Columns [at, at + R) of to (outputs, width) = sign B. */
static wkv_status put_columns(real *to, int width, int at, const wkv_tensor *B, real sign,
                              wkv_error *err)
{
    const size_t R = (size_t)B->dim[1], out = (size_t)B->dim[0];
    real *values = wkv_malloc(out * R * sizeof *values);
    if (values == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", B->name);
    wkv_tensor_copy(values, B, WKV_DTYPE_REAL);
    for (size_t o = 0; o < out; o++)
        for (size_t k = 0; k < R; k++)
            to[o * (size_t)width + (size_t)at + k] = sign * values[o * R + k];
    wkv_free(values);
    return WKV_OK;
}

/* Fills the change's factors at `to`, which has room for both. */
static wkv_status fill(const reader *r, wkv_lora *l, const factors *f, real *to, wkv_error *err)
{
    const int rank = l->A.rows, R = (int)f->A->dim[0];
    real *b = to + wkv_flat_room((size_t)rank * (size_t)l->A.cols);
    l->A.data = to;
    l->B.data = b;
    l->scale = r->init != NULL ? 1 : (real)(r->alpha / R);
    wkv_tensor_copy(to, f->A, WKV_DTYPE_REAL);
    WKV_TRY(put_columns(b, rank, 0, f->B, 1, err));
    if (f->A0 == NULL)
        return WKV_OK;
    wkv_tensor_copy(to + (size_t)R * (size_t)l->A.cols, f->A0, WKV_DTYPE_REAL);
    return put_columns(b, rank, R, f->B0, -1, err);
}

static size_t size_of(const wkv_lora *l)
{
    return wkv_flat_room((size_t)l->A.rows * (size_t)l->A.cols) +
           wkv_flat_room((size_t)l->B.rows * (size_t)l->B.cols);
}

static wkv_status fill_all(const reader *r, wkv_error *err)
{
    real *to = r->a->values;
    for (size_t i = 0; i < r->a->n; i++) {
        factors f;
        bool found;
        WKV_TRY(find_factors(r, r->a->param[i], &f, &found, err));
        WKV_TRY(fill(r, &r->a->lora[i], &f, to, err));
        to += size_of(&r->a->lora[i]);
    }
    return WKV_OK;
}

/* A factor that belongs to no matrix of the model. */
static wkv_status check_all_used(const reader *r, wkv_error *err)
{
    for (size_t i = 0; i < wkv_store_count(r->file); i++) {
        const wkv_tensor *t = wkv_store_at(r->file, i), *A, *B;
        bool used = strstr(t->name, ".lora_") == NULL;
        for (size_t j = 0; j < r->a->n && !used; j++) {
            int layer;
            char name[WKV_NAME_MAX];
            const wkv_param *p = wkv_params_at(r->cfg, r->a->param[j], &layer);
            wkv_param_name(name, p, layer);
            used = wkv_content_factors(r->file, name, false, &A, &B) && (A == t || B == t);
        }
        if (!used)
            WKV_FAIL(err, WKV_E_SHAPE,
                     "%s belongs to no matrix of the model (%s, %d layers); the adapter is of "
                     "another one",
                     t->name, r->cfg->arch->name, r->cfg->layers);
    }
    return WKV_OK;
}

wkv_status wkv_adapter_read(wkv_adapter *a, const wkv_config *cfg, const wkv_weights *w,
                            const wkv_store *file, const wkv_store *init, double alpha,
                            wkv_error *err)
{
    reader r = {a, cfg, w, file, init, alpha, 0};
    if (init == NULL && holds_init(file))
        r.init = file;
    WKV_TRY(check_content(file, err));
    WKV_TRY(find_alpha(&r, err));
    const int count = wkv_params_count(cfg);
    WKV_TRY(wkv_adapter_init(a, (size_t)count, err));
    for (int i = 0; i < count; i++) {
        factors f;
        bool found;
        WKV_TRY(find_factors(&r, i, &f, &found, err));
        if (found)
            r.size += size_of(wkv_adapter_add(a, cfg, w, i, rank_of(&f)));
    }
    WKV_TRY(check_all_used(&r, err));
    a->values = wkv_malloc_aligned((r.size + 1) * sizeof *a->values);
    if (a->values == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for changes of %zu matrices", a->n);
    return fill_all(&r, err);
}
