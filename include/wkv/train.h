/* wkv/train.h - training: a model, its data, its optimiser, one step at a time.
 *
 * The same options, data and seed give the same bits, whatever the thread count, and
 * a resumed run continues as if it had never stopped.  This header may still change
 * between minor versions. */
#ifndef WKV_TRAIN_H
#define WKV_TRAIN_H

#include <stdbool.h>
#include <wkv/model.h>

WKV_BEGIN

typedef struct wkv_trainer wkv_trainer;

typedef enum wkv_order {
    WKV_ORDER_RANDOM = 0, /* RWKV-LM's stateless sampler, where the data allow it */
    WKV_ORDER_SEQUENTIAL  /* row b of step s starts at ((s*batch + b) mod M)*ctx */
} wkv_order;

/* How rows are made of documents, which are those of a binidx pair; a text is one. */
typedef enum wkv_rows {
    WKV_ROWS_STREAM = 0, /* windows of ctx tokens of all that there is, as RWKV-LM trains:
                            the state runs on across documents */
    WKV_ROWS_PACK,       /* whole documents side by side, long ones in pieces of ctx; each
                            from the initial state, so that none sees another */
    WKV_ROWS_CARRY       /* a row reads a document from end to end, window after window, and
                            keeps the state between them; then another one */
} wkv_rows;

/* What of the model in `init` is trained; all else of it is frozen. */
typedef enum wkv_tune {
    WKV_TUNE_FULL = 0, /* everything; also of a new model */
    WKV_TUNE_LORA,     /* low-rank changes of matrices, from none on */
    WKV_TUNE_PISSA,    /* the same, beginning as the matrices' principal parts (arXiv 2404.02948) */
    WKV_TUNE_STATE     /* the states that texts begin with (RWKV-5, 6 and 7) */
} wkv_tune;

/* What of the forward pass is computed again for the backward pass instead of kept: all give
 * the same bits, with less memory and more time. */
typedef enum wkv_train_recompute {
    WKV_TRAIN_RECOMPUTE_NONE = 0,
    WKV_TRAIN_RECOMPUTE_LIGHT, /* norms, mixes, activations: what costs little */
    WKV_TRAIN_RECOMPUTE_FULL   /* everything but the inputs of layers */
} wkv_train_recompute;

/* As what activations wait for the backward pass: as they are, or as bf16 in half the memory, which
 * changes the gradients a little.  Without effect where RECOMPUTE_FULL keeps none. */
typedef enum wkv_train_activations {
    WKV_TRAIN_ACTIVATIONS_F32 = 0,
    WKV_TRAIN_ACTIVATIONS_BF16
} wkv_train_activations;

/* One of several sources. */
enum { WKV_TRAIN_SOURCES = 16 };
typedef struct wkv_train_source {
    const char *path; /* as wkv_train_opts.data */
    double weight;    /* its share of the tokens, to the others'; 0 for all: by their sizes */
} wkv_train_source;

