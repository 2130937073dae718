/* train/ckpt.c - saving and restoring a run: weights, both moments, and metadata, in one
 * safetensors file that other programs can read too.
 *
 * A tensor keeps its name; its moments are "adam.m.<name>" and "adam.v.<name>"; the states
 * that rows carry from step to step are "train.state".  Restoring
 * looks at everything, checksum included, before it changes anything. */
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/mem.h"
#include "train/ckpt_meta.h"

enum { NAME_BYTES = WKV_NAME_MAX + 8 };

/* The three arrays of a trainer as tensors: weights, first moments, second moments; the factors
 * that PiSSA began with; and, where rows carry states, those. */
typedef struct views {
    wkv_tensor *tensor;
    char (*name)[NAME_BYTES];
    size_t n;
} views;

static void views_deinit(views *v)
{
    wkv_free(v->tensor);
    wkv_free(v->name);
}

static void add_array(views *v, const wkv_trainer *t, const char *prefix, const real *array)
{
    wkv_trained_view(&t->trained, array, prefix, v->tensor + v->n, v->name[v->n], NAME_BYTES);
    v->n += t->trained.n;
}

static void add_states(views *v, const wkv_trainer *t)
{
    snprintf(v->name[v->n], NAME_BYTES, "train.state");
    wkv_tensor state = {
        .name = v->name[v->n],
        .data = (const uint8_t *)wkv_work_kept(&t->work),
        .dtype = WKV_DTYPE_REAL,
        .ndim = 2,
        .dim = {t->work.o.B, (int64_t)t->cfg.arch->state_size(&t->cfg)},
    };
    wkv_tensor_set_strides(&state);
    v->tensor[v->n++] = state;
}

static wkv_status views_init(views *v, const wkv_trainer *t, const char *path, wkv_error *err)
{
    const size_t most = 4 * t->trained.n + 1;
    *v = (views){
        .tensor = wkv_calloc(most, sizeof *v->tensor),
        .name = wkv_calloc(most, sizeof *v->name),
    };
    if (v->tensor == NULL || v->name == NULL) {
        views_deinit(v);
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory for a checkpoint", path);
    }
    add_array(v, t, "", t->optim.param);
    add_array(v, t, "adam.m.", t->optim.m);
    add_array(v, t, "adam.v.", t->optim.v);
    v->n += wkv_tuning_view(t, v->tensor + v->n, v->name[v->n], NAME_BYTES);
    if (wkv_work_kept(&t->work) != NULL)
        add_states(v, t);
    return WKV_OK;
}

static size_t view_bytes(const wkv_tensor *t)
{
    return (size_t)wkv_tensor_count(t) * sizeof(real);
}

/* Over names and shapes; the type of all is the same, and is said with the arithmetic. */
static uint32_t table_crc(const views *v)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < v->n; i++) {
        const wkv_tensor *t = &v->tensor[i];
        crc = wkv_crc32c(crc, t->name, strlen(t->name) + 1);
        crc = wkv_crc32c(crc, t->dim, (size_t)t->ndim * sizeof t->dim[0]);
    }
    return crc;
}

/* ---- save ------------------------------------------------------------------------------- */

wkv_status wkv_trainer_save(const wkv_trainer *t, const char *path, wkv_error *err)
{
    views v;
    WKV_TRY(views_init(&v, t, path, err));
    wkv_ckpt_crc crc = {.table = table_crc(&v)};
    for (size_t i = 0; i < v.n; i++)
        crc.values = wkv_crc32c(crc.values, v.tensor[i].data, view_bytes(&v.tensor[i]));
    wkv_ckpt_meta meta;
    wkv_ckpt_meta_fill(&meta, t, crc);
    wkv_store_out what = {
        .tensors = v.tensor,
        .n_tensors = v.n,
        .meta = meta.pair,
        .n_meta = meta.n,
        .dtype = WKV_DTYPE_COUNT,
    };
    wkv_status s = wkv_store_write(path, "safetensors", &what, err);
    views_deinit(&v);
    return s;
}

