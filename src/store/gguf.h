/* store/gguf.h - what the parts of the GGUF reader share: the parsed directory of a file,
 * whose values and tensors point into the mapping. */
#ifndef WKV_STORE_GGUF_H
#define WKV_STORE_GGUF_H

#include "base/strbuf.h"
#include "store/format.h"

typedef enum wkv_gguf_type {
    WKV_GGUF_U8,
    WKV_GGUF_I8,
    WKV_GGUF_U16,
    WKV_GGUF_I16,
    WKV_GGUF_U32,
    WKV_GGUF_I32,
    WKV_GGUF_F32,
    WKV_GGUF_BOOL,
    WKV_GGUF_STRING,
    WKV_GGUF_ARRAY,
    WKV_GGUF_U64,
    WKV_GGUF_I64,
    WKV_GGUF_F64,
    WKV_GGUF_TYPES
} wkv_gguf_type;

/* One pair of the metadata.  Arrays are never nested, so type is never ARRAY. */
typedef struct wkv_gguf_value {
    const char *key;    /* valid UTF-8, owned by the store */
    wkv_gguf_type type; /* of one element */
    bool array;
    uint64_t count;      /* 1 unless an array; all elements are inside the mapping */
    const uint8_t *data; /* the elements, one after the other */
} wkv_gguf_value;

typedef struct wkv_gguf {
    wkv_store *store;
    uint64_t at; /* the position in the file while reading */
    wkv_gguf_value *values;
    size_t n_values; /* sorted by key, no key twice */
    wkv_tensor *raw; /* the tensors as the file has them, contiguous */
    size_t n_raw;
} wkv_gguf;

/* Bytes of a number of this type; 0 for strings and arrays. */
int wkv_gguf_size(wkv_gguf_type type);

/* The value under key, or NULL. */
const wkv_gguf_value *wkv_gguf_find(const wkv_gguf *g, const char *key);

/* The string at *p, which moves on to what follows it. */
const char *wkv_gguf_next_string(const uint8_t **p, size_t *n);

/* True when the file says that it is of this architecture. */
bool wkv_gguf_is(const wkv_gguf *g, const char *arch);

/* Sets *out to the natural number under key, if there is one: E_FORMAT when it is of
 * another type. */
wkv_status wkv_gguf_natural(const wkv_gguf *g, const char *key, uint64_t *out, wkv_error *err);

/* gguf_names.c: adds the tensors to the store, in the canonical form if the file is one
 * of llama.cpp's for RWKV, else as they are. */
wkv_status wkv_gguf_add_tensors(const wkv_gguf *g, wkv_error *err);

/* gguf_meta.c: adds the metadata, and the vocabulary as our own. */
wkv_status wkv_gguf_add_meta(const wkv_gguf *g, wkv_error *err);

/* ---- for writing ------------------------------------------------------------------- */

enum { WKV_GGUF_MAX_DIMS = 4, WKV_GGUF_MAX_PARTS = 6 };

/* One tensor of a file to be written. */
typedef struct wkv_gguf_entry {
    char known[64];   /* room for a name of ours */
    const char *name; /* known, or the source's own */
    wkv_dtype dtype;
    int ndim;
    int64_t dim[WKV_GGUF_MAX_DIMS]; /* outermost first */
    int n_parts;                    /* the sources, one after the other */
    wkv_tensor part[WKV_GGUF_MAX_PARTS];
} wkv_gguf_entry;

/* The tensors to be written, to be found by name. */
typedef struct wkv_gguf_source {
    const wkv_store_out *what;
    const wkv_tensor **by_name;
    const char *arch; /* "rwkv6", "rwkv7": llama.cpp's names; NULL: the canonical ones */
} wkv_gguf_source;

const wkv_tensor *wkv_gguf_source_find(const wkv_gguf_source *src, const char *name);

/* The number of a type in the format; -1 when it has none. */
int wkv_gguf_dtype_number(wkv_dtype t);

/* gguf_names.c: what the source's tensors are in the file.  *out is the caller's to free. */
wkv_status wkv_gguf_entries(wkv_gguf_entry **out, size_t *n, const wkv_gguf_source *src,
                            wkv_error *err);

/* gguf_tokens.c: appends the elements of the arrays of tokens and of their types (I32),
 * `count` each, for the text of a World vocabulary. */
wkv_status wkv_gguf_tokens(wkv_strbuf *tokens, wkv_strbuf *types, const char *text, size_t n,
                           uint64_t count, wkv_error *err);

/* gguf_write.c */
wkv_status wkv_gguf_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err);

#endif
