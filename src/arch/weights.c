/* arch/weights.c - a model's weights in flat blocks of reals: laid out for training,
 * created, filled from a file, and viewed as tensors for writing. */
#include <stdint.h>

#include "arch/arch.h"
#include "base/mem.h"

static wkv_status allocate(wkv_weights *w, const wkv_config *cfg, wkv_error *err)
{
    const wkv_arch *a = cfg->arch;
    *w = (wkv_weights){0};
    w->once = wkv_calloc((size_t)a->n_once, sizeof *w->once);
    w->layer = wkv_calloc((size_t)a->n_layer * (size_t)cfg->layers, sizeof *w->layer);
    if (w->once == NULL || w->layer == NULL) {
        wkv_weights_deinit(w);
        WKV_FAIL(err, WKV_E_MEMORY, "weights: out of memory");
    }
    return WKV_OK;
}

void wkv_weights_deinit(wkv_weights *w)
{
    for (size_t i = 0; i < w->n_blocks; i++)
        wkv_free_aligned(w->blocks[i]);
    wkv_free(w->blocks);
    wkv_free(w->once);
    wkv_free(w->layer);
    *w = (wkv_weights){0};
}

/* How often parameters are replaced is the callers' business, so the list has no length that would
 * have to be right. */
void *wkv_weights_room(wkv_weights *w, size_t bytes)
{
    if (w->n_blocks == w->blocks_room) {
        const size_t room = 2 * w->blocks_room + 16;
        void **longer = wkv_realloc(w->blocks, room * sizeof *longer);
        if (longer == NULL)
            return NULL;
        w->blocks = longer;
        w->blocks_room = room;
    }
    void *block = wkv_malloc_aligned(bytes);
    if (block != NULL)
        w->blocks[w->n_blocks++] = block;
    return block;
}

wkv_weight *wkv_weights_at(const wkv_weights *w, const wkv_config *cfg, int i)
{
    int n = cfg->arch->n_once;
    return i < n ? &w->once[i] : &w->layer[i - n];
}

/* Rows and columns as an op sees them (wkv_weight). */
static void set_shape(wkv_weight *w, const wkv_config *cfg, const wkv_param *p)
{
    int64_t dim[WKV_MAX_DIMS];
    int n = wkv_param_shape(cfg, p, dim);
    int64_t rows = 1;
    for (int j = 0; j < n - 1; j++)
        rows *= dim[j];
    bool vector = p->kind == WKV_VEC;
    w->rows = vector ? 1 : (int)rows;
    w->cols = vector ? (int)(rows * dim[n - 1]) : (int)dim[n - 1];
    w->in_out = w->low_rank = p->kind == WKV_LOW;
    /* inputs of the width of channel mixing are what relu^2 has left */
    w->sparse_in = p->kind == WKV_MAT && p->dims[1] == WKV_DIM_F;
    w->dtype = WKV_DTYPE_REAL;
}

static size_t count_of(const wkv_weight *w)
{
    return (size_t)w->rows * (size_t)w->cols;
}

/* ---- flat --------------------------------------------------------------------------- */

size_t wkv_weights_flat_size(const wkv_config *cfg, const bool *present)
{
    size_t total = 0;
    int layer;
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        wkv_weight w;
        set_shape(&w, cfg, wkv_params_at(cfg, i, &layer));
        total += present[i] ? wkv_flat_room(count_of(&w)) : 0;
    }
    return total;
}

wkv_status wkv_weights_flat(wkv_weights *w, const wkv_config *cfg, const bool *present, real *flat,
                            real *grad, wkv_error *err)
{
    WKV_TRY(allocate(w, cfg, err));
    size_t offset = 0;
    int layer;
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        wkv_weight *one = wkv_weights_at(w, cfg, i);
        set_shape(one, cfg, wkv_params_at(cfg, i, &layer));
        if (!present[i])
            continue;
        one->data = flat + offset;
        one->grad = grad != NULL ? grad + offset : NULL;
        offset += wkv_flat_room(count_of(one));
    }
    return WKV_OK;
}

/* Flat weights belong to the caller and are his to write. */
static real *writable(const wkv_weight *w)
{
    return (real *)(uintptr_t)w->data;
}

