/* wkv/unstable.h - what may change without notice: measuring the machine, and models to
 * measure with. */
#ifndef WKV_UNSTABLE_H
#define WKV_UNSTABLE_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

/* Bytes per second that `threads` threads read from memory, and floating point
 * operations per second of a large f32 matrix product; each takes about `seconds`. */
WKV_API double wkv_measure_bandwidth(int threads, double seconds);
WKV_API double wkv_measure_flops(int threads, double seconds);

/* A model of any shape with random weights; what it says means nothing. */
typedef struct wkv_random_opts {
    const char *arch; /* "rwkv7" */
    int32_t layers, width, head_size, vocab_size;
    uint64_t seed;
    double ffn_sparsity; /* fraction of the channel mixing's keys that are zero after relu^2,
                            on average; 0: as it comes, about half */
    const char *format;  /* NULL: by the suffix of the path */
    const char *dtype;   /* type of the matrices: "f32", "f16", "bf16"; NULL: f32 */
    const char *vocab;   /* a vocabulary to put inside, as in wkv_model_opts; or NULL */
    int32_t window;      /* where there is one: tokens that each looks back to; 0: 32 */
    int32_t length;      /* where positions have parameters: how many; 0: 1024 */
    bool token_shift;    /* in time mixing, where that is open (AFT) */
    uint64_t reserved[2];
} wkv_random_opts;

WKV_API void wkv_random_opts_init(wkv_random_opts *o);

/* Writes such a model, atomically; the same options give the same bytes.  Activations stay
 * near one however many tokens are fed.  opts may be NULL. */
WKV_API wkv_status wkv_random_model(const char *path, const wkv_random_opts *opts, wkv_error *err);

/* Name of the instruction set in use: "ref", "avx2", "avx512", "vnni", "amx"; on ARM "neon",
 * "dotprod", "i8mm". */
WKV_API const char *wkv_cpu_name(void);

WKV_END
#endif
