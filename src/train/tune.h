/* train/tune.h - training less than a whole model: low-rank changes of its matrices (LoRA,
 * PiSSA), or the states that its sequences begin with.  The model itself is frozen: it stays in
 * its file's mapping where that holds f32, and is in no checkpoint. */
#ifndef WKV_TRAIN_TUNE_H
#define WKV_TRAIN_TUNE_H

#include <wkv/train.h>

#include "arch/adapter.h"

/* What a tuning run has beside a trainer's parts; all zero where a whole model is trained. */
typedef struct wkv_tuning {
    wkv_store *base;     /* what the frozen weights lie in */
    uint32_t base_crc;   /* tells models of one shape apart */
    wkv_adapter adapter; /* LoRA, PiSSA */
    /* PiSSA: the factors of the beginning, laid out as those of now; the matrices before they
     * were taken away, in the adapter's order; and what that takes. */
    real *first;
    const real **whole;
    wkv_arena scratch;
} wkv_tuning;

/* E_ARGUMENT, naming the option, when the options about it make no sense. */
wkv_status wkv_tuning_check(const wkv_train_opts *o, wkv_error *err);

/* Weights, trained tensors and optimiser of a trainer whose tuning.base is open. */
wkv_status wkv_tuning_setup(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err);
void wkv_tuning_deinit(wkv_tuning *u);

/* PiSSA's factors of the beginning as tensors, as wkv_trained_view: how many there are. */
size_t wkv_tuning_view(const wkv_trainer *t, wkv_tensor *out, char *names, size_t name_bytes);

/* After these have been replaced by others. */
void wkv_tuning_first_changed(wkv_trainer *t);

#endif