wkv_status wkv_weights_create(wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev,
                              uint64_t seed, double lr, wkv_error *err)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        wkv_weight *one = wkv_weights_at(w, cfg, i);
        if (one->data == NULL)
            continue;
        wkv_rng rng;
        wkv_rng_seed(&rng, wkv_splitmix64(seed) + (uint64_t)i);
        wkv_init init = {.cfg = cfg, .dev = dev, .rng = &rng, .lr = lr};
        const wkv_param *p = wkv_params_at(cfg, i, &init.layer);
        init.rows = one->rows;
        init.cols = one->cols;
        if (p->init(writable(one), &init) != WKV_OK)
            WKV_FAIL(err, WKV_E_MEMORY, "initialising %s: out of memory", p->name);
    }
    return WKV_OK;
}

wkv_status wkv_weights_load(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                            wkv_error *err)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        wkv_weight *one = wkv_weights_at(w, cfg, i);
        if (one->data == NULL)
            continue;
        int layer;
        char name[WKV_NAME_MAX];
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_store_find(file, name);
        if (t == NULL)
            WKV_FAIL(err, WKV_E_MISSING, "lacks the tensor %s", name);
        if (!wkv_dtype_is_weight(t->dtype) || (size_t)wkv_tensor_count(t) != count_of(one))
            WKV_FAIL(err, WKV_E_SHAPE, "%s: expected %zu numbers, found %lld of type %s", name,
                     count_of(one), (long long)wkv_tensor_count(t), wkv_dtype_of(t->dtype)->name);
        wkv_tensor_copy(writable(one), t, WKV_DTYPE_REAL);
    }
    return WKV_OK;
}

/* ---- bound to a file --------------------------------------------------------------------- */

/* Fewer numbers than these in a block type become reals: exact arithmetic on what lies in the
 * cache is as fast as the quantised one on what comes from memory. */
enum { SMALL = 1 << 16 };

/* Matrices, and low-rank factors of 16 bits, keep their type where ops know it. */
static bool becomes_real(const wkv_tensor *t, const wkv_param *p)
{
    const bool half = t->dtype == WKV_DTYPE_F16 || t->dtype == WKV_DTYPE_BF16;
    if (p->kind == WKV_LOW)
        return !half || t->ndim != 2;
    const bool matrix = p->kind == WKV_MAT || p->kind == WKV_TABLE;
    const bool small = wkv_dtype_of(t->dtype)->block > 1 && wkv_tensor_count(t) < SMALL;
    return !matrix || t->dtype == WKV_DTYPE_F64 || small;
}

/* True when ops can read the tensor where it lies in the file. */
static bool usable_in_place(const wkv_tensor *t, const wkv_param *p)
{
    const wkv_dtype_info *d = wkv_dtype_of(t->dtype);
    bool type_ok = t->dtype == WKV_DTYPE_REAL || !becomes_real(t, p);
    bool aligned = d->block > 1 || (uintptr_t)t->data % (uintptr_t)d->bytes == 0;
    return type_ok && aligned && wkv_tensor_contiguous(t);
}

/* A low-rank factor that the file keeps by outputs, as GGUF does, is used so: turning it would
 * take most of the time until the first token. */
static bool lies_by_outputs(const wkv_tensor *t, const wkv_param *p)
{
    return p->kind == WKV_LOW && t->ndim == 2 && t->stride[0] == 1 && t->stride[1] == t->dim[0];
}

static wkv_tensor by_outputs(const wkv_tensor *t)
{
    wkv_tensor turned = *t;
    for (int d = 0; d < 2; d++) {
        turned.dim[d] = t->dim[1 - d];
        turned.stride[d] = t->stride[1 - d];
    }
    return turned;
}

