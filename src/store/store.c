/* store/store.c - opening a model file, finding tensors in it, writing one.
 *
 * Knows no format: it asks each of format.def whether a file is its own. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/names.h"

const wkv_format *const wkv_formats[WKV_FORMATS] = {
#define FORMAT(id) &wkv_format_##id,
#include "store/format.def"
#undef FORMAT
};

static wkv_status recognise(wkv_store *s, wkv_error *err)
{
    for (size_t i = 0; i < WKV_FORMATS; i++) {
        if (!wkv_formats[i]->folder && wkv_formats[i]->probe(s->map.data, s->map.size)) {
            s->format = wkv_formats[i];
            return WKV_OK;
        }
    }
    if (s->map.size == 0)
        WKV_FAIL(err, WKV_E_FORMAT, "the file is empty");
    WKV_FAIL(err, WKV_E_FORMAT,
             "not a model file of a known form (GGUF, safetensors, PyTorch .pth, rwkv.cpp .bin)");
}

static int by_name(const void *a, const void *b)
{
    const wkv_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static wkv_status build_index(wkv_store *s, wkv_error *err)
{
    wkv_free(s->by_name);
    s->by_name = wkv_malloc(s->n_tensors * sizeof *s->by_name);
    if (s->by_name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the index of tensors");
    for (size_t i = 0; i < s->n_tensors; i++)
        s->by_name[i] = &s->tensors[i];
    qsort(s->by_name, s->n_tensors, sizeof *s->by_name, by_name);
    for (size_t i = 1; i < s->n_tensors; i++)
        if (strcmp(s->by_name[i - 1]->name, s->by_name[i]->name) == 0)
            WKV_FAIL(err, WKV_E_FORMAT, "two tensors are called '%s'", s->by_name[i]->name);
    return WKV_OK;
}

/* raw: the names stay as the file has them. */
static wkv_status read_all(wkv_store *s, bool raw, wkv_error *err)
{
    bool changed = false;
    if (s->format == NULL)
        WKV_TRY(recognise(s, err));
    WKV_TRY(s->format->read(s, err));
    WKV_TRY(build_index(s, err));
    if (raw)
        return WKV_OK;
    WKV_TRY(wkv_names_read(s, &changed, err));
    if (changed)
        WKV_TRY(build_index(s, err));
    if (s->format->finish == NULL)
        return WKV_OK;
    WKV_TRY(s->format->finish(s, &changed, err));
    return changed ? build_index(s, err) : WKV_OK;
}

/* A store without a mapping yet; NULL when out of memory. */
static wkv_store *create(const char *path)
{
    wkv_store *s = wkv_calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->path = wkv_strndup(path, strlen(path));
    if (s->path == NULL)
        wkv_store_close(&s);
    return s;
}

static wkv_status finish(wkv_store **out, wkv_store *s, bool raw, wkv_error *err)
{
    wkv_status status = read_all(s, raw, err);
    if (status != WKV_OK) {
        wkv_error_prefix(err, status, s->path);
        wkv_store_close(&s);
        return status;
    }
    *out = s;
    return WKV_OK;
}

static const wkv_format *folder_format(void)
{
    for (size_t i = 0; i < WKV_FORMATS; i++)
        if (wkv_formats[i]->folder)
            return wkv_formats[i];
    return NULL;
}

static wkv_status open_path(wkv_store **out, const char *path, bool raw, wkv_error *err)
{
    *out = NULL;
    wkv_store *s = create(path);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    if (wkv_path_is_folder(path)) {
        s->format = folder_format();
    } else {
        wkv_status status = wkv_map_open(&s->map, path, err);
        if (status != WKV_OK) {
            wkv_store_close(&s);
            return status;
        }
    }
    return finish(out, s, raw, err);
}

wkv_status wkv_store_open(wkv_store **out, const char *path, wkv_error *err)
{
    return open_path(out, path, false, err);
}

wkv_status wkv_store_open_raw(wkv_store **out, const char *path, wkv_error *err)
{
    return open_path(out, path, true, err);
}

wkv_status wkv_store_open_memory(wkv_store **out, const char *name, const void *data, size_t size,
                                 wkv_error *err)
{
    *out = NULL;
    wkv_store *s = create(name);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", name);
    s->map = (wkv_map){.data = data, .size = size};
    s->borrowed = true;
    return finish(out, s, false, err);
}

void wkv_store_close(wkv_store **ps)
{
    wkv_store *s = *ps;
    *ps = NULL;
    if (s == NULL)
        return;
    if (!s->borrowed)
        wkv_map_close(&s->map);
    for (size_t i = 0; i < s->n_shards; i++)
        wkv_store_close(&s->shards[i]);
    wkv_free(s->shards);
    wkv_store_free_blocks(s);
    wkv_free(s->tensors);
    wkv_free(s->meta);
    wkv_free(s->by_name);
    wkv_free(s->path);
    wkv_free(s);
}

void wkv_store_let_go(const wkv_store *s)
{
    if (!s->borrowed)
        wkv_map_let_go(&s->map);
    for (size_t i = 0; i < s->n_shards; i++)
        wkv_store_let_go(s->shards[i]);
}

const char *wkv_store_path(const wkv_store *s)
{
    return s->path;
}

const char *wkv_store_format(const wkv_store *s)
{
    return s->format->name;
}

const char *wkv_store_scheme(const wkv_store *s)
{
    return s->scheme;
}

size_t wkv_store_count(const wkv_store *s)
{
    return s->n_tensors;
}

const wkv_tensor *wkv_store_at(const wkv_store *s, size_t i)
{
    return &s->tensors[i];
}

static int name_against(const void *key, const void *entry)
{
    const wkv_tensor *const *t = entry;
    return strcmp(key, (*t)->name);
}

const wkv_tensor *wkv_store_find(const wkv_store *s, const char *name)
{
    if (s->n_tensors == 0)
        return NULL;
    const wkv_tensor **found =
        bsearch(name, s->by_name, s->n_tensors, sizeof *s->by_name, name_against);
    return found != NULL ? *found : NULL;
}

size_t wkv_store_meta_count(const wkv_store *s)
{
    return s->n_meta;
}

const wkv_meta *wkv_store_meta_at(const wkv_store *s, size_t i)
{
    return &s->meta[i];
}

const wkv_meta *wkv_meta_find(const wkv_meta *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].key, key) == 0)
            return &list[i];
    return NULL;
}

const wkv_meta *wkv_store_find_meta(const wkv_store *s, const char *key)
{
    return wkv_meta_find(s->meta, s->n_meta, key);
}

const char *wkv_store_meta(const wkv_store *s, const char *key)
{
    const wkv_meta *m = wkv_store_find_meta(s, key);
    return m != NULL ? m->value : NULL;
}
