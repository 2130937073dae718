/* model/state_io.c - a session in a file, and back bit for bit.
 *
 * The file is a safetensors file: the tensor "state", the tensor "logits" (when a token
 * was fed), and as metadata the configuration of the model, the position, a fingerprint
 * of the model and a checksum over all that is restored.  Loading checks everything
 * before it changes anything: a session is never left half restored. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "model/session_impl.h"

#define META_KIND "wkv.kind"
#define META_POSITION "wkv.position"
#define META_FINGERPRINT "wkv.fingerprint"
#define META_CHECKSUM "wkv.checksum"
#define KIND_STATE "state"

enum { MAX_META = 32 };

static uint32_t add_factor(uint32_t crc, const wkv_weight *w)
{
    return wkv_crc32c(crc, w->data, (size_t)w->rows * (size_t)w->cols * sizeof(real));
}

/* With an adapter a model is another one. */
static uint32_t add_adapter(uint32_t crc, const wkv_adapter *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const wkv_lora *l = &a->lora[i];
        crc = wkv_crc32c(crc, &a->param[i], sizeof a->param[i]);
        crc = wkv_crc32c(crc, &l->scale, sizeof l->scale);
        crc = add_factor(add_factor(crc, &l->A), &l->B);
    }
    return crc;
}

/* Tells models of one shape apart: a checksum of the model-wide vectors (the last norm's),
 * which no conversion changes, and of the adapter.  Of all else a file may hold a rounded
 * form. */
static uint32_t fingerprint(const wkv_model *m)
{
    uint32_t crc = add_adapter(0, &m->adapter);
    const int n = wkv_params_count(&m->cfg);
    for (int i = 0; i < n; i++) {
        int layer;
        const wkv_param *p = wkv_params_at(&m->cfg, i, &layer);
        const wkv_weight *w = wkv_weights_at(&m->weights, &m->cfg, i);
        if (p->scope != WKV_ONCE || p->kind != WKV_VEC || w->data == NULL)
            continue;
        for (int c = 0; c < w->cols; c++) {
            float value = (float)wkv_vec(w)[c];
            crc = wkv_crc32c(crc, &value, sizeof value);
        }
    }
    return crc;
}

/* Over everything that a load restores. */
static uint32_t checksum(uint64_t position, const void *state, size_t state_bytes,
                         const void *logits, size_t logits_bytes)
{
    uint32_t crc = wkv_crc32c(0, &position, sizeof position);
    crc = wkv_crc32c(crc, state, state_bytes);
    return logits != NULL ? wkv_crc32c(crc, logits, logits_bytes) : crc;
}

static wkv_tensor vector(const char *name, wkv_dtype dtype, const void *data, size_t n)
{
    wkv_tensor t = {.name = name, .dtype = dtype, .ndim = 1, .dim = {(int64_t)n}, .data = data};
    wkv_tensor_set_strides(&t);
    return t;
}

static size_t logits_count(const wkv_session *s)
{
    return (size_t)s->model->cfg.dim[WKV_DIM_V];
}

/* ---- saving -------------------------------------------------------------------------- */

typedef struct meta_list {
    wkv_meta pair[MAX_META];
    size_t n;
} meta_list;

static void add_meta(meta_list *list, const char *key, const char *value)
{
    list->pair[list->n++] = (wkv_meta){.key = key, .value = value, .value_len = strlen(value)};
}

wkv_status wkv_session_save(const wkv_session *s, const char *path, wkv_error *err)
{
    const size_t state_bytes = s->state_size * sizeof *s->state;
    const size_t logits_bytes = logits_count(s) * sizeof *s->logits;
    const float *logits = wkv_session_logits(s);
    char position[24], mark[16], sum[16];
    snprintf(position, sizeof position, "%llu", (unsigned long long)s->position);
    snprintf(mark, sizeof mark, "%08x", fingerprint(s->model));
    snprintf(sum, sizeof sum, "%08x",
             checksum(s->position, s->state, state_bytes, logits, logits_bytes));

    wkv_config_meta config;
    wkv_config_to_meta(&config, &s->model->cfg);
    meta_list meta = {.n = 0};
    add_meta(&meta, META_KIND, KIND_STATE);
    for (size_t i = 0; i < config.n; i++)
        add_meta(&meta, config.pair[i].key, config.pair[i].value);
    add_meta(&meta, META_POSITION, position);
    add_meta(&meta, META_FINGERPRINT, mark);
    add_meta(&meta, META_CHECKSUM, sum);

    const wkv_tensor tensors[2] = {
        vector("state", WKV_DTYPE_REAL, s->state, s->state_size),
        vector("logits", WKV_DTYPE_F32, logits, logits_count(s)),
    };
    const wkv_store_out what = {
        .tensors = tensors,
        .n_tensors = logits != NULL ? 2 : 1,
        .meta = meta.pair,
        .n_meta = meta.n,
        .dtype = WKV_DTYPE_COUNT,
    };
    return wkv_store_write(path, "safetensors", &what, err);
}