static wkv_status bind_data(wkv_weights *w, wkv_weight *one, const wkv_param *p,
                            const wkv_tensor *t, bool reals, wkv_error *err)
{
    if (usable_in_place(t, p) && (!reals || t->dtype == WKV_DTYPE_REAL)) {
        one->data = t->data;
        one->dtype = t->dtype;
        return WKV_OK;
    }
    one->dtype = reals || becomes_real(t, p) ? WKV_DTYPE_REAL : t->dtype;
    uint64_t bytes;
    void *copy = NULL;
    if (wkv_dtype_bytes(one->dtype, (uint64_t)wkv_tensor_count(t), &bytes))
        copy = wkv_weights_room(w, (size_t)bytes);
    if (copy == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
    wkv_tensor_copy(copy, t, one->dtype);
    one->data = copy;
    return WKV_OK;
}

/* one has the shape that set_shape gives it. */
static wkv_status bind_one(wkv_weights *w, wkv_weight *one, const wkv_param *p, const wkv_tensor *t,
                           bool reals, wkv_error *err)
{
    if (!lies_by_outputs(t, p))
        return bind_data(w, one, p, t, reals, err);
    const wkv_tensor turned = by_outputs(t);
    one->in_out = false;
    one->rows = (int)turned.dim[0];
    one->cols = (int)turned.dim[1];
    return bind_data(w, one, p, &turned, reals, err);
}

static wkv_status bind(wkv_weights *w, const wkv_config *cfg, const wkv_store *file, bool reals,
                       wkv_error *err)
{
    WKV_TRY(allocate(w, cfg, err));
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        int layer;
        char name[WKV_NAME_MAX];
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_weight *one = wkv_weights_at(w, cfg, i);
        set_shape(one, cfg, p);
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_param_exists(p, layer) ? wkv_store_find(file, name) : NULL;
        wkv_status s = t != NULL ? bind_one(w, one, p, t, reals, err) : WKV_OK;
        if (s != WKV_OK) {
            wkv_weights_deinit(w);
            return s;
        }
        /* Training foresees its memory: what was widened would count twice. */
        if (reals && t != NULL && one->data != t->data)
            wkv_store_let_go(file);
    }
    return WKV_OK;
}

wkv_status wkv_weights_bind(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                            wkv_error *err)
{
    return bind(w, cfg, file, false, err);
}

wkv_status wkv_weights_bind_reals(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                                  wkv_error *err)
{
    return bind(w, cfg, file, true, err);
}

wkv_status wkv_weights_replace(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                               wkv_error *err)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        int layer;
        char name[WKV_NAME_MAX];
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_param_exists(p, layer) ? wkv_store_find(file, name) : NULL;
        if (t == NULL)
            continue;
        WKV_TRY(wkv_config_check(cfg, p, t, err));
        wkv_weight *one = wkv_weights_at(w, cfg, i);
        set_shape(one, cfg, p);
        WKV_TRY(bind_one(w, one, p, t, false, err));
    }
    return WKV_OK;
}

/* ---- packed ------------------------------------------------------------------------------- */

static size_t packed_size(const wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev, int i)
{
    int layer;
    const wkv_weight *one = wkv_weights_at(w, cfg, i);
    const wkv_kind kind = wkv_params_at(cfg, i, &layer)->kind;
    const bool matrix = kind == WKV_MAT || kind == WKV_LOW;
    return matrix && one->data != NULL ? (dev->packed_size(one) + 63) / 64 * 64 : 0;
}

static size_t packed_units(const wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev, int i)
{
    return packed_size(w, cfg, dev, i) > 0 ? dev->packed_units(wkv_weights_at(w, cfg, i)) : 0;
}

wkv_status wkv_weights_pack(wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev,
                            wkv_error *err)
{
    size_t total = 0, units = 0;
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        total += packed_size(w, cfg, dev, i);
        units += packed_units(w, cfg, dev, i);
    }
    if (total == 0)
        return WKV_OK;
    unsigned char *at = wkv_weights_room(w, total);
    atomic_uchar *marks = wkv_weights_room(w, units * sizeof *marks);
    if (at == NULL || marks == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "packing weights: out of memory (%zu bytes)", total);
    dev->ready(at, total);
    for (size_t i = 0; i < units; i++)
        atomic_init(&marks[i], 0);
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        const size_t size = packed_size(w, cfg, dev, i);
        if (size == 0)
            continue;
        dev->pack(wkv_weights_at(w, cfg, i), at, marks);
        marks += packed_units(w, cfg, dev, i);
        at += size;
    }
    return WKV_OK;
}

/* ---- for writing ----------------------------------------------------------------------------- */

void wkv_weights_tensors(const wkv_weights *w, const wkv_config *cfg, wkv_tensor *out,
                         char (*names)[WKV_NAME_MAX], size_t *n)
{
    *n = 0;
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        const wkv_weight *one = wkv_weights_at(w, cfg, i);
        if (one->data == NULL)
            continue;
        int layer;
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_tensor *t = &out[*n];
        *t = (wkv_tensor){.dtype = one->dtype, .data = one->data};
        t->ndim = wkv_param_shape(cfg, p, t->dim);
        wkv_tensor_set_strides(t);
        wkv_param_name(names[*n], p, layer);
        t->name = names[(*n)++];
    }
}
