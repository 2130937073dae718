/* model/model_impl.h - what is inside an open model: a mapped file, the weights bound
 * into it, a device, perhaps a tokenizer.  Nothing in it changes once it is open. */
#ifndef WKV_MODEL_MODEL_IMPL_H
#define WKV_MODEL_MODEL_IMPL_H

#include <wkv/model.h>

#include "arch/adapter.h"
#include "arch/arch.h"
#include "tok/tokenizer.h"

struct wkv_model {
    wkv_store *store;
    wkv_store *adapter_file, *state_file; /* NULL, or what the weights point into as well */
    wkv_adapter adapter;
    wkv_config cfg;
    wkv_weights weights; /* point into the store's mapping where they can */
    wkv_dev *dev;
    wkv_tokenizer tokenizer; /* tok is NULL when the model has none */
    wkv_model_info info;
};

/* Applies the adapter and takes the initial states that the options name: pieces.c.  What is open
 * stays in *m on failure, for wkv_model_close. */
wkv_status wkv_pieces_add(wkv_model *m, const wkv_model_opts *o, wkv_error *err);

/* Whether the file holds initial states of a model of this many layers. */
wkv_status wkv_pieces_check_state(const wkv_config *cfg, const wkv_store *file, wkv_error *err);

#endif
