/* store/hf.c - reading a Hugging Face folder: its weights, in one file or several, its
 * configuration and its vocabulary.
 *
 * Each file of weights is a store of its own; the folder's tensors point into them.  An
 * index is believed in nothing: every tensor must lie where it says, and none elsewhere. */
#include "store/hf.h"

#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/strbuf.h"

char *wkv_hf_path(const char *folder, const char *name)
{
    wkv_strbuf b;
    const size_t n = strlen(folder);
    wkv_strbuf_init(&b);
    wkv_strbuf_printf(&b, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return wkv_strbuf_take(&b);
}

static wkv_status exists(const wkv_store *s, const char *name, bool *yes, wkv_error *err)
{
    char *path = wkv_hf_path(s->path, name);
    if (path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    *yes = wkv_path_exists(path);
    wkv_free(path);
    return WKV_OK;
}

/* Maps a file of the folder. */
static wkv_status map_file(wkv_map *out, const wkv_store *s, const char *name, wkv_error *err)
{
    char *path = wkv_hf_path(s->path, name);
    *out = (wkv_map){0};
    if (path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    wkv_status status = wkv_map_open(out, path, err);
    wkv_free(path);
    return status;
}

/* ---- the weights ---------------------------------------------------------------------------- */

static wkv_status open_shard(wkv_store *s, const char *name, wkv_error *err)
{
    bool there;
    WKV_TRY(exists(s, name, &there, err));
    if (!there)
        WKV_FAIL(err, WKV_E_MISSING, "the file '%s', in which tensors should lie, is missing",
                 name);
    char *path = wkv_hf_path(s->path, name);
    if (path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    /* A folder of that name would be read as a model of its own, without end. */
    wkv_status status = wkv_path_is_folder(path)
                            ? WKV_SET(err, WKV_E_FORMAT, "'%s' is a folder, not a file", name)
                            : wkv_store_open_raw(&s->shards[s->n_shards], path, err);
    wkv_free(path);
    if (status == WKV_OK)
        s->n_shards++;
    return status;
}

/* Takes over a shard's tensors; index NULL: whatever they are. */
static wkv_status take_tensors(wkv_store *s, size_t shard, const wkv_hf_index *index,
                               wkv_error *err)
{
    const wkv_store *from = s->shards[shard];
    for (size_t i = 0; i < wkv_store_count(from); i++) {
        const wkv_tensor *t = wkv_store_at(from, i);
        const wkv_hf_place *place = index != NULL ? wkv_hf_index_find(index, t->name) : NULL;
        if (index != NULL && place == NULL)
            WKV_FAIL(err, WKV_E_FORMAT, "'%s' holds the tensor '%s', which the index does not name",
                     index->shards[shard], t->name);
        if (place != NULL && place->shard != shard)
            WKV_FAIL(err, WKV_E_FORMAT,
                     "the tensor '%s' lies in '%s', but the index places it in "
                     "'%s'",
                     t->name, index->shards[shard], index->shards[place->shard]);
        WKV_TRY(wkv_store_add(s, t, err));
    }
    return WKV_OK;
}

static wkv_status take_meta(wkv_store *s, const wkv_store *from, wkv_error *err)
{
    for (size_t i = 0; i < wkv_store_meta_count(from); i++) {
        const wkv_meta *m = wkv_store_meta_at(from, i);
        if (wkv_store_find_meta(s, m->key) == NULL)
            WKV_TRY(wkv_store_add_meta(s, m->key, m->value, m->value_len, err));
    }
    return WKV_OK;
}

static wkv_status room_for_shards(wkv_store *s, size_t n, wkv_error *err)
{
    s->shards = wkv_calloc(n, sizeof *s->shards);
    if (s->shards == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for %zu files", n);
    return WKV_OK;
}

static wkv_status read_single(wkv_store *s, const char *name, wkv_error *err)
{
    WKV_TRY(room_for_shards(s, 1, err));
    WKV_TRY(open_shard(s, name, err));
    WKV_TRY(take_tensors(s, 0, NULL, err));
    return take_meta(s, s->shards[0], err);
}

static wkv_status read_shards(wkv_store *s, const wkv_hf_index *index, wkv_error *err)
{
    WKV_TRY(room_for_shards(s, index->n_shards, err));
    for (size_t i = 0; i < index->n_shards; i++) {
        WKV_TRY(open_shard(s, index->shards[i], err));
        WKV_TRY(take_tensors(s, i, index, err));
        WKV_TRY(take_meta(s, s->shards[i], err));
    }
    /* Every tensor found is one of the index, in its place; so only too few can be there. */
    for (size_t i = 0; i < index->n_places; i++) {
        const wkv_hf_place *p = &index->places[i];
        if (wkv_store_find(s->shards[p->shard], p->tensor) == NULL)
            WKV_FAIL(err, WKV_E_MISSING, "the index places the tensor '%s' in '%s', which lacks it",
                     p->tensor, index->shards[p->shard]);
    }
    return WKV_OK;
}

static wkv_status read_index(wkv_store *s, const char *name, wkv_error *err)
{
    wkv_map map;
    wkv_hf_index index;
    WKV_TRY(map_file(&map, s, name, err));
    wkv_status status = wkv_hf_index_parse(&index, map.data, map.size, err);
    if (status != WKV_OK)
        wkv_error_prefix(err, status, name);
    else
        status = read_shards(s, &index, err);
    wkv_hf_index_deinit(&index);
    wkv_map_close(&map);
    return status;
}

static wkv_status read_weights(wkv_store *s, wkv_error *err)
{
    /* In the order of transformers: what is newest counts. */
    static const struct source {
        const char *name;
        wkv_status (*read)(wkv_store *s, const char *name, wkv_error *err);
    } sources[] = {
        {"model.safetensors", read_single},
        {"model.safetensors.index.json", read_index},
        {"pytorch_model.bin", read_single},
        {"pytorch_model.bin.index.json", read_index},
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        bool there;
        WKV_TRY(exists(s, sources[i].name, &there, err));
        if (there)
            return sources[i].read(s, sources[i].name, err);
    }
    WKV_FAIL(err, WKV_E_MISSING,
             "a folder without a model: expected model.safetensors or pytorch_model.bin, or one "
             "of them with .index.json");
}

/* ---- the configuration ---------------------------------------------------------------------- */

static wkv_status add_number(wkv_store *s, const char *key, double value, wkv_error *err)
{
    char text[32];
    if (value == 0)
        return WKV_OK;
    wkv_number_print(text, sizeof text, "%.9g", value);
    return wkv_store_add_meta(s, key, text, strlen(text), err);
}

/* The configuration is what other programs go by, so it comes before what the weights' own
 * metadata say. */
static wkv_status read_config(wkv_store *s, wkv_hf_config *c, wkv_error *err)
{
    static const char name[] = "config.json";
    bool there;
    wkv_map map;
    *c = (wkv_hf_config){0};
    WKV_TRY(exists(s, name, &there, err));
    if (!there)
        return WKV_OK;
    WKV_TRY(map_file(&map, s, name, err));
    wkv_status status = wkv_hf_config_parse(c, map.data, map.size, err);
    wkv_map_close(&map);
    if (status != WKV_OK)
        return wkv_error_prefix(err, status, name);
    if (c->model_type[0] != '\0')
        WKV_TRY(wkv_store_add_meta(s, "model_type", c->model_type, strlen(c->model_type), err));
    WKV_TRY(add_number(s, "wkv.ln_eps", c->ln_eps, err));
    return add_number(s, "wkv.gn_eps", c->gn_eps, err);
}

/* A head that is the embedding need not be there. */
static wkv_status tie_head(wkv_store *s, wkv_error *err)
{
    if (wkv_store_find(s, "head.weight") != NULL || wkv_store_find(s, "emb.weight") == NULL)
        return WKV_OK;
    wkv_tensor t = *wkv_store_find(s, "emb.weight");
    t.name = "head.weight";
    return wkv_store_add(s, &t, err);
}

static wkv_status read(wkv_store *s, wkv_error *err)
{
    s->keep = wkv_store_alloc(s, sizeof(wkv_hf_config));
    if (s->keep == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    WKV_TRY(read_config(s, s->keep, err));
    WKV_TRY(read_weights(s, err));
    return wkv_hf_add_vocab(s, err);
}

/* Once the names are canonical. */
static wkv_status finish(wkv_store *s, bool *changed, wkv_error *err)
{
    const wkv_hf_config *c = s->keep;
    WKV_TRY(wkv_hf_config_check(c, s, err));
    *changed = c->tied;
    return c->tied ? tie_head(s, err) : WKV_OK;
}

const wkv_format wkv_format_hf = {
    .name = "hf",
    .suffixes = "",
    .folder = true,
    .read = read,
    .finish = finish,
    .write_folder = wkv_hf_write,
};
