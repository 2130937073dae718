/* train/optim.h - the four flat arrays of training and the update of one by the others.
 *
 * Parameters, gradients and Adam's two moments lie in arrays of one layout
 * (trained.h), so that norm and update run over long stretches and not tensor
 * by tensor.  A group is a run of neighbours with one decay and one rate. */
#ifndef WKV_TRAIN_OPTIM_H
#define WKV_TRAIN_OPTIM_H

#include <wkv/train.h>

#include "train/trained.h"

typedef struct wkv_group {
    size_t first, n;
    double lr_scale;
    bool decays;
} wkv_group;

typedef struct wkv_optim {
    size_t n; /* reals in each array */
    real *param, *grad, *m, *v;
    wkv_group *groups;
    size_t n_groups;
    const wkv_dev *dev;
    wkv_arena scratch; /* what the operations need */
} wkv_optim;

/* Allocates the arrays for n reals, and touches none of them; dev is borrowed.  Zero *o before;
 * deinit in any case. */
wkv_status wkv_optim_init(wkv_optim *o, const wkv_dev *dev, size_t n, wkv_error *err);
void wkv_optim_deinit(wkv_optim *o);

/* Sets all of them to zero. */
void wkv_optim_clear(wkv_optim *o);

/* Finds the groups of what lies in the arrays. */
wkv_status wkv_optim_group(wkv_optim *o, const wkv_trained *trained, wkv_error *err);

void wkv_optim_zero_grad(wkv_optim *o);

/* The gradient's L2 norm over all parameters. */
double wkv_optim_norm(wkv_optim *o);

/* The `step`-th update, counted from 1, at rate lr.  A gradient whose norm exceeds
 * opts->clip is scaled down to it. */
void wkv_optim_update(wkv_optim *o, const wkv_train_opts *opts, int64_t step, double lr,
                      double norm);

#endif
