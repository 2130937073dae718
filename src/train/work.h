/* train/work.h - the memory in which a pass over B rows of T tokens works, and the pass.
 *
 * Arenas are sized by running the same code with arenas that only measure. */
#ifndef WKV_TRAIN_WORK_H
#define WKV_TRAIN_WORK_H

#include "arch/arch.h"

typedef struct wkv_work {
    const wkv_dev *dev;
    const wkv_config *cfg;
    const wkv_weights *weights;
    int B, T;
    wkv_arena scratch, tape;
    int32_t *start;   /* B + 1: sequence b is rows b T .. */
    int32_t *ids;     /* (B, T) */
    int32_t *targets; /* (B, T): the token after each */
    int32_t *row;     /* T + 1 tokens as they are read */
    real *states;     /* B states, one after the other */
    real **state;     /* [B], into states */
    void *saved;      /* the architecture's records for its backward pass */
    size_t saved_bytes;
    uint64_t bytes; /* of everything here */
} wkv_work;

/* dev, cfg and weights are borrowed.  Zero *w before; deinit in any case. */
wkv_status wkv_work_init(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, int B, int T, wkv_error *err);
void wkv_work_deinit(wkv_work *w);

/* Splits the T + 1 tokens in w->row into inputs and targets of row b. */
void wkv_work_set_row(wkv_work *w, int b);

/* Forward and backward over ids and targets, every row from the initial state; gradients
 * are added to the weights'.  Returns the mean loss. */
double wkv_work_train(wkv_work *w);

/* Forward over the first n rows alone.  Returns the sum of the losses. */
double wkv_work_eval(wkv_work *w, int n);

#endif