typedef struct wkv_train_opts {
    /* The model: a new one of this shape, or one to start from.  With init, the
     * architecture, the shapes and, where it has one, the vocabulary come from the file. */
    const char *init;   /* path of a model, or NULL */
    const char *arch;   /* one of wkv_arch_names, "rwkv7" */
    int32_t layers;     /* L */
    int32_t width;      /* C */
    int32_t head_size;  /* N, for architectures that have heads */
    const char *vocab;  /* "bytes", a vocabulary file, or NULL (binidx data only) */
    int32_t vocab_size; /* V; 0: the vocabulary's ids, padded to a multiple of 64, or with
                           no vocabulary the largest id of the data and one */

    /* The data. */
    const char *data; /* a text file, or the PREFIX of PREFIX.bin and PREFIX.idx; the tokens
                         that PREFIX.mask.bin says 0 of, where it is, are not learnt */
    const wkv_train_source *sources; /* or n_sources of them, when data is NULL */
    int32_t n_sources;
    const char *val;     /* held-out data of the same kind, or NULL */
    double val_fraction; /* the end of each source is held out, when val is NULL; from the
                            beginning of a document on, where there are several */
    int32_t ctx;         /* T: tokens per row */
    int32_t batch;       /* B: rows per step */
    wkv_order order;     /* sequential: rows PACK and CARRY take documents as they lie */
    wkv_rows rows;
    int32_t bptt; /* rows CARRY: windows of ctx tokens in a step, through all of which
                     gradients flow; 1 */

    /* The optimiser (AdamW) and its schedule. */
    int64_t steps;
    double lr, lr_final; /* cosine from lr to lr_final */
    int64_t warmup;      /* steps of linear warm-up from lr/100 */
    double weight_decay, beta1, beta2, adam_eps;
    double clip; /* global gradient norm; 0: none */
    uint64_t seed;

    int32_t threads;  /* 0: one for each core the process may use */
    int32_t window;   /* of a new model, where it has one: tokens that each looks back to */
    int32_t length;   /* of a new model whose positions have parameters: how many; 0: ctx */
    bool token_shift; /* of a new model, in time mixing, where that is open (AFT) */

    /* Guards: a step is skipped when its loss or its gradient's norm is not finite, or is above
     * the median of the last 128 steps that were taken by more than `guard` times their spread
     * (docs/training.md). */
    double guard;       /* 0: only what is not finite is skipped; 10 */
    int32_t guard_stop; /* so many in a row are an error; 10 */

    /* Memory. */
    int32_t micro_batch; /* rows that pass at a time, their gradients added up; 0: all */
    wkv_train_recompute recompute;
    wkv_train_activations activations;
    uint64_t memory_limit; /* bytes: opening fails when the run is to take more; 0: none */

    /* Called during a validation with the tokens done, of how many; false ends it.  Or NULL. */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;

    /* Fine-tuning: what of the model in init is trained. */
    wkv_tune tune;
    int32_t rank;             /* LORA, PISSA: of the changes; never below 0 */
    double lora_alpha;        /* LORA: alpha / rank is the factor of a change; 0: rank */
    const char *lora_targets; /* LORA, PISSA: matrices, with commas: "att,ffn.key", "head",
                                 "blocks.3"; NULL: all of the layers */
    uint64_t reserved[6];
} wkv_train_opts;

/* rwkv7, 4 layers, width 128, head size 32, bytes, ctx 64, batch 12, 2000 steps, and
 * the reference trainer's optimiser. */
WKV_API void wkv_train_opts_init(wkv_train_opts *o);

/* Builds (or reads) the model and opens the data.  Errors name the option or file; E_MEMORY
 * when there is not enough, or more than memory_limit would be needed, with the figures; E_TOKEN
 * when the data have ids that the model does not.
 * The caller owns *out; on failure *out is NULL. */
WKV_API wkv_status wkv_trainer_open(wkv_trainer **out, const wkv_train_opts *opts, wkv_error *err);
WKV_API void wkv_trainer_close(wkv_trainer **t);

/* Why a step was not taken: the weights and the optimiser stay as they were, and training goes
 * on with the next step's data. */
typedef enum wkv_skip {
    WKV_SKIP_NONE = 0,
    WKV_SKIP_NUMERIC, /* the loss or a gradient is not finite */
    WKV_SKIP_LOSS,    /* the loss is an outlier */
    WKV_SKIP_NORM     /* the gradient's norm is */
} wkv_skip;

/* What one step did. */
typedef struct wkv_step {
    int64_t step;     /* counted from 1 */
    double loss;      /* mean cross-entropy, nats per token */
    double lr;        /* base learning rate of this step */
    double grad_norm; /* before clipping */
    uint64_t tokens;  /* gone through in all, this step included */
    double seconds;   /* wall time of this step */
    uint64_t learnt;  /* targets of this step, of which loss is the mean: less than its
                         tokens where some are masked or a row is padded */
    double limit;     /* what the loss, or norm, of a skipped step is above */
    wkv_skip skipped;
    int32_t in_row; /* steps skipped since the last that was taken */
    double reserved[1];
} wkv_step;

/* One optimiser step, or none where out->skipped says why.  E_NUMERIC when guard_stop steps in a
 * row would have been skipped: the trainer then stands before the last of them.  E_STATE when all
 * steps are done. */
WKV_API wkv_status wkv_trainer_step(wkv_trainer *t, wkv_step *out, wkv_error *err);

/* What the held-out data say of the model as it stands. */
typedef struct wkv_validation {
    double loss;          /* mean cross-entropy, nats per target */
    double bits_per_byte; /* the same in bits for each byte of text that the targets stand for,
                             by the tokenizer; NaN where there is none, or no such byte */
    uint64_t targets;     /* tokens that were to be predicted */
    uint64_t bytes;       /* that they stand for; 0 without a tokenizer */
    uint64_t reserved[4];
} wkv_validation;

/* Goes through the held-out data in rows of the same kind: every window, piece or document
 * once.  E_STATE when nothing is held out, or when progress said no. */
