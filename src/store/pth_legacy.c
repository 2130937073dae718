/* store/pth_legacy.c - the form that torch.save wrote before version 1.6: five pickles
 * (a magic number, a protocol number, the system, the structure, the keys of the
 * storages), then for each key the number of elements and the elements. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/bytes.h"
#include "store/pth.h"

enum { PROTOCOL = 1001, MAGIC_BYTES = 10 };

static const uint8_t magic[MAGIC_BYTES] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                           0x20, 0x6a, 0xa8, 0x50, 0x19};

/* A storage that the structure mentions, and where it turned out to be. */
typedef struct storage {
    wkv_pth_storage_id id;
    const uint8_t *data; /* NULL until found */
    uint64_t bytes;
} storage;

typedef struct legacy {
    wkv_pth_storages base;
    wkv_store *store;
    uint64_t at;       /* where the next pickle or storage begins */
    storage *storages; /* sorted by key */
    size_t count;
} legacy;

static int compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_key(const void *a, const void *b)
{
    const storage *x = a, *y = b;
    return compare_keys(x->id.key, x->id.key_len, y->id.key, y->id.key_len);
}

static storage *look_up(const legacy *l, const char *key, size_t key_len)
{
    storage wanted = {.id = {.key = key, .key_len = key_len}};
    return l->count > 0 ? bsearch(&wanted, l->storages, l->count, sizeof wanted, by_key) : NULL;
}

static wkv_status find_storage(const wkv_pth_storages *from, const char *key, size_t key_len,
                               const uint8_t **data, uint64_t *bytes, wkv_error *err)
{
    const storage *s = look_up((const legacy *)from, key, key_len);
    if (s == NULL || s->data == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file has no storage '%.*s'",
                 (int)(key_len < 80 ? key_len : 80), key);
    *data = s->data;
    *bytes = s->bytes;
    return WKV_OK;
}

static wkv_status next_pickle(legacy *l, wkv_pickle *p, wkv_error *err)
{
    const wkv_map *map = &l->store->map;
    WKV_TRY(wkv_pickle_open(p, map->data + l->at, (size_t)(map->size - l->at), wkv_pth_names, err));
    l->at += p->used;
    return WKV_OK;
}

static bool is_magic(const wkv_pickle *p)
{
    const wkv_pickle_value *v = &p->values[p->root];
    return v->kind == WKV_PICKLE_BIGINT && v->count == MAGIC_BYTES &&
           memcmp(v->bytes, magic, MAGIC_BYTES) == 0;
}

static bool is_protocol(const wkv_pickle *p)
{
    const wkv_pickle_value *v = &p->values[p->root];
    return v->kind == WKV_PICKLE_INT && v->integer == PROTOCOL;
}

/* The dict says {"little_endian": True, ...}. */
static bool is_little_endian(const wkv_pickle *p)
{
    const wkv_pickle_value *v = &p->values[p->root];
    for (uint32_t key = v->kind == WKV_PICKLE_DICT ? v->first : 0; key != 0;) {
        const uint32_t item = p->items[key].next;
        const wkv_pickle_value *value = wkv_pickle_item_value(p, item);
        if (wkv_pickle_is_text(wkv_pickle_item_value(p, key), "little_endian"))
            return value->kind == WKV_PICKLE_BOOL && value->integer == 1;
        key = p->items[item].next;
    }
    return false;
}

/* Reads a pickle that has to satisfy `test`. */
static wkv_status expect(legacy *l, bool (*test)(const wkv_pickle *), const char *complaint,
                         wkv_error *err)
{
    wkv_pickle p;
    wkv_status status = next_pickle(l, &p, err);
    if (status == WKV_OK && !test(&p))
        status = WKV_SET(err, WKV_E_FORMAT, "%s", complaint);
    wkv_pickle_close(&p);
    return status;
}

