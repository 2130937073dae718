/* store/content.h - what a file of tensors is for: a model, or one of the pieces that trainers
 * write beside it.  Told by the names of the tensors alone. */
#ifndef WKV_STORE_CONTENT_H
#define WKV_STORE_CONTENT_H

#include "store/tensor.h"

/* Metadata of our adapters: LoRA's alpha, of which alpha / R is the factor. */
#define WKV_META_ALPHA "wkv.lora_alpha"

/* "wkv.kind" of our initial states: their matrices lie as RWKV-PEFT's. */
#define WKV_KIND_START "initial state"

typedef enum wkv_content_id {
    WKV_CONTENT_TENSORS,    /* nothing that is known */
    WKV_CONTENT_MODEL,      /* an embedding and blocks */
    WKV_CONTENT_CHECKPOINT, /* a model with the moments of its optimiser: wkv train's */
    WKV_CONTENT_SESSION,    /* the saved state of a session of ours */
    WKV_CONTENT_STATE,      /* initial states, att.time_state [H, N, N] a layer (state tuning) */
    WKV_CONTENT_LORA, /* lora_A [R, in] and lora_B [out, R] for some matrices: LoRA or PiSSA */
    WKV_CONTENT_PISSA_INIT, /* init_lora_A and init_lora_B, where a PiSSA run began */
    WKV_CONTENT_BONE        /* .bone or .disha blocks for some matrices */
} wkv_content_id;

typedef struct wkv_content {
    wkv_content_id id;
    int layers;                 /* that have a part in it */
    size_t matrices;            /* adapted ones */
    int64_t rank_min, rank_max; /* of LORA and PISSA_INIT */
    size_t whole;               /* tensors of the model given whole beside an adapter */
    bool complete;              /* every lora_A has its lora_B, of the same rank */
} wkv_content;

void wkv_store_content(wkv_content *k, const wkv_store *s);

/* "LoRA adapter" and so on. */
const char *wkv_content_name(wkv_content_id id);

/* The two factors of the matrix called `name` ("blocks.0.att.key.weight"), for init those that
 * a PiSSA run began with; false when the file does not adapt it.  W + scale lora_B lora_A. */
bool wkv_content_factors(const wkv_store *s, const char *name, bool init, const wkv_tensor **a,
                         const wkv_tensor **b);

#endif