WKV_API wkv_status wkv_trainer_validate(wkv_trainer *t, wkv_validation *out, wkv_error *err);

typedef struct wkv_trainer_info {
    int64_t step; /* steps done */
    int64_t steps;
    uint64_t parameters;
    uint64_t tokens;        /* in the training part of the data */
    uint64_t val_tokens;    /* held out; 0 when nothing is */
    uint64_t memory;        /* bytes of weights, gradients, moments and activations */
    double flops_per_token; /* forward and backward */
    int32_t threads;
    int32_t magic_prime_used; /* order random: 1 the reference's sampler, 0 the fallback */
    const char *arch;
    uint64_t documents;   /* in the training part of the data */
    uint32_t data_crc32c; /* of the training part, as checkpoints hold it */
    uint32_t val_crc32c;  /* of the held-out data */
    int32_t vocab;        /* V: number of logits */
    int32_t max_length;   /* tokens that a text may have from its start; 0: any number */
    uint64_t trained;     /* parameters that are: of a tuned model, few */
    uint64_t reserved[4];
} wkv_trainer_info;

WKV_API void wkv_trainer_describe(const wkv_trainer *t, wkv_trainer_info *info);

/* The memory of a run, in bytes, as predicted before the first step. */
typedef struct wkv_train_memory {
    uint64_t parameters, gradients, moments;
    uint64_t activations; /* what forward keeps for backward */
    uint64_t workspace;   /* of operations, with states and the step's tokens */
    uint64_t data;        /* texts in memory; mapped files do not count */
    uint64_t program;     /* what the process held already */
    uint64_t total;
    uint64_t peak; /* the most that the process has held so far; 0 where that is unknown */
    uint64_t reserved[3];
} wkv_train_memory;

WKV_API void wkv_trainer_memory(const wkv_trainer *t, wkv_train_memory *m);

/* Saves weights, moments, step, seed and position to one file, atomically; restores
 * them; with rows CARRY also the rows' states.  Restoring into a trainer of other shapes, options
 * or data fails with E_SHAPE, naming the option and both values, and leaves it unchanged; only
 * threads, held-out data, memory_limit and, with activations in f32, recompute may differ.
 * E_FORMAT when the file is damaged or no checkpoint. */
WKV_API wkv_status wkv_trainer_save(const wkv_trainer *t, const char *path, wkv_error *err);
WKV_API wkv_status wkv_trainer_restore(wkv_trainer *t, const char *path, wkv_error *err);

/* ---- looking on ------------------------------------------------------------------------------ */

/* One source of the training data, in the order of the options. */
typedef struct wkv_source_info {
    uint64_t tokens, documents; /* of its training part */
    uint32_t crc32c;            /* of that part, as checkpoints count it */
    uint32_t reserved32;
    uint64_t reserved[4];
} wkv_source_info;

/* False when there is no source i. */
WKV_API bool wkv_trainer_source(const wkv_trainer *t, int32_t i, wkv_source_info *info);

/* The tokenizer of the model, owned by the trainer; NULL when there is none. */
WKV_API const wkv_tokenizer *wkv_trainer_tokenizer(const wkv_trainer *t);

/* A text that the model under training goes on with, as it stands between two steps; training
 * does not notice.  Borrows the trainer. */
typedef struct wkv_trial wkv_trial;

/* At the initial state.  The caller owns *out; on failure (E_MEMORY) *out is NULL. */
WKV_API wkv_status wkv_trial_open(wkv_trial **out, wkv_trainer *t, wkv_error *err);
WKV_API void wkv_trial_close(wkv_trial **s);

/* As wkv_session_feed (n >= 1, else E_ARGUMENT), wkv_session_logits and wkv_session_reset. */
WKV_API wkv_status wkv_trial_feed(wkv_trial *s, const int32_t *tokens, size_t n);
WKV_API const float *wkv_trial_logits(const wkv_trial *s);
WKV_API void wkv_trial_reset(wkv_trial *s);

/* ---- the result ------------------------------------------------------------------------------ */

/* Writes the finished model, vocabulary inside, as safetensors; of a tuned one the adapter or the
 * initial states alone, in the form of RWKV-PEFT and the RWKV runtimes, by the suffix of the path
 * as safetensors or .pth.  An adapter in safetensors also says its alpha. */
WKV_API wkv_status wkv_trainer_export(const wkv_trainer *t, const char *path, wkv_error *err);

WKV_END
#endif
