/* store/hf_index.c - model.safetensors.index.json: an object whose "weight_map" says of every
 * tensor in which file it lies. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/hf.h"
#include "store/json.h"

enum { MAX_DEPTH = 8, MAX_NAME = 255 };

/* A name of a file in this folder, and nothing else. */
static wkv_status check_name(const char *tensor, const json_t *value, wkv_error *err)
{
    const char *name = json_string_value(value);
    if (name == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file of tensor '%.200s' is no text", tensor);
    if (strlen(name) != json_string_length(value) || name[0] == '\0' || strlen(name) > MAX_NAME ||
        strpbrk(name, "/\\") != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "tensor '%.200s' is said to lie in '%.80s', which is no name of a file in the "
                 "folder",
                 tensor, name);
    return WKV_OK;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static int by_tensor(const void *a, const void *b)
{
    const wkv_hf_place *x = a, *y = b;
    return strcmp(x->tensor, y->tensor);
}

/* Copies all texts, the tensors' names into places and the files' into shards, of which
 * there is then one for each tensor. */
static wkv_status copy_texts(wkv_hf_index *x, json_t *map, wkv_error *err)
{
    const char *key;
    json_t *value;
    size_t bytes = 1;
    json_object_foreach(map, key, value)
    {
        WKV_TRY(check_name(key, value, err));
        bytes += strlen(key) + json_string_length(value) + 2;
    }
    const size_t n = json_object_size(map);
    x->text = wkv_malloc(bytes);
    x->places = wkv_calloc(n, sizeof *x->places);
    x->shards = wkv_calloc(n, sizeof *x->shards);
    if (x->text == NULL || x->places == NULL || x->shards == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for an index of %zu tensors", n);
    char *to = x->text;
    json_object_foreach(map, key, value)
    {
        x->places[x->n_places].tensor = strcpy(to, key);
        to += strlen(to) + 1;
        x->shards[x->n_places++] = strcpy(to, json_string_value(value));
        to += strlen(to) + 1;
    }
    return WKV_OK;
}

/* Leaves each file once in shards, and its number in places. */
static wkv_status number_shards(wkv_hf_index *x, wkv_error *err)
{
    const size_t n = x->n_places;
    char **of = wkv_malloc(n * sizeof *of);
    if (of == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for an index of %zu tensors", n);
    memcpy(of, x->shards, n * sizeof *of);
    qsort(x->shards, n, sizeof *x->shards, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(x->shards[i], x->shards[i - 1]) != 0)
            x->shards[x->n_shards++] = x->shards[i];
    for (size_t i = 0; i < n; i++) {
        char **found = bsearch(&of[i], x->shards, x->n_shards, sizeof *of, by_text);
        x->places[i].shard = (size_t)(found - x->shards);
    }
    wkv_free(of);
    qsort(x->places, n, sizeof *x->places, by_tensor);
    if (x->n_shards > WKV_HF_MAX_SHARDS)
        WKV_FAIL(err, WKV_E_LIMIT, "the index names %zu files; at most %d are supported",
                 x->n_shards, WKV_HF_MAX_SHARDS);
    return WKV_OK;
}

static wkv_status read_map(wkv_hf_index *x, const json_t *root, wkv_error *err)
{
    json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        WKV_FAIL(err, WKV_E_FORMAT, "there is no \"weight_map\", or it is empty");
    WKV_TRY(copy_texts(x, map, err));
    return number_shards(x, err);
}

wkv_status wkv_hf_index_parse(wkv_hf_index *out, const void *text, uint64_t n, wkv_error *err)
{
    json_t *root;
    *out = (wkv_hf_index){0};
    WKV_TRY(wkv_json_parse(&root, "the index", text, n, MAX_DEPTH, err));
    wkv_status status = read_map(out, root, err);
    json_decref(root);
    return status;
}

void wkv_hf_index_deinit(wkv_hf_index *x)
{
    wkv_free(x->shards);
    wkv_free(x->places);
    wkv_free(x->text);
    *x = (wkv_hf_index){0};
}

const wkv_hf_place *wkv_hf_index_find(const wkv_hf_index *x, const char *tensor)
{
    const wkv_hf_place key = {.tensor = tensor};
    return x->n_places == 0 ? NULL
                            : bsearch(&key, x->places, x->n_places, sizeof *x->places, by_tensor);
}
