/* store/format.h - what a file format provides, and what it is given to do it with.
 * Adding a format: one file that defines a wkv_format, one line in format.def.
 *
 * Errors of a reader or writer need not name the file: store.c puts the path in
 * front of every one of them. */
#ifndef WKV_STORE_FORMAT_H
#define WKV_STORE_FORMAT_H

#include "os/os.h"
#include "store/tensor.h"

typedef struct wkv_format {
    const char *name;
    const char *suffixes; /* the customary ones, separated by spaces: ".pth .pt" */
    bool folder;          /* not a file but a folder at s->path: probe is not asked */
    /* Of a folder, in place of `write`; with the name of a new one. */
    wkv_status (*write_folder)(const char *folder, const wkv_store_out *what, wkv_error *err);
    /* True when a file of `total` bytes at data is of this format; however damaged
     * the rest may be, so that `read` can say what is wrong with it. */
    bool (*probe)(const uint8_t *data, uint64_t total);
    wkv_status (*read)(wkv_store *s, wkv_error *err);
    /* NULL, or what is to be done once the names are canonical; *changed when it added tensors. */
    wkv_status (*finish)(wkv_store *s, bool *changed, wkv_error *err);
    /* NULL when the format is only read. */
    wkv_status (*write)(wkv_writer *w, const wkv_store_out *what, wkv_error *err);
    /* The number of a type in files of this format, or -1; NULL when it has no quantised ones. */
    int (*dtype_number)(wkv_dtype t);
} wkv_format;

#define FORMAT(id) extern const wkv_format wkv_format_##id;
#include "store/format.def"
#undef FORMAT

enum {
#define FORMAT(id) WKV_FORMAT_##id,
#include "store/format.def"
#undef FORMAT
    WKV_FORMATS
};
extern const wkv_format *const wkv_formats[WKV_FORMATS];

/* Tensors of a file.  Readers that list them before wkv_store_add check it themselves. */
enum { WKV_MAX_TENSORS = 1 << 20 };

/* A piece of heap that tensors, names and metadata point into. */
typedef struct wkv_store_block wkv_store_block;

struct wkv_store {
    char *path;
    const wkv_format *format;
    const char *scheme; /* whose names the tensors had (names.h); NULL: RWKV-LM's */
    wkv_map map;
    bool borrowed;      /* map is the caller's memory */
    wkv_store **shards; /* of a folder: the files that tensors and names lie in */
    size_t n_shards;
    void *keep; /* what the format's `read` leaves for its `finish`; from wkv_store_alloc */
    wkv_tensor *tensors;
    size_t n_tensors, cap_tensors;
    wkv_meta *meta;
    size_t n_meta, cap_meta;
    wkv_store_block *blocks;
    /* Sorted by name once the file is read.  Not a hash table: no file can make a
     * binary search slow. */
    const wkv_tensor **by_name;
};

/* As wkv_store_open, from memory that outlives the store; name is used in errors. */
wkv_status wkv_store_open_memory(wkv_store **out, const char *name, const void *data, size_t size,
                                 wkv_error *err);

/* As wkv_store_open, with the names that the file has. */
wkv_status wkv_store_open_raw(wkv_store **out, const char *path, wkv_error *err);

/* ---- for readers: all memory is owned by the store and freed with it ------------- */

void *wkv_store_alloc(wkv_store *s, size_t bytes); /* NULL when out of memory */
void wkv_store_free_blocks(wkv_store *s);
char *wkv_store_strndup(wkv_store *s, const char *p, size_t n);

/* The number of elements of t, and how many there are in memory from its first to its
 * last.  False when a dimension or stride is negative or a number overflows. */
bool wkv_tensor_measure(const wkv_tensor *t, uint64_t *count, uint64_t *span);

/* Copies *t into the list.  The name must already be owned by the store.  Checks the
 * name, dims, strides and overflow; that data inside the mapping stays inside it; and
 * bounds tensors that repeat elements.  Two tensors of one name are found at the end
 * of reading.  E_FORMAT, E_LIMIT or E_MEMORY. */
wkv_status wkv_store_add(wkv_store *s, const wkv_tensor *t, wkv_error *err);
wkv_status wkv_store_add_meta(wkv_store *s, const char *key, const char *value, size_t value_len,
                              wkv_error *err);

/* ---- for writers ------------------------------------------------------------------ */

/* The type that t takes in a file whose format has no block types. */
wkv_dtype wkv_store_out_dtype(const wkv_store_out *what, const wkv_tensor *t);

/* The type that was asked for t, or its own; in a format that has block types. */
wkv_dtype wkv_store_out_dtype_of_blocks(const wkv_store_out *what, const wkv_tensor *t);

/* Gives the elements of t, as dtype, in order and piece by piece to `sink`. */
typedef wkv_status (*wkv_store_sink)(void *user, const void *data, size_t n, wkv_error *err);
wkv_status wkv_store_stream(const wkv_store_out *what, const wkv_tensor *t, wkv_dtype dtype,
                            wkv_store_sink sink, void *user, wkv_error *err);
/* The same, when dtype may be one that the quantiser of `what` has to make. */
wkv_status wkv_store_stream_blocks(const wkv_store_out *what, const wkv_tensor *t, wkv_dtype dtype,
                                   wkv_store_sink sink, void *user, wkv_error *err);
/* The sink whose `user` is a wkv_writer. */
wkv_status wkv_store_to_writer(void *user, const void *data, size_t n, wkv_error *err);

/* NULL: there is none. */
const wkv_tensor *wkv_store_out_find(const wkv_store_out *what, const char *name);
const wkv_meta *wkv_store_out_meta(const wkv_store_out *what, const char *key);

#endif
