/* arch/adapter.h - low-rank changes of a model's matrices, in memory and from files: LoRA
 * (arXiv 2106.09685), W + alpha/R B A; and PiSSA (arXiv 2404.02948), W - B0 A0 + B A, where B0 A0
 * was the principal part of W.  Products apply them (dev.h); the matrices stay as they are. */
#ifndef WKV_ARCH_ADAPTER_H
#define WKV_ARCH_ADAPTER_H

#include "arch/arch.h"

typedef struct wkv_adapter {
    wkv_lora *lora;
    int *param; /* the parameter that each of them changes, by wkv_params_at's index */
    size_t n;
    real *values; /* factors that came from a file; NULL: they are somebody else's */
} wkv_adapter;

/* Room for so many changes.  Zero *a before; deinit in any case.  E_MEMORY. */
wkv_status wkv_adapter_init(wkv_adapter *a, size_t room, wkv_error *err);
void wkv_adapter_deinit(wkv_adapter *a);

/* chosen[i] for each parameter: the present matrices that `targets` names, a list with commas of
 * "att.key", "ffn" (all its matrices), "head" or "blocks.3"; NULL: all matrices of all layers.
 * E_ARGUMENT, naming what the model has, when one names nothing. */
wkv_status wkv_adapter_choose(bool *chosen, const wkv_config *cfg, const wkv_weights *w,
                              const char *targets, wkv_error *err);

/* A change of rank R of matrix i, its factors still without data. */
wkv_lora *wkv_adapter_add(wkv_adapter *a, const wkv_config *cfg, const wkv_weights *w, int i,
                          int rank);

/* Lets the products of w apply the changes; *a must stay where it is. */
void wkv_adapter_attach(const wkv_adapter *a, const wkv_config *cfg, wkv_weights *w);

/* E_ARGUMENT, with the option's name, when alpha is no number from 0 on that makes sense. */
wkv_status wkv_adapter_check_alpha(const char *option, double alpha, wkv_error *err);

/* The changes of a file of factors.  init: another file, of those that a PiSSA run began with, or
 * NULL when the file has them itself or is a LoRA.  alpha: 0 takes what the file says; RWKV-PEFT's
 * say nothing, and E_ARGUMENT asks for it.  E_SHAPE names the tensor and both shapes. */
wkv_status wkv_adapter_read(wkv_adapter *a, const wkv_config *cfg, const wkv_weights *w,
                            const wkv_store *file, const wkv_store *init, double alpha,
                            wkv_error *err);

/* m (outputs, inputs) += factor scale B A */
void wkv_lora_merge(wkv_exec *x, real *m, const wkv_lora *l, real factor);

#endif
