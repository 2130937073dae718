/* wkv/quantize.h - models with matrices of fewer bits. */
#ifndef WKV_QUANTIZE_H
#define WKV_QUANTIZE_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

/* One tensor that was quantised.  Strings live as long as the call. */
typedef struct wkv_quantize_step {
    const char *tensor;
    const char *from, *to;              /* types, "f32" */
    uint64_t bytes_before, bytes_after; /* of this tensor */
    double error;                       /* root mean square error over that of the tensor */
    uint64_t reserved[4];
} wkv_quantize_step;

/* What came of it. */
typedef struct wkv_quantize_result {
    uint64_t bytes_before, bytes_after; /* of all tensors */
    uint64_t elements, quantised;       /* of all tensors, and of those that became blocks */
    double error;                       /* as above, over all that became blocks */
    uint64_t calibrated;                /* tokens that importance was gathered from */
    uint64_t reserved[4];
} wkv_quantize_result;

typedef struct wkv_quantize_opts {
    const char *type;         /* one of wkv_quantize_types */
    const char *format;       /* NULL: by the suffix of the output; gguf or rwkv.cpp */
    bool pure;                /* the type for every matrix, head and embedding too */
    const char *calibrate;    /* a text whose columns' use decides what errors weigh, or NULL */
    int64_t calibrate_tokens; /* at most so many of it; 0: all */
    const char *vocab;        /* a vocabulary to put inside, as in wkv_model_opts */
    int32_t threads;          /* 0: one for each core the process may use */
    /* Told what goes on, each unless it is NULL.  Progress is in tokens that were read, or in
     * elements that were quantised; when it returns false, the call ends with E_STATE. */
    void *user;
    bool (*on_progress)(void *user, bool calibrating, uint64_t done, uint64_t total);
    void (*on_tensor)(void *user, const wkv_quantize_step *step);
    uint64_t reserved[6];
} wkv_quantize_opts;

WKV_API void wkv_quantize_opts_init(wkv_quantize_opts *o);

/* The types and mixes of types, "q8|q4|q8_0|...". */
WKV_API const char *wkv_quantize_types(void);

/* Quantises the model `in` into the file `out`, atomically.  Vectors and low-rank factors keep
 * their type.  opts may be NULL: q8_0.  *result may be NULL; the output does not depend on the
 * number of threads. */
WKV_API wkv_status wkv_quantize(const char *in, const char *out, const wkv_quantize_opts *opts,
                                wkv_quantize_result *result, wkv_error *err);

WKV_END
#endif
