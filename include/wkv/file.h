/* wkv/file.h - looking into model files and turning one form into another. */
#ifndef WKV_FILE_H
#define WKV_FILE_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

/* An open file of named tensors, in any known format; or a Hugging Face folder of them. */
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
/* Beyond the count *out is all zeros, its name NULL. */
WKV_API void wkv_file_tensor_at(const wkv_file *f, size_t i, wkv_file_tensor *out);
/* Copies tensor i, row-major, as float; out has room for the product of its dims.
 * E_UNSUPPORTED when its type is no real number, E_ARGUMENT beyond the count. */
WKV_API wkv_status wkv_file_tensor_read(const wkv_file *f, size_t i, float *out, wkv_error *err);

WKV_API size_t wkv_file_meta_count(const wkv_file *f);
/* Beyond the count both are NULL. */
WKV_API void wkv_file_meta_at(const wkv_file *f, size_t i, const char **key, const char **value);

/* What the file is for: "model", "LoRA adapter", "initial state", ...; and a sentence or two
 * about it, for people.  Both belong to f. */
WKV_API const char *wkv_file_kind(const wkv_file *f);
WKV_API const char *wkv_file_about(const wkv_file *f);
/* The program whose names and orientations the tensors have in the file, e.g.
 * "transformers"; NULL when they are RWKV-LM's. */
WKV_API const char *wkv_file_names(const wkv_file *f);

/* The values of a tensor.  min and max are those of its finite values, 0 when there are none. */
typedef struct wkv_file_range {
    double min, max;
    uint64_t nans, infinities;
    uint64_t reserved[4];
} wkv_file_range;

/* Looks at every element of tensor i, on all cores that the process may use.  E_UNSUPPORTED when
 * its type is no real number, E_ARGUMENT beyond the count. */
WKV_API wkv_status wkv_file_tensor_range(const wkv_file *f, size_t i, wkv_file_range *out,
                                         wkv_error *err);

typedef enum wkv_finding {
    WKV_FINDING_MISSING = 0, /* a model of this architecture needs the tensor */
    WKV_FINDING_UNUSED = 1,  /* it is there, but its layer has no use for it */
    WKV_FINDING_UNKNOWN = 2  /* the architecture has no such parameter */
} wkv_finding;

/* Holds the file against the architecture that its names suggest, whose name goes to *arch,
 * and reports every tensor that does not go with it.  E_UNSUPPORTED when there is none. */
WKV_API wkv_status wkv_file_audit(const wkv_file *f, const char **arch,
                                  void (*found)(void *user, wkv_finding what, const char *tensor),
                                  void *user, wkv_error *err);

/* How one tensor of two files compares; in order of how much they agree. */
typedef enum wkv_agreement {
    WKV_SAME_BITS = 0,   /* the same type, every bit equal */
    WKV_SAME_VALUES = 1, /* equal numbers, of different types */
    WKV_CLOSE = 2,       /* within the tolerance */
    WKV_FAR = 3,         /* beyond it */
    WKV_OTHER_SHAPE = 4, /* dimensions of one apart; or types of which one is no real number */
    WKV_ONLY_FIRST = 5,
    WKV_ONLY_SECOND = 6
} wkv_agreement;

typedef struct wkv_comparison {
    wkv_agreement agreement;
    const wkv_file_tensor *a, *b; /* NULL where there is none */
    double max_abs; /* largest |a - b|; infinite where only one is NaN or they are unequal
                       infinities */
    double max_rel; /* max_abs over the largest finite |a| */
    uint64_t reserved[4];
} wkv_comparison;

/* Compares two files tensor by tensor, each in the form that this library reads it in, and
 * reports every tensor of either.  CLOSE is max_rel <= tolerance. */
WKV_API wkv_status wkv_compare(const char *a, const char *b, double tolerance,
                               void (*report)(void *user, const wkv_comparison *c), void *user,
                               wkv_error *err);

typedef struct wkv_convert_opts {
    const char *format; /* NULL: by the suffix of the output, "hf" when that is a folder */
    const char *dtype;  /* type of the matrices: "f32", "f16", "bf16"; NULL keeps them */
    const char *vocab;  /* a vocabulary to put inside, as in wkv_model_opts */
    /* Told how far it is, unless it is NULL, in bytes of the input's tensors; when it returns
     * false, the call ends with E_STATE and leaves nothing. */
    void *user;
    bool (*on_progress)(void *user, uint64_t done, uint64_t total);
    uint64_t reserved[3];
} wkv_convert_opts;

WKV_API void wkv_convert_opts_init(wkv_convert_opts *o);

/* Reads the model `in` and writes it to `out`, atomically.  opts may be NULL. */
WKV_API wkv_status wkv_convert(const char *in, const char *out, const wkv_convert_opts *opts,
                               wkv_error *err);

WKV_END
#endif
