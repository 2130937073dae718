/* store/hf.h - the folders that Hugging Face's libraries write: the parts of their reader
 * and writer, and the parsers of the two files of JSON beside the weights.
 *
 *   config.json                     the shape, and whose model it is
 *   model.safetensors               the tensors, or
 *   model.safetensors.index.json    which tensor lies in which of several files
 *   pytorch_model.bin[.index.json]  the same, as torch.save wrote it
 *   tokenizer.json, rwkv_vocab*.txt, vocab.txt
 */
#ifndef WKV_STORE_HF_H
#define WKV_STORE_HF_H

#include "store/format.h"

/* ---- the index: hf_index.c ----------------------------------------------------------- */

enum { WKV_HF_MAX_SHARDS = 4096 };

/* Where a tensor lies. */
typedef struct wkv_hf_place {
    const char *tensor;
    size_t shard;
} wkv_hf_place;

typedef struct wkv_hf_index {
    char **shards; /* names of files in the folder, without any path */
    size_t n_shards;
    wkv_hf_place *places; /* sorted by tensor, none twice */
    size_t n_places;
    char *text; /* the names */
} wkv_hf_index;

/* Parses an index.  A shard's name that could lead out of the folder is refused.  Release
 * *out with wkv_hf_index_deinit, also after a failure. */
wkv_status wkv_hf_index_parse(wkv_hf_index *out, const void *text, uint64_t n, wkv_error *err);
void wkv_hf_index_deinit(wkv_hf_index *x);
/* The place of a tensor, or NULL. */
const wkv_hf_place *wkv_hf_index_find(const wkv_hf_index *x, const char *tensor);

/* ---- the configuration: hf_config.c ----------------------------------------------------- */

/* What of a configuration the tensors can contradict. */
typedef enum wkv_hf_size {
    WKV_HF_VOCAB,
    WKV_HF_WIDTH,
    WKV_HF_LAYERS,
    WKV_HF_ATT,
    WKV_HF_FFN,
    WKV_HF_HEAD_DIM,  /* flash-linear-attention's */
    WKV_HF_HEAD_SIZE, /* RWKV-5's and 6's */
    WKV_HF_SIZES
} wkv_hf_size;

typedef struct wkv_hf_config {
    char model_type[64];        /* "" when there is none */
    int64_t size[WKV_HF_SIZES]; /* 0: not said */
    double ln_eps, gn_eps;      /* 0: not said */
    bool tied;                  /* the head is the embedding */
} wkv_hf_config;

/* Parses a config.json.  E_UNSUPPORTED for what changes the mathematics. */
wkv_status wkv_hf_config_parse(wkv_hf_config *out, const void *text, uint64_t n, wkv_error *err);
/* Holds the configuration against tensors in the canonical form: E_SHAPE names both. */
wkv_status wkv_hf_config_check(const wkv_hf_config *c, const wkv_store *s, wkv_error *err);

/* ---- the vocabulary: hf_vocab.c ------------------------------------------------------------- */

/* Puts the folder's vocabulary, if there is one that is known, into the metadata. */
wkv_status wkv_hf_add_vocab(wkv_store *s, wkv_error *err);
/* A vocab.txt, one bytes literal a line and the line's number its id, as a World vocabulary.
 * The first line, id 0, ends documents. */
wkv_status wkv_hf_vocab_txt(wkv_store *s, const char *text, size_t n, wkv_error *err);

/* ---- writing: hf_write.c --------------------------------------------------------------------- */

wkv_status wkv_hf_write(const char *folder, const wkv_store_out *what, wkv_error *err);

/* "FOLDER/NAME", the caller's to free; NULL when out of memory. */
char *wkv_hf_path(const char *folder, const char *name);

#endif
