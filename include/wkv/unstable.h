/* wkv/unstable.h - what may change without notice: measuring the machine, and models to
 * measure with. */
#ifndef WKV_UNSTABLE_H
#define WKV_UNSTABLE_H

#include <stdbool.h>
#include <wkv/session.h>

WKV_BEGIN

/* What `threads` threads (0: as many as a model takes by itself) reach here: bytes a second
 * read from memory, floating point operations a second of large f32 matrix products (the quickest
 * of the three that train a layer: forward, to the input, to the weights), and operations a second
 * of products of bytes that lie in registers.  Each takes about `seconds`; 0 when there is no
 * memory for it. */
WKV_API double wkv_measure_bandwidth(int threads, double seconds);
WKV_API double wkv_measure_flops(int threads, double seconds);
WKV_API double wkv_measure_byte_ops(int threads, double seconds);

/* The least that feeding takes, counted over the weights as they are laid out at work. */
typedef struct wkv_cost {
    double bytes;     /* weights, each read once a pass, and states, read and written */
    double byte_ops;  /* multiplications and additions of weights of block types, in 8 bits */
    double float_ops; /* of all other matrices */
} wkv_cost;

/* What feeding `tokens` tokens to each of `sequences` sequences takes, where a pass of
 * wkv_session_feed (sequences 1) or wkv_batch_feed reads the weights once for all its rows. */
WKV_API void wkv_model_cost(const wkv_model *m, int32_t sequences, int32_t tokens, wkv_cost *out);

/* Bytes of weights, counted in wkv_model_cost, that the session's feeds had no need to read:
 * those of channel mixing that met a zero.  The first call returns 0 and begins to count: counting
 * costs a little. */
WKV_API uint64_t wkv_session_unread(wkv_session *s);

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
    /* Told how far it is, unless it is NULL, in bytes that have their values, and then in bytes
     * written; when it returns false, the call ends with E_STATE and leaves nothing. */
    void *user;
    bool (*on_progress)(void *user, bool making, uint64_t done, uint64_t total);
} wkv_random_opts;

WKV_API void wkv_random_opts_init(wkv_random_opts *o);

/* Writes such a model, atomically; the same options give the same bytes.  Activations stay
 * near one however many tokens are fed.  opts may be NULL.  E_ARGUMENT also for a window, a length
 * or a token shift that the architecture has not. */
WKV_API wkv_status wkv_random_model(const char *path, const wkv_random_opts *opts, wkv_error *err);

/* Name of the instruction set in use: "ref", "avx2", "avxvnni", "avx512", "vnni", "amx"; on ARM
 * "neon", "dotprod", "i8mm".  A process has one: that of the first time it needs to know. */
WKV_API const char *wkv_cpu_name(void);

WKV_END
#endif
