/* store/pth.c - reading what torch.save writes: a ZIP archive with a pickle of the
 * structure (data.pkl) and one stored entry for each storage (data/KEY).
 *
 * Tensors become views into the mapping; nothing is copied but names. */
#include "store/pth.h"

#include <string.h>

#include "store/json.h"
#include "store/zip.h"

const wkv_pickle_name wkv_pth_names[] = {
    {"collections.OrderedDict", WKV_PICKLE_DICT_TYPE, WKV_PTH_OTHER},
    {"torch._utils._rebuild_tensor_v2", WKV_PICKLE_CALLABLE, WKV_PTH_TENSOR},
    {"torch._utils._rebuild_tensor", WKV_PICKLE_CALLABLE, WKV_PTH_TENSOR},
    {"torch._utils._rebuild_parameter", WKV_PICKLE_CALLABLE, WKV_PTH_PARAMETER},
    {"torch.Size", WKV_PICKLE_IDENTITY, WKV_PTH_OTHER},
    {"torch.device", WKV_PICKLE_CALLABLE, WKV_PTH_OTHER},
    {"torch.DoubleStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_F64},
    {"torch.FloatStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_F32},
    {"torch.HalfStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_F16},
    {"torch.BFloat16Storage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_BF16},
    {"torch.LongStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_I64},
    {"torch.IntStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_I32},
    {"torch.ShortStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_I16},
    {"torch.CharStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_I8},
    {"torch.ByteStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_U8},
    {"torch.BoolStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_BOOL},
    {"torch.ComplexFloatStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_C64},
    {"torch.ComplexDoubleStorage", WKV_PICKLE_INERT, WKV_PTH_STORAGE + WKV_DTYPE_C128},
    {"torch.float64", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.float32", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.float16", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.bfloat16", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.int64", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.int32", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.int16", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.int8", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.uint8", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {"torch.bool", WKV_PICKLE_INERT, WKV_PTH_OTHER},
    {0},
};

/* A ZIP archive as a source of storages. */
typedef struct archive {
    wkv_pth_storages base;
    wkv_zip zip;
    const char *folder; /* "archive/", before every name; not NUL-terminated */
    size_t folder_len;
} archive;

static bool probe(const uint8_t *data, uint64_t total)
{
    bool zip = total >= 4 && memcmp(data, "PK", 2) == 0 &&
               (memcmp(data + 2, "\3\4", 2) == 0 || memcmp(data + 2, "\5\6", 2) == 0);
    bool pickle = total >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5;
    return zip || pickle;
}

/* The entry <folder><name>, or NULL. */
static const wkv_zip_entry *find_entry(const archive *a, const char *name, size_t name_len)
{
    char full[1024];
    if (a->folder_len + name_len > sizeof full)
        return NULL;
    memcpy(full, a->folder, a->folder_len);
    memcpy(full + a->folder_len, name, name_len);
    return wkv_zip_find(&a->zip, full, a->folder_len + name_len);
}

static wkv_status find_storage(const wkv_pth_storages *from, const char *key, size_t key_len,
                               const uint8_t **data, uint64_t *bytes, wkv_error *err)
{
    const archive *a = (const archive *)from;
    char name[256] = "data/";
    const wkv_zip_entry *e = NULL;
    if (key_len <= sizeof name - 5) {
        memcpy(name + 5, key, key_len);
        e = find_entry(a, name, 5 + key_len);
    }
    if (e == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "the archive has no storage 'data/%.*s'",
                 (int)(key_len < 80 ? key_len : 80), key);
    *bytes = e->size;
    return wkv_zip_data(&a->zip, e, data, err);
}

static bool ends_with(const wkv_zip_entry *e, const char *end)
{
    size_t n = strlen(end);
    return e->name_len >= n && memcmp(e->name + e->name_len - n, end, n) == 0;
}

/* Finds data.pkl and the folder that everything lies in. */
static wkv_status find_pickle(archive *a, const uint8_t **data, uint64_t *size, wkv_error *err)
{
    static const char name[] = "data.pkl";
    for (size_t i = 0; i < a->zip.count; i++) {
        const wkv_zip_entry *e = &a->zip.entries[i];
        if (!ends_with(e, "/data.pkl") && (e->name_len != strlen(name) || !ends_with(e, name)))
            continue;
        a->folder = e->name;
        a->folder_len = e->name_len - strlen(name);
        *size = e->size;
        return wkv_zip_data(&a->zip, e, data, err);
    }
    WKV_FAIL(err, WKV_E_FORMAT, "a ZIP archive without data.pkl: no PyTorch checkpoint");
}

static wkv_status check_byte_order(const archive *a, wkv_error *err)
{
    const wkv_zip_entry *e = find_entry(a, "byteorder", 9);
    const uint8_t *data;
    if (e == NULL)
        return WKV_OK;
    WKV_TRY(wkv_zip_data(&a->zip, e, &data, err));
    if (e->size != 6 || memcmp(data, "little", 6) != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "the checkpoint's byte order is not little-endian");
    return WKV_OK;
}

/* Our own metadata, when we wrote the file; PyTorch pays no attention to it. */
static wkv_status read_metadata(wkv_store *s, const archive *a, wkv_error *err)
{
    const wkv_zip_entry *e = find_entry(a, WKV_PTH_METADATA, strlen(WKV_PTH_METADATA));
    const uint8_t *data;
    json_t *object;
    if (e == NULL)
        return WKV_OK;
    WKV_TRY(wkv_zip_data(&a->zip, e, &data, err));
    WKV_TRY(wkv_json_parse(&object, WKV_PTH_METADATA, data, e->size, 1, err));
    wkv_status status = wkv_json_read_meta(s, object, err);
    json_decref(object);
    return status;
}

static wkv_status read_pickle(wkv_store *s, archive *a, wkv_error *err)
{
    const uint8_t *data;
    uint64_t size;
    WKV_TRY(find_pickle(a, &data, &size, err));
    WKV_TRY(check_byte_order(a, err));
    wkv_pickle p;
    wkv_status status = wkv_pickle_open(&p, data, (size_t)size, wkv_pth_names, err);
    if (status == WKV_OK)
        status = wkv_pth_collect(s, &p, &a->base, err);
    wkv_pickle_close(&p);
    return status == WKV_OK ? read_metadata(s, a, err) : status;
}

static wkv_status read(wkv_store *s, wkv_error *err)
{
    if (s->map.data[0] == 0x80)
        return wkv_pth_read_legacy(s, err);
    archive a = {.base.find = find_storage};
    wkv_status status = wkv_zip_open(&a.zip, s->map.data, s->map.size, err);
    if (status == WKV_OK)
        status = read_pickle(s, &a, err);
    wkv_zip_close(&a.zip);
    return status;
}

const wkv_format wkv_format_pth = {
    .name = "pth",
    .suffixes = ".pth .pt",
    .probe = probe,
    .read = read,
    .write = wkv_pth_write,
};
