/* model/merge.c - a conversion on whose way some tensors are changed by an adapter, or initial
 * states are added. */
#include <string.h>
#include <wkv/adapter.h>

#include "arch/adapter.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/model_impl.h"
#include "store/content.h"

typedef struct merge {
    const char *path;
    const wkv_merge_opts *o;
    wkv_store *file, *init;
    wkv_dev *dev;
    wkv_arena scratch;
    wkv_weights weights; /* of the base, for their shapes */
    wkv_adapter adapter;
    wkv_tensor *changed; /* what replaces or joins the base's tensors */
    void **blocks;       /* [n_changed] the memory of each, or NULL */
    size_t n_changed;
} merge;

void wkv_merge_opts_init(wkv_merge_opts *o)
{
    *o = (wkv_merge_opts){0};
}

static void merge_deinit(merge *m)
{
    for (size_t i = 0; i < m->n_changed; i++)
        wkv_free_aligned(m->blocks[i]);
    wkv_free(m->blocks);
    wkv_free(m->changed);
    wkv_adapter_deinit(&m->adapter);
    wkv_weights_deinit(&m->weights);
    wkv_arena_deinit(&m->scratch);
    wkv_dev_close(&m->dev);
    wkv_store_close(&m->init);
    wkv_store_close(&m->file);
}

static wkv_status reserve(merge *m, size_t n, wkv_error *err)
{
    m->changed = wkv_calloc(n + 1, sizeof *m->changed);
    m->blocks = wkv_calloc(n + 1, sizeof *m->blocks);
    if (m->changed == NULL || m->blocks == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", n);
    return WKV_OK;
}

/* ---- an adapter ---------------------------------------------------------------------- */

/* The type that a changed matrix is kept in: f32 when the writer is to choose. */
static wkv_status type_of(wkv_dtype *dtype, const merge *m, const wkv_tensor *t, wkv_error *err)
{
    *dtype = m->o->dtype != NULL ? WKV_DTYPE_F32 : t->dtype;
    if (wkv_dtype_of(*dtype)->block > 1)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "%s is of the type %s, which would have to be quantised again: merge into the "
                 "model it was made of, or name a dtype",
                 t->name, wkv_dtype_of(t->dtype)->name);
    return WKV_OK;
}

static wkv_status merged(merge *m, const wkv_lora *l, const wkv_tensor *t, real *values,
                         wkv_error *err)
{
    wkv_exec x = {.dev = m->dev, .scratch = &m->scratch};
    wkv_dtype dtype;
    uint64_t bytes;
    WKV_TRY(type_of(&dtype, m, t, err));
    wkv_arena_measure(&m->scratch);
    wkv_lora_merge(&x, values, l, 1);
    if (!wkv_arena_init(&m->scratch, m->scratch.peak))
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
    wkv_tensor_copy(values, t, WKV_DTYPE_REAL);
    wkv_lora_merge(&x, values, l, 1);
    wkv_arena_deinit(&m->scratch);
    wkv_tensor sum = *t, *to = &m->changed[m->n_changed];
    sum.dtype = WKV_DTYPE_REAL;
    sum.data = (const uint8_t *)values;
    wkv_tensor_set_strides(&sum);
    *to = sum;
    to->dtype = dtype;
    if (wkv_dtype_bytes(dtype, (uint64_t)wkv_tensor_count(t), &bytes))
        m->blocks[m->n_changed] = wkv_malloc_aligned((size_t)bytes);
    if (m->blocks[m->n_changed] == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
    to->data = m->blocks[m->n_changed];
    wkv_tensor_copy(m->blocks[m->n_changed++], &sum, dtype);
    return WKV_OK;
}

/* The tensor of base that the adapter's i-th pair of factors changes. */
static const wkv_tensor *target(const merge *m, size_t i, const wkv_config *cfg,
                                const wkv_store *base)
{
    int layer;
    char name[WKV_NAME_MAX];
    const wkv_param *p = wkv_params_at(cfg, m->adapter.param[i], &layer);
    wkv_param_name(name, p, layer);
    return wkv_store_find(base, name);
}

static uint64_t bytes_of(const wkv_tensor *t)
{
    uint64_t bytes = 0;
    wkv_dtype_bytes(t->dtype, (uint64_t)wkv_tensor_count(t), &bytes);
    return bytes;
}

static wkv_status merge_all(merge *m, const wkv_config *cfg, const wkv_store *base, wkv_error *err)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < m->adapter.n; i++)
        total += bytes_of(target(m, i, cfg, base));
    for (size_t i = 0; i < m->adapter.n; i++) {
        const wkv_tensor *t = target(m, i, cfg, base);
        real *values = wkv_malloc((size_t)wkv_tensor_count(t) * sizeof *values);
        if (values == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
        wkv_status s = merged(m, &m->adapter.lora[i], t, values, err);
        wkv_free(values);
        WKV_TRY(s);
        done += bytes_of(t);
        if (m->o->on_progress != NULL && !m->o->on_progress(m->o->user, true, done, total))
            WKV_FAIL(err, WKV_E_STATE, "stopped");
    }
    return WKV_OK;
}

