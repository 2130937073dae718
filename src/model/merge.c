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

static wkv_status add_change(merge *m, const wkv_lora *l, const wkv_tensor *t, wkv_error *err)
{
    real *values = wkv_malloc((size_t)wkv_tensor_count(t) * sizeof *values);
    if (values == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
    wkv_status s = merged(m, l, t, values, err);
    wkv_free(values);
    return s;
}

/* Parameter i as the file has it, or NULL. */
static const wkv_tensor *find_in(const wkv_store *file, const wkv_config *cfg, int i)
{
    int layer;
    char name[WKV_NAME_MAX];
    const wkv_param *p = wkv_params_at(cfg, i, &layer);
    wkv_param_name(name, p, layer);
    return wkv_param_exists(p, layer) ? wkv_store_find(file, name) : NULL;
}

/* As a model opened with the piece has it: a whole tensor of the piece's file replaces the base's,
 * and a change (or NULL) is added to whichever it is. */
static wkv_status change_one(merge *m, const wkv_config *cfg, const wkv_store *base, int i,
                             const wkv_lora *l, wkv_error *err)
{
    int layer;
    const wkv_tensor *whole = find_in(m->file, cfg, i);
    wkv_status s = WKV_OK;
    if (whole != NULL)
        s = wkv_config_check(cfg, wkv_params_at(cfg, i, &layer), whole, err);
    if (s == WKV_OK && l != NULL)
        s = add_change(m, l, whole != NULL ? whole : find_in(base, cfg, i), err);
    else if (s == WKV_OK && whole != NULL)
        m->changed[m->n_changed++] = *whole;
    return s == WKV_OK ? s
                       : wkv_error_prefix(err, s, whole != NULL ? m->path : wkv_store_path(base));
}

static uint64_t bytes_in(const wkv_store *file, const wkv_config *cfg, int i)
{
    const wkv_tensor *t = find_in(file, cfg, i);
    return wkv_tensor_bytes(t, t->dtype);
}

static wkv_status change_all(merge *m, const wkv_config *cfg, const wkv_store *base, wkv_error *err)
{
    const int count = wkv_params_count(cfg);
    size_t next = 0; /* of the adapter's changes, which are in the order of the parameters */
    uint64_t done = 0, total = 0;
    WKV_TRY(reserve(m, (size_t)count, err));
    for (size_t i = 0; i < m->adapter.n; i++)
        total += bytes_in(base, cfg, m->adapter.param[i]);
    for (int i = 0; i < count; i++) {
        const bool changed = next < m->adapter.n && m->adapter.param[next] == i;
        const wkv_lora *l = changed ? &m->adapter.lora[next++] : NULL;
        WKV_TRY(change_one(m, cfg, base, i, l, err));
        if (l == NULL)
            continue;
        done += bytes_in(base, cfg, i);
        if (m->o->on_progress != NULL && !m->o->on_progress(m->o->user, true, done, total))
            WKV_FAIL(err, WKV_E_STATE, "stopped");
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
    return s == WKV_OK ? change_all(m, cfg, base, err) : wkv_error_prefix(err, s, m->path);
}

/* ---- initial states --------------------------------------------------------------------- */

static wkv_status add_states(merge *m, const wkv_config *cfg, const wkv_store *base,
                             const char *format, wkv_error *err)
{
    if (strcmp(format, "safetensors") != 0 && strcmp(format, "pth") != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the format %s has no place for initial states; safetensors and pth do", format);
    wkv_status s = wkv_pieces_check_state(cfg, m->file, err);
    return s == WKV_OK ? change_all(m, cfg, base, err) : wkv_error_prefix(err, s, m->path);
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
    return c.id == WKV_CONTENT_STATE ? add_states(m, cfg, base, format, err)
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
