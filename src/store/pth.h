/* store/pth.h - what the reader and the writer of .pth share: which Python names a
 * checkpoint may mention and what they mean. */
#ifndef WKV_STORE_PTH_H
#define WKV_STORE_PTH_H

#include "store/format.h"
#include "store/pickle.h"

/* The archive's entry for metadata, an object of strings. */
#define WKV_PTH_METADATA "extra/wkv.json"

typedef enum wkv_pth_tag {
    WKV_PTH_OTHER,     /* means nothing to us */
    WKV_PTH_TENSOR,    /* (storage, offset, shape, strides, ...) */
    WKV_PTH_PARAMETER, /* (tensor, ...) */
    WKV_PTH_STORAGE    /* plus the wkv_dtype */
} wkv_pth_tag;

/* Ends with a NULL name. */
extern const wkv_pickle_name wkv_pth_names[];

/* Finds where a storage of a checkpoint lies in the file. */
typedef struct wkv_pth_storages wkv_pth_storages;
struct wkv_pth_storages {
    wkv_status (*find)(const wkv_pth_storages *from, const char *key, size_t key_len,
                       const uint8_t **data, uint64_t *bytes, wkv_error *err);
};

/* Adds every tensor that the pickle p holds to s. */
wkv_status wkv_pth_collect(wkv_store *s, const wkv_pickle *p, const wkv_pth_storages *from,
                           wkv_error *err);

/* The form before PyTorch 1.6: pickles, then the storages, one after the other. */
wkv_status wkv_pth_read_legacy(wkv_store *s, wkv_error *err);

/* What a persistent id says of a storage. */
typedef struct wkv_pth_storage_id {
    const char *key; /* not NUL-terminated */
    size_t key_len;
    wkv_dtype dtype;
    uint64_t offset; /* of a view into the storage, in elements */
    uint64_t count;  /* elements */
} wkv_pth_storage_id;
wkv_status wkv_pth_read_storage_id(const wkv_pickle *p, const wkv_pickle_value *persistent,
                                   wkv_pth_storage_id *out, wkv_error *err);

wkv_status wkv_pth_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err);

#endif
