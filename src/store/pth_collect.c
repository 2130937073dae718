/* store/pth_collect.c - the tensors inside an unpickled checkpoint.
 *
 * Dicts and lists are walked to a bounded depth and a bounded number of steps, since a
 * pickle can refer to one container from many places, or from inside itself.  A
 * tensor's name is its path, joined with dots; the entries of a top-level
 * `state_dict` or `model` are the model itself and go without that name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "store/pth.h"
#include "store/utf8.h"

enum {
    MAX_DEPTH = 32,
    MAX_STEPS = 1 << 22,
    MAX_PATH = 1 << 12,
    MAX_NAME_BYTES = 1 << 27 /* of all names together */
};

typedef struct walk {
    wkv_store *store;
    const wkv_pickle *p;
    const wkv_pth_storages *from;
    uint32_t steps;
    size_t name_bytes;
    size_t len; /* of path */
    char path[MAX_PATH + 1];
} walk;

static int tag_of(const wkv_pickle_value *v)
{
    bool named = v->kind == WKV_PICKLE_CALL || v->kind == WKV_PICKLE_NAME;
    return named ? wkv_pth_names[v->integer].tag : WKV_PTH_OTHER;
}

static bool is_tensor(const wkv_pickle_value *v)
{
    return v->kind == WKV_PICKLE_CALL &&
           (tag_of(v) == WKV_PTH_TENSOR || tag_of(v) == WKV_PTH_PARAMETER);
}

/* ---- one tensor ------------------------------------------------------------------------ */

static bool read_natural(const wkv_pickle_value *v, uint64_t *out)
{
    if (v == NULL || v->kind != WKV_PICKLE_INT || v->integer < 0)
        return false;
    *out = (uint64_t)v->integer;
    return true;
}

wkv_status wkv_pth_read_storage_id(const wkv_pickle *p, const wkv_pickle_value *persistent,
                                   wkv_pth_storage_id *out, wkv_error *err)
{
    const wkv_pickle_value *id = wkv_pickle_at(p, persistent, 0);
    const wkv_pickle_value *type = wkv_pickle_at(p, id, 1), *key = wkv_pickle_at(p, id, 2);
    const wkv_pickle_value *what = wkv_pickle_at(p, id, 0);
    if (what == NULL || !wkv_pickle_is_text(what, "storage") || type == NULL ||
        type->kind != WKV_PICKLE_NAME || tag_of(type) < WKV_PTH_STORAGE || key == NULL ||
        key->kind != WKV_PICKLE_TEXT || !read_natural(wkv_pickle_at(p, id, 4), &out->count))
        WKV_FAIL(err, WKV_E_FORMAT, "a storage is described in an unknown way");
    out->key = (const char *)key->bytes;
    out->key_len = key->count;
    out->dtype = (wkv_dtype)(tag_of(type) - WKV_PTH_STORAGE);
    out->offset = 0;
    const wkv_pickle_value *view = wkv_pickle_at(p, id, 5);
    if (view == NULL || view->kind != WKV_PICKLE_TUPLE)
        return WKV_OK;
    const uint64_t whole = out->count;
    if (!read_natural(wkv_pickle_at(p, view, 1), &out->offset) ||
        !read_natural(wkv_pickle_at(p, view, 2), &out->count) ||
        !wkv_range_ok(out->offset, out->count, whole))
        WKV_FAIL(err, WKV_E_FORMAT, "a view of a storage reaches beyond it");
    return WKV_OK;
}

/* Reads a tuple of at most WKV_MAX_DIMS natural numbers; -1 when it is none. */
static int read_tuple(const wkv_pickle *p, const wkv_pickle_value *v, int64_t *out)
{
    if (v == NULL || (v->kind != WKV_PICKLE_TUPLE && v->kind != WKV_PICKLE_LIST) ||
        v->count > WKV_MAX_DIMS)
        return -1;
    int n = 0;
    for (uint32_t item = v->first; item != 0; item = p->items[item].next, n++) {
        uint64_t number;
        if (!read_natural(wkv_pickle_item_value(p, item), &number))
            return -1;
        out[n] = (int64_t)number;
    }
    return n;
}