/* ---- loading ------------------------------------------------------------------------- */

/* The value of a key that every saved state has. */
static wkv_status need_meta(const wkv_store *f, const char *key, const char **value, wkv_error *err)
{
    *value = wkv_store_meta(f, key);
    if (*value == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata \"%s\" of a saved state is missing", key);
    return WKV_OK;
}

/* An unsigned number in the given base that is all of the text. */
static wkv_status need_number(const wkv_store *f, const char *key, int base, uint64_t *out,
                              wkv_error *err)
{
    const char *text;
    WKV_TRY(need_meta(f, key, &text, err));
    const char *digits = base == 10 ? "0123456789" : "0123456789abcdef";
    size_t n = strlen(text);
    if (n == 0 || n > 19 || strspn(text, digits) != n)
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata \"%s\" is \"%.32s\", not a number", key, text);
    *out = strtoull(text, NULL, base);
    return WKV_OK;
}

static wkv_status check_model(const wkv_session *s, const wkv_store *f, wkv_error *err)
{
    const char *kind = wkv_store_meta(f, META_KIND);
    if (kind == NULL || strcmp(kind, KIND_STATE) != 0)
        WKV_FAIL(err, WKV_E_FORMAT, "not a saved state");
    wkv_config_meta config;
    wkv_config_to_meta(&config, &s->model->cfg);
    for (size_t i = 0; i < config.n; i++) {
        const char *value;
        WKV_TRY(need_meta(f, config.pair[i].key, &value, err));
        if (strcmp(value, config.pair[i].value) != 0)
            WKV_FAIL(err, WKV_E_SHAPE,
                     "the state is of another model: %s is %.32s there and %s here",
                     config.pair[i].key, value, config.pair[i].value);
    }
    uint64_t mark;
    WKV_TRY(need_number(f, META_FINGERPRINT, 16, &mark, err));
    if (mark != fingerprint(s->model))
        WKV_FAIL(err, WKV_E_SHAPE,
                 "the state is of another model of the same shape (fingerprint %08llx there, "
                 "%08x here)",
                 (unsigned long long)mark, fingerprint(s->model));
    return WKV_OK;
}

static wkv_status check_vector(const wkv_tensor *t, wkv_dtype dtype, size_t n, wkv_error *err)
{
    if (t->dtype != dtype || t->ndim != 1 || t->dim[0] != (int64_t)n)
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' is not a vector of %zu values of type %s", t->name,
                 n, wkv_dtype_of(dtype)->name);
    return WKV_OK;
}

static wkv_status restore(wkv_session *s, const wkv_store *f, wkv_error *err)
{
    WKV_TRY(check_model(s, f, err));
    const wkv_tensor *state = wkv_store_find(f, "state");
    const wkv_tensor *logits = wkv_store_find(f, "logits");
    if (state == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the tensor 'state' is missing");
    WKV_TRY(check_vector(state, WKV_DTYPE_REAL, s->state_size, err));
    if (logits != NULL)
        WKV_TRY(check_vector(logits, WKV_DTYPE_F32, logits_count(s), err));

    const size_t state_bytes = s->state_size * sizeof *s->state;
    const size_t logits_bytes = logits_count(s) * sizeof *s->logits;
    uint64_t position, sum;
    WKV_TRY(need_number(f, META_POSITION, 10, &position, err));
    WKV_TRY(need_number(f, META_CHECKSUM, 16, &sum, err));
    const uint8_t *logits_data = logits != NULL ? logits->data : NULL;
    if (sum != checksum(position, state->data, state_bytes, logits_data, logits_bytes))
        WKV_FAIL(err, WKV_E_FORMAT, "the checksum of the saved state does not match");

    memcpy(s->state, state->data, state_bytes);
    if (logits != NULL)
        memcpy(s->logits, logits_data, logits_bytes);
    s->has_logits = logits != NULL;
    s->position = position;
    return WKV_OK;
}

wkv_status wkv_session_load(wkv_session *s, const char *path, wkv_error *err)
{
    wkv_store *f;
    WKV_TRY(wkv_store_open(&f, path, err));
    wkv_status status = restore(s, f, err);
    if (status != WKV_OK)
        wkv_error_prefix(err, status, path);
    wkv_store_close(&f);
    return status;
}
