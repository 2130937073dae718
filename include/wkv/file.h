/* wkv/file.h - looking into model files and turning one form into another. */
#ifndef WKV_FILE_H
#define WKV_FILE_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

/* An open file of named tensors, in any known format. */
typedef struct wkv_file wkv_file;

typedef struct wkv_file_tensor {
    const char *name;
    const char *dtype;
    int32_t ndim;
    int32_t reserved;
    int64_t dim[8];
} wkv_file_tensor;

/* The caller owns *out; on failure *out is NULL. */
WKV_API wkv_status wkv_file_open(wkv_file **out, const char *path, wkv_error *err);
WKV_API void wkv_file_close(wkv_file **f);

WKV_API const char *wkv_file_format(const wkv_file *f);
WKV_API size_t wkv_file_tensor_count(const wkv_file *f);
WKV_API void wkv_file_tensor_at(const wkv_file *f, size_t i, wkv_file_tensor *out);
/* Copies tensor i, row-major, as float; out has room for the product of its dims.
 * E_UNSUPPORTED when its type is no real number. */
WKV_API wkv_status wkv_file_tensor_read(const wkv_file *f, size_t i, float *out, wkv_error *err);

WKV_API size_t wkv_file_meta_count(const wkv_file *f);
WKV_API void wkv_file_meta_at(const wkv_file *f, size_t i, const char **key, const char **value);

typedef struct wkv_convert_opts {
    const char *format; /* NULL: by the suffix of the output */
    const char *dtype;  /* type of the matrices: "f32", "f16", "bf16"; NULL keeps them */
    const char *vocab;  /* a vocabulary to put inside, as in wkv_model_opts */
    uint64_t reserved[5];
} wkv_convert_opts;

WKV_API void wkv_convert_opts_init(wkv_convert_opts *o);

/* Reads the model `in` and writes it to `out`, atomically.  opts may be NULL. */
WKV_API wkv_status wkv_convert(const char *in, const char *out, const wkv_convert_opts *opts,
                               wkv_error *err);

WKV_END
#endif
