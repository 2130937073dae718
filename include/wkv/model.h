/* wkv/model.h - a trained model: its weights, its shape, its vocabulary.
 *
 * A model is immutable once open and may be shared by any number of sessions and
 * threads.  Weights stay in the file's mapping where their type allows: as long as a model (or a
 * wkv_file) is open, its file must not be written to or truncated in place, or weights change and
 * the system may end the process (SIGBUS).  To remove it or to rename another over it is safe.
 *
 * Its own threads start with the first work that is worth them, and serve one session at a
 * time; another that feeds meanwhile computes on the thread that calls.  A child process made by
 * fork keeps what it has open, and computes on its one thread where the model had started its
 * own before. */
#ifndef WKV_MODEL_H
#define WKV_MODEL_H

#include <stdbool.h>
#include <wkv/tokenizer.h>

WKV_BEGIN

typedef struct wkv_model wkv_model;

typedef struct wkv_model_opts {
    int threads;       /* 0: one for each core the process may use */
    const char *vocab; /* as in wkv_tokenizer_open, instead of the file's own; or NULL */
    /* A LoRA or PiSSA adapter (RWKV-PEFT's form, any format) that is applied without changing
     * the weights, or NULL; the alpha of a LoRA, 0: as the file says; and where a PiSSA run
     * began, when that is in another file, or NULL. */
    const char *adapter;
    double adapter_alpha;
    const char *adapter_init;
    const char *state; /* initial states (state tuning) that sessions start with; or NULL */
    uint64_t reserved[2];
} wkv_model_opts;

WKV_API void wkv_model_opts_init(wkv_model_opts *o);

/* Opens a model file of any known format, recognised by content.  opts may be NULL.
 * The caller owns *out; on failure *out is NULL and err names the file and the tensor. */
WKV_API wkv_status wkv_model_open(wkv_model **out, const char *path, const wkv_model_opts *opts,
                                  wkv_error *err);
WKV_API void wkv_model_close(wkv_model **m);

/* The architectures this library knows, as text: "rwkv4|rwkv5|...". */
WKV_API const char *wkv_arch_names(void);

typedef struct wkv_model_info {
    const char *arch;      /* "rwkv7" */
    const char *format;    /* "safetensors", "pth", "gguf", "rwkv.cpp", "hf" */
    const char *tokenizer; /* "bytes", "world", "bpe", or NULL when there is none */
    const char *dtype;     /* type of the matrices, e.g. "bf16"; "mixed" when several */
    int32_t layers;
    int32_t width;     /* C */
    int32_t heads;     /* H; 0 when the architecture has none */
    int32_t head_size; /* N; 0 likewise */
    int32_t ffn_width; /* F */
    int32_t vocab;     /* V: number of logits */
    uint64_t parameters;
    uint64_t weight_bytes; /* as stored */
    uint64_t state_bytes;  /* of one session, as saved */
    int32_t threads;
    int32_t max_length;  /* tokens that a text may have from its start; 0: any number */
    int32_t window;      /* tokens with weights of their own; 0: no window */
    int32_t token_shift; /* 1: time mixing has one that its architecture leaves open (AFT) */
    int32_t reserved[4];
} wkv_model_info;

/* Fills *info; its strings belong to the model. */
WKV_API void wkv_model_describe(const wkv_model *m, wkv_model_info *info);

/* The tokenizer, owned by the model; NULL when the model carries none. */
WKV_API const wkv_tokenizer *wkv_model_tokenizer(const wkv_model *m);

WKV_END
#endif
