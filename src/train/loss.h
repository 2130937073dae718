/* train/loss.h - head and cross-entropy in one, some rows at a time.
 *
 * The logits of a batch, rows x V, would be the largest array of all; here they exist for
 * a slice of rows only.  The slice depends on V alone, and losses are added row by row in
 * double, so that the result depends neither on threads nor on memory. */
#ifndef WKV_TRAIN_LOSS_H
#define WKV_TRAIN_LOSS_H

#include "arch/arch.h"

/* *sum += -log p(target) of every row, in nats and in order, so that the pieces of a batch add up
 * to the bits of the whole; rows whose target is negative have none.  hidden (rows, C).  each:
 * the loss of every row, 0 where there is none. */
void wkv_loss_sum(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, const real *hidden,
                  const int32_t *target, int rows, double *each, double *sum);

/* The same, and the gradients of the sum divided by `learnt`, which is how many targets the
 * whole step has: dhidden (rows, C) =, the head's +=. */
void wkv_loss_grad(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, real *dhidden,
                   const real *hidden, const int32_t *target, int rows, int64_t learnt,
                   double *each, double *sum);

#endif
