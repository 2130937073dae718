/* store/format.h - what a file format provides, and what it is given to do it with.
 * Adding a format: one file that defines a wkv_format, one line in format.def. */
#ifndef WKV_STORE_FORMAT_H
#define WKV_STORE_FORMAT_H

#include "os/os.h"
#include "store/tensor.h"

typedef struct wkv_format {
    const char *name;
    const char *suffix; /* the customary one, for `wkv convert IN OUT.suffix` */
    /* True when the first bytes (size of them, of a file of total bytes) are this format's. */
    bool (*probe)(const uint8_t *data, uint64_t total);
    wkv_status (*read)(wkv_store *s, wkv_error *err);
    /* NULL when the format is only read. */
    wkv_status (*write)(const char *path, const wkv_store_out *what, wkv_error *err);
} wkv_format;

#define FORMAT(id) extern const wkv_format wkv_format_##id;
#include "store/format.def"
#undef FORMAT

struct wkv_store {
    char *path;
    const wkv_format *format;
    wkv_map map;
    wkv_tensor *tensors;
    size_t n_tensors, cap_tensors;
    wkv_meta *meta;
    size_t n_meta, cap_meta;
    void **blocks; /* heap pieces that tensors, names and metadata point into */
    size_t n_blocks, cap_blocks;
    size_t *index; /* hash index over names, built after read; size a power of two */
    size_t index_size;
};

/* For readers.  All memory is owned by the store and freed with it. */
void *wkv_store_alloc(wkv_store *s, size_t bytes); /* NULL when out of memory */
char *wkv_store_strndup(wkv_store *s, const char *p, size_t n);
/* Copies *t into the list.  The name must already be owned by the store.  Checks
 * dims, overflow and, for contiguous tensors with data inside the mapping, range;
 * rejects a second tensor of the same name at the end of reading. */
wkv_status wkv_store_add(wkv_store *s, const wkv_tensor *t, wkv_error *err);
wkv_status wkv_store_add_meta(wkv_store *s, const char *key, const char *value, size_t value_len,
                              wkv_error *err);
/* Fills t->stride for a contiguous tensor of t->dim. */
void wkv_tensor_set_strides(wkv_tensor *t);

#endif
