/* store/tensor.h - what a model file holds, whatever its format: named tensors
 * whose bytes lie in a mapping, and metadata as text.
 *
 * Every format's reader yields RWKV-LM's own names and orientations ("the
 * canonical form", docs/file-format.md), so that nothing above this folder knows
 * one format from another. */
#ifndef WKV_STORE_TENSOR_H
#define WKV_STORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"

enum { WKV_MAX_DIMS = 8 };

/* Outermost dimension first.  Strides count elements and are never negative; a
 * stride of 0 repeats.  Block types are always contiguous.  data may have any
 * alignment. */
typedef struct wkv_tensor {
    const char *name; /* NUL-terminated UTF-8, owned by the store */
    wkv_dtype dtype;
    int ndim; /* 0: a scalar */
    int64_t dim[WKV_MAX_DIMS];
    int64_t stride[WKV_MAX_DIMS];
    const uint8_t *data; /* borrowed from the store; NULL only when there are no elements */
} wkv_tensor;

/* Number of elements (checked when the store was opened). */
int64_t wkv_tensor_count(const wkv_tensor *t);
/* Bytes of its elements as another type; 0 when they are no whole blocks of it. */
uint64_t wkv_tensor_bytes(const wkv_tensor *t, wkv_dtype as);
bool wkv_tensor_contiguous(const wkv_tensor *t);

/* True for what is multiplied with: two or more dimensions above 1. */
bool wkv_tensor_is_matrix(const wkv_tensor *t);

/* Fills t->stride for a contiguous tensor of t->dim. */
void wkv_tensor_set_strides(wkv_tensor *t);

/* Writes elements [first, first + n) in row-major order, contiguous: as dtype `as`
 * (F64 F32 F16 or BF16, for types that wkv_dtype_is_weight), or as unchanged bytes
 * when as == t->dtype.  For block types, first and n are multiples of the block. */
void wkv_tensor_read(void *dst, const wkv_tensor *t, wkv_dtype as, int64_t first, int64_t n);

/* All elements, as above; dst holds them all. */
void wkv_tensor_copy(void *dst, const wkv_tensor *t, wkv_dtype as);

typedef struct wkv_meta {
    const char *key;
    const char *value; /* NUL-terminated */
    size_t value_len;
} wkv_meta;

/* The one of n under key, or NULL. */
const wkv_meta *wkv_meta_find(const wkv_meta *list, size_t n, const char *key);

/* An open model file. */
typedef struct wkv_store wkv_store;

/* Recognises the format by content (a folder: Hugging Face's) and reads the directory of tensors;
 * weights stay mapped.  Errors name the file and what was wrong at which place.  The caller owns
 * *out; on failure *out is NULL. */
wkv_status wkv_store_open(wkv_store **out, const char *path, wkv_error *err);
void wkv_store_close(wkv_store **s);

/* What has been read of the files need not stay in memory, since it has been copied; all of it can
 * still be read. */
void wkv_store_let_go(const wkv_store *s);

const char *wkv_store_path(const wkv_store *s);
const char *wkv_store_format(const wkv_store *s); /* "safetensors", "pth", "rwkv.cpp", "hf" */
/* Whose names and orientations the file has: "transformers", "web-rwkv"; NULL: RWKV-LM's. */
const char *wkv_store_scheme(const wkv_store *s);
size_t wkv_store_count(const wkv_store *s);
const wkv_tensor *wkv_store_at(const wkv_store *s, size_t i);
const wkv_tensor *wkv_store_find(const wkv_store *s, const char *name); /* or NULL */
size_t wkv_store_meta_count(const wkv_store *s);
const wkv_meta *wkv_store_meta_at(const wkv_store *s, size_t i);
const wkv_meta *wkv_store_find_meta(const wkv_store *s, const char *key); /* or NULL */
const char *wkv_store_meta(const wkv_store *s, const char *key);          /* its value, or NULL */

/* Chooses block types for tensors as they are written, and makes the blocks. */
typedef struct wkv_store_quantiser {
    void *user;
    /* The type that t, a tensor of real numbers, is to have: its own, or any other. */
    wkv_dtype (*type_of)(void *user, const wkv_tensor *t);
    /* Elements [first, first + n) of t, whole blocks, as the block type `as` into dst. */
    wkv_status (*encode)(void *user, void *dst, const wkv_tensor *t, wkv_dtype as, int64_t first,
                         int64_t n, wkv_error *err);
} wkv_store_quantiser;

/* Told how far the writing of one file is, in bytes of the tensors as they are given. */
typedef struct wkv_store_progress {
    void *user;
    bool (*tell)(void *user, uint64_t done, uint64_t total); /* false: the writing is to end */
    uint64_t done, total;
} wkv_store_progress;

/* What is to be written: tensors in this order, then metadata. */
typedef struct wkv_store_out {
    const wkv_tensor *tensors;
    size_t n_tensors;
    const wkv_meta *meta;
    size_t n_meta;
    wkv_dtype dtype; /* matrices become this type; WKV_DTYPE_COUNT keeps each as it is */
    const wkv_store_quantiser *quantiser; /* decides instead of dtype, when not NULL */
    wkv_store_progress *progress;         /* or NULL */
} wkv_store_out;

/* Writes path in the named format, atomically (os.h).  E_UNSUPPORTED when the format
 * is unknown or only read, or lacks a tensor's type; E_STATE when progress ended it.  Everything
 * but matrices keeps its type; block types become f32 where the format has none:
 * docs/file-format.md. */
wkv_status wkv_store_write(const char *path, const char *format, const wkv_store_out *what,
                           wkv_error *err);

/* True when the format, which must have quantised types, can hold this type. */
bool wkv_store_format_has(const char *format, wkv_dtype t);

/* The name of the format whose customary suffix path has, or NULL. */
const char *wkv_store_format_of_path(const char *path);

#endif