/* ---- restore ------------------------------------------------------------------------------ */

/* The file's tensor for a view; NULL unless name, type and shape agree. */
static const wkv_tensor *find(const wkv_store *file, const wkv_tensor *want)
{
    const wkv_tensor *t = wkv_store_find(file, want->name);
    if (t == NULL || t->dtype != want->dtype || t->ndim != want->ndim || !wkv_tensor_contiguous(t))
        return NULL;
    return memcmp(t->dim, want->dim, (size_t)t->ndim * sizeof t->dim[0]) == 0 ? t : NULL;
}

/* A tensor that is not as the run has it is damaged when the file was made with all of them, and
 * may be another run's when the file does not say. */
static wkv_status check_tensors(const wkv_store *file, const views *v, const wkv_ckpt_state *state,
                                wkv_error *err)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < v->n; i++) {
        const wkv_tensor *t = find(file, &v->tensor[i]);
        if (t == NULL)
            WKV_FAIL(err, state->has_table ? WKV_E_FORMAT : WKV_E_SHAPE,
                     "%s: %stensor %s is absent or of another type or shape", wkv_store_path(file),
                     state->has_table ? "damaged: " : "", v->tensor[i].name);
        crc = wkv_crc32c(crc, t->data, view_bytes(t));
    }
    if (crc != state->tensors_crc)
        WKV_FAIL(err, WKV_E_FORMAT, "%s: damaged: its tensors do not match their checksum",
                 wkv_store_path(file));
    return WKV_OK;
}

/* The which-th of the arrays. */
static void copy_array(const wkv_store *file, const wkv_trainer *t, const views *v, size_t which,
                       real *array)
{
    const size_t n = t->trained.n;
    for (size_t i = 0; i < n; i++) {
        const wkv_tensor *to = &v->tensor[which * n + i];
        memcpy(array + t->trained.tensor[i].at, wkv_store_find(file, to->name)->data,
               view_bytes(to));
    }
}

static wkv_status restore(wkv_trainer *t, const wkv_store *file, const views *v, wkv_error *err)
{
    wkv_ckpt_state state;
    WKV_TRY(wkv_ckpt_meta_check(file, t, table_crc(v), err));
    WKV_TRY(wkv_ckpt_meta_state(file, t->opts.steps, &state, err));
    WKV_TRY(check_tensors(file, v, &state, err));
    copy_array(file, t, v, 0, t->optim.param);
    copy_array(file, t, v, 1, t->optim.m);
    copy_array(file, t, v, 2, t->optim.v);
    if (t->tuning.first != NULL)
        copy_array(file, t, v, 3, t->tuning.first);
    wkv_tuning_first_changed(t);
    if (wkv_work_kept(&t->work) != NULL)
        memcpy(wkv_work_kept(&t->work), wkv_store_find(file, "train.state")->data,
               view_bytes(&v->tensor[v->n - 1]));
    t->guard = state.guard;
    t->step = state.step;
    return WKV_OK;
}

/* A file that was read, and is no file of tensors, is damaged, whatever is wrong with it. */
static wkv_status open_file(wkv_store **file, const char *path, wkv_error *err)
{
    wkv_status s = wkv_store_open(file, path, err);
    if (s == WKV_OK || s == WKV_E_IO || s == WKV_E_MEMORY)
        return s;
    if (err != NULL)
        err->code = WKV_E_FORMAT;
    return WKV_E_FORMAT;
}

wkv_status wkv_trainer_restore(wkv_trainer *t, const char *path, wkv_error *err)
{
    views v;
    wkv_store *file = NULL;
    WKV_TRY(views_init(&v, t, path, err));
    wkv_status s = open_file(&file, path, err);
    if (s == WKV_OK)
        s = restore(t, file, &v, err);
    wkv_store_close(&file);
    views_deinit(&v);
    return s;
}