/* Points t into its storage. */
static wkv_status place(const walk *w, wkv_tensor *t, const wkv_pth_storage_id *id, uint64_t offset,
                        wkv_error *err)
{
    const uint8_t *data;
    uint64_t stored, needed, skipped, count, span;
    WKV_TRY(w->from->find(w->from, id->key, id->key_len, &data, &stored, err));
    if (!wkv_add_ok(id->offset, id->count, &needed) ||
        !wkv_dtype_bytes(id->dtype, needed, &needed) || needed > stored)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "its storage should hold %" PRIu64 " elements of type %s, but has %" PRIu64
                 " bytes",
                 id->count, wkv_dtype_of(id->dtype)->name, stored);
    if (!wkv_tensor_measure(t, &count, &span))
        WKV_FAIL(err, WKV_E_FORMAT, "its shape is impossible");
    if (count == 0)
        return WKV_OK;
    if (!wkv_range_ok(offset, span, id->count))
        WKV_FAIL(err, WKV_E_FORMAT,
                 "it takes %" PRIu64 " elements from element %" PRIu64 " of a storage of %" PRIu64,
                 span, offset, id->count);
    /* No overflow: both are inside the storage. */
    wkv_dtype_bytes(id->dtype, id->offset + offset, &skipped);
    t->data = data + skipped;
    return WKV_OK;
}

static wkv_status read_tensor(const walk *w, const wkv_pickle_value *call, wkv_tensor *t,
                              wkv_error *err)
{
    const wkv_pickle *p = w->p;
    if (tag_of(call) == WKV_PTH_PARAMETER)
        call = wkv_pickle_at(p, wkv_pickle_at(p, call, 0), 0);
    if (call == NULL || call->kind != WKV_PICKLE_CALL || tag_of(call) != WKV_PTH_TENSOR)
        WKV_FAIL(err, WKV_E_FORMAT, "a parameter holds no tensor");
    const wkv_pickle_value *args = wkv_pickle_at(p, call, 0);
    const wkv_pickle_value *storage = wkv_pickle_at(p, args, 0);
    uint64_t offset;
    int64_t stride[WKV_MAX_DIMS] = {0};
    t->ndim = read_tuple(p, wkv_pickle_at(p, args, 2), t->dim);
    if (storage == NULL || storage->kind != WKV_PICKLE_PERSISTENT ||
        !read_natural(wkv_pickle_at(p, args, 1), &offset) || t->ndim < 0 ||
        read_tuple(p, wkv_pickle_at(p, args, 3), stride) != t->ndim)
        WKV_FAIL(err, WKV_E_FORMAT, "its storage, offset, shape or strides are no valid ones");
    memcpy(t->stride, stride, sizeof stride);
    wkv_pth_storage_id id;
    WKV_TRY(wkv_pth_read_storage_id(p, storage, &id, err));
    t->dtype = id.dtype;
    return place(w, t, &id, offset, err);
}