/* Lists the storages that the structure mentions, each once. */
static wkv_status list_storages(legacy *l, const wkv_pickle *p, wkv_error *err)
{
    size_t mentions = 0;
    for (size_t i = 0; i < p->n_values; i++)
        mentions += p->values[i].kind == WKV_PICKLE_PERSISTENT;
    l->storages = wkv_calloc(mentions, sizeof *l->storages);
    if (l->storages == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of storages");
    for (size_t i = 0; i < p->n_values; i++)
        if (p->values[i].kind == WKV_PICKLE_PERSISTENT)
            WKV_TRY(wkv_pth_read_storage_id(p, &p->values[i], &l->storages[l->count++].id, err));
    if (l->count == 0)
        return WKV_OK;
    qsort(l->storages, l->count, sizeof *l->storages, by_key);
    size_t kept = 1;
    for (size_t i = 1; i < l->count; i++)
        if (by_key(&l->storages[kept - 1], &l->storages[i]) != 0)
            l->storages[kept++] = l->storages[i];
    l->count = kept;
    return WKV_OK;
}

static wkv_status place_storage(legacy *l, const wkv_pickle_value *key, wkv_error *err)
{
    const wkv_map *map = &l->store->map;
    storage *s =
        key->kind == WKV_PICKLE_TEXT ? look_up(l, (const char *)key->bytes, key->count) : NULL;
    if (s == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the file lists a storage that nothing uses");
    if (map->size - l->at < 8)
        WKV_FAIL(err, WKV_E_FORMAT, "the file ends before storage '%.*s'",
                 (int)(s->id.key_len < 80 ? s->id.key_len : 80), s->id.key);
    const uint64_t elements = wkv_get_u64(map->data + l->at);
    l->at += 8;
    if (!wkv_dtype_bytes(s->id.dtype, elements, &s->bytes) || s->bytes > map->size - l->at)
        WKV_FAIL(
            err, WKV_E_FORMAT,
            "storage '%.*s' claims %" PRIu64 " elements, but the file ends %" PRIu64 " bytes later",
            (int)(s->id.key_len < 80 ? s->id.key_len : 80), s->id.key, elements, map->size - l->at);
    s->data = map->data + l->at;
    l->at += s->bytes;
    return WKV_OK;
}

static wkv_status place_storages(legacy *l, wkv_error *err)
{
    wkv_pickle keys;
    wkv_status status = next_pickle(l, &keys, err);
    const wkv_pickle_value *list = status == WKV_OK ? &keys.values[keys.root] : NULL;
    if (status == WKV_OK && list->kind != WKV_PICKLE_LIST)
        status = WKV_SET(err, WKV_E_FORMAT, "the file has no list of storages");
    for (uint32_t item = status == WKV_OK ? list->first : 0; item != 0 && status == WKV_OK;
         item = keys.items[item].next)
        status = place_storage(l, wkv_pickle_item_value(&keys, item), err);
    wkv_pickle_close(&keys);
    return status;
}

static wkv_status read_structure(legacy *l, wkv_pickle *p, wkv_error *err)
{
    WKV_TRY(next_pickle(l, p, err));
    WKV_TRY(list_storages(l, p, err));
    WKV_TRY(place_storages(l, err));
    return wkv_pth_collect(l->store, p, &l->base, err);
}

wkv_status wkv_pth_read_legacy(wkv_store *s, wkv_error *err)
{
    legacy l = {.base.find = find_storage, .store = s};
    WKV_TRY(expect(&l, is_magic, "a Python pickle, but not one that torch.save wrote", err));
    WKV_TRY(expect(&l, is_protocol, "the protocol number of the checkpoint is not 1001", err));
    WKV_TRY(expect(&l, is_little_endian, "the checkpoint's byte order is not little-endian", err));
    wkv_pickle p = {0};
    wkv_status status = read_structure(&l, &p, err);
    wkv_pickle_close(&p);
    wkv_free(l.storages);
    return status;
}
