/* model/model_impl.h - what is inside an open model: a mapped file, the weights bound
 * into it, a device, perhaps a tokenizer.  Nothing in it changes once it is open. */
#ifndef WKV_MODEL_MODEL_IMPL_H
#define WKV_MODEL_MODEL_IMPL_H

#include <wkv/model.h>

#include "arch/arch.h"
#include "tok/tokenizer.h"

struct wkv_model {
    wkv_store *store;
    wkv_config cfg;
    wkv_weights weights; /* point into the store's mapping where they can */
    wkv_dev *dev;
    wkv_tokenizer tokenizer; /* tok is NULL when the model has none */
    wkv_model_info info;
};

#endif