static wkv_status add_tensor(walk *w, const wkv_pickle_value *call, wkv_error *err)
{
    static const char wrapper[] = "_forward_module."; /* put in front by some trainers */
    const char *name = w->path;
    w->path[w->len] = '\0';
    if (strncmp(name, wrapper, strlen(wrapper)) == 0)
        name += strlen(wrapper);
    wkv_tensor t = {.name = wkv_store_strndup(w->store, name, strlen(name))};
    if (t.name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    w->name_bytes += w->len;
    if (w->name_bytes > MAX_NAME_BYTES)
        WKV_FAIL(err, WKV_E_LIMIT, "the names of the tensors are too long");
    wkv_status status = read_tensor(w, call, &t, err);
    if (status != WKV_OK) {
        char where[300];
        snprintf(where, sizeof where, "tensor '%.256s'", t.name);
        return wkv_error_prefix(err, status, where);
    }
    return wkv_store_add(w->store, &t, err);
}

/* ---- the walk ------------------------------------------------------------------------------ */

static wkv_status extend(walk *w, const char *text, size_t n, wkv_error *err)
{
    if (n > MAX_PATH - w->len)
        WKV_FAIL(err, WKV_E_LIMIT, "the name of a tensor has more than %d bytes", MAX_PATH);
    memcpy(w->path + w->len, text, n);
    w->len += n;
    return WKV_OK;
}

static wkv_status extend_key(walk *w, const wkv_pickle_value *key, wkv_error *err)
{
    char number[32] = "?"; /* keys of no use in a name: nothing is found under them */
    if (w->len > 0)
        WKV_TRY(extend(w, ".", 1, err));
    if (key->kind == WKV_PICKLE_TEXT) {
        if (!wkv_text_valid((const char *)key->bytes, key->count))
            WKV_FAIL(err, WKV_E_FORMAT, "a name in the checkpoint is not valid UTF-8");
        return extend(w, (const char *)key->bytes, key->count, err);
    }
    if (key->kind == WKV_PICKLE_INT || key->kind == WKV_PICKLE_BOOL)
        snprintf(number, sizeof number, "%" PRId64, key->integer);
    return extend(w, number, strlen(number), err);
}

static wkv_status visit(walk *w, const wkv_pickle_value *v, int depth, wkv_error *err);

static wkv_status visit_list(walk *w, const wkv_pickle_value *list, int depth, wkv_error *err)
{
    const size_t len = w->len;
    uint32_t i = 0;
    for (uint32_t item = list->first; item != 0; item = w->p->items[item].next) {
        char index[16];
        snprintf(index, sizeof index, "[%" PRIu32 "]", i++);
        WKV_TRY(extend(w, index, strlen(index), err));
        WKV_TRY(visit(w, wkv_pickle_item_value(w->p, item), depth + 1, err));
        w->len = len;
    }
    return WKV_OK;
}

/* `bare`: the one entry whose own entries go without its name, or NULL. */
static wkv_status visit_dict(walk *w, const wkv_pickle_value *dict, const wkv_pickle_value *bare,
                             int depth, wkv_error *err)
{
    const size_t len = w->len;
    for (uint32_t key = dict->first; key != 0;) {
        const uint32_t item = w->p->items[key].next;
        const wkv_pickle_value *value = wkv_pickle_item_value(w->p, item);
        if (value != bare)
            WKV_TRY(extend_key(w, wkv_pickle_item_value(w->p, key), err));
        WKV_TRY(visit(w, value, depth + 1, err));
        w->len = len;
        key = w->p->items[item].next;
    }
    return WKV_OK;
}

static wkv_status visit(walk *w, const wkv_pickle_value *v, int depth, wkv_error *err)
{
    if (depth > MAX_DEPTH)
        WKV_FAIL(err, WKV_E_LIMIT, "the checkpoint is nested more than %d deep", MAX_DEPTH);
    if (++w->steps > MAX_STEPS)
        WKV_FAIL(err, WKV_E_LIMIT, "the checkpoint has more than %d entries", MAX_STEPS);
    if (is_tensor(v))
        return add_tensor(w, v, err);
    if (v->kind == WKV_PICKLE_DICT)
        return visit_dict(w, v, NULL, depth, err);
    if (v->kind == WKV_PICKLE_LIST || v->kind == WKV_PICKLE_TUPLE)
        return visit_list(w, v, depth, err);
    return WKV_OK;
}

static bool holds_tensors(const wkv_pickle *p, const wkv_pickle_value *dict)
{
    if (dict->kind != WKV_PICKLE_DICT)
        return false;
    for (uint32_t key = dict->first; key != 0; key = p->items[p->items[key].next].next)
        if (is_tensor(wkv_pickle_item_value(p, p->items[key].next)))
            return true;
    return false;
}

/* The first entry of the top-level dict that is called `name`, when it holds tensors; else
 * NULL. */
static const wkv_pickle_value *model_entry(const wkv_pickle *p, const wkv_pickle_value *dict,
                                           const char *name)
{
    for (uint32_t key = dict->first; key != 0;) {
        const uint32_t item = p->items[key].next;
        const wkv_pickle_value *inner = wkv_pickle_item_value(p, item);
        if (wkv_pickle_is_text(wkv_pickle_item_value(p, key), name))
            return holds_tensors(p, inner) ? inner : NULL;
        key = p->items[item].next;
    }
    return NULL;
}

wkv_status wkv_pth_collect(wkv_store *s, const wkv_pickle *p, const wkv_pth_storages *from,
                           wkv_error *err)
{
    walk w = {.store = s, .p = p, .from = from};
    const wkv_pickle_value *root = &p->values[p->root];
    if (root->kind != WKV_PICKLE_DICT)
        return visit(&w, root, 0, err);
    const wkv_pickle_value *bare = model_entry(p, root, "state_dict");
    if (bare == NULL)
        bare = model_entry(p, root, "model");
    return visit_dict(&w, root, bare, 0, err);
}