/* Tensors that the adapter's file has whole replace the model's. */
static wkv_status replace_whole(merge *m, const wkv_config *cfg, wkv_error *err)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        int layer;
        char name[WKV_NAME_MAX];
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_store_find(m->file, name);
        if (t == NULL || !wkv_param_exists(p, layer))
            continue;
        WKV_TRY(wkv_config_check(cfg, p, t, err));
        m->changed[m->n_changed++] = *t;
    }
    return WKV_OK;
}

static wkv_status merge_adapter(merge *m, const wkv_config *cfg, const wkv_store *base,
                                wkv_error *err)
{
    WKV_TRY(wkv_adapter_check_alpha("adapter-alpha", m->o->alpha, err));
    if (m->o->init != NULL)
        WKV_TRY(wkv_store_open(&m->init, m->o->init, err));
    WKV_TRY(wkv_dev_open_cpu(&m->dev, m->o->threads, err));
    WKV_TRY(wkv_weights_bind(&m->weights, cfg, base, err));
    wkv_status s = wkv_adapter_read(&m->adapter, cfg, &m->weights, m->file, m->init, m->o->alpha,
                                    err);
    if (s == WKV_OK)
        s = reserve(m, 2 * (size_t)wkv_params_count(cfg), err);
    if (s == WKV_OK)
        s = replace_whole(m, cfg, err);
    if (s != WKV_OK)
        return wkv_error_prefix(err, s, m->path);
    s = merge_all(m, cfg, base, err);
    return s == WKV_OK ? s : wkv_error_prefix(err, s, wkv_store_path(base));
}

/* ---- initial states --------------------------------------------------------------------- */

static wkv_status add_states(merge *m, const wkv_config *cfg, const char *format, wkv_error *err)
{
    if (strcmp(format, "safetensors") != 0 && strcmp(format, "pth") != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the format %s has no place for initial states; safetensors and pth do", format);
    wkv_status s = wkv_pieces_check_state(cfg, m->file, err);
    if (s == WKV_OK)
        s = reserve(m, (size_t)wkv_params_count(cfg), err);
    if (s == WKV_OK)
        s = replace_whole(m, cfg, err);
    return s == WKV_OK ? s : wkv_error_prefix(err, s, m->path);
}

/* ---- the conversion ----------------------------------------------------------------------- */

static wkv_status prepare(void *user, const wkv_store *base, const wkv_config *cfg,
                          const char *format, wkv_error *err)
{
    merge *m = user;
    wkv_content c;
    if (cfg == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: no model that anything could be merged into",
                 wkv_store_path(base));
    WKV_TRY(wkv_store_open(&m->file, m->path, err));
    wkv_store_content(&c, m->file);
    return c.id == WKV_CONTENT_STATE ? add_states(m, cfg, format, err)
                                     : merge_adapter(m, cfg, base, err);
}

static size_t changed(void *user, const wkv_tensor **list)
{
    const merge *m = user;
    *list = m->changed;
    return m->n_changed;
}

static bool on_write(void *user, uint64_t done, uint64_t total)
{
    const merge *m = user;
    return m->o->on_progress(m->o->user, false, done, total);
}

wkv_status wkv_merge(const char *base, const char *piece, const char *out,
                     const wkv_merge_opts *opts, wkv_error *err)
{
    wkv_merge_opts defaults;
    wkv_convert_opts c;
    wkv_merge_opts_init(&defaults);
    wkv_convert_opts_init(&c);
    merge m = {.path = piece, .o = opts != NULL ? opts : &defaults};
    c.format = m.o->format;
    c.dtype = m.o->dtype;
    c.user = &m;
    c.on_progress = m.o->on_progress != NULL ? on_write : NULL;
    const wkv_convert_hook hook = {.user = &m, .prepare = prepare, .changed = changed};
    wkv_status s = wkv_convert_through(base, out, &c, &hook, err);
    merge_deinit(&m);
    return s;
}
