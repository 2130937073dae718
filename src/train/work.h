/* train/work.h - the memory in which passes over windows work, and the passes.
 *
 * A step trains on one window, or, where the state is carried and gradients are to flow
 * through several, on that many in a row: they run forward one after the other, which
 * leaves the states between them, and then from the last to the first forward again and
 * backward, each handing the gradient of its first states to the one before.  So the
 * activations of one window are all that is ever held.
 *
 * Arenas are sized by running the same code with arenas that only measure. */
#ifndef WKV_TRAIN_WORK_H
#define WKV_TRAIN_WORK_H

#include "arch/arch.h"
#include "train/window.h"

typedef struct wkv_work_opts {
    int B, T;
    int per_row; /* sequences that a row may hold */
    bool carry;  /* rows keep their states from window to window */
    int windows; /* of a step; 1 unless carry */
} wkv_work_opts;

typedef struct wkv_work {
    const wkv_dev *dev;
    const wkv_config *cfg;
    const wkv_weights *weights;
    wkv_work_opts o;
    wkv_arena scratch, tape;
    wkv_window *window; /* [windows]: what the next step is about; validation uses the first */
    double *loss;       /* (B, T): of each token of the window last passed; 0 where masked */
    real **state;       /* [B per_row]: a state for each sequence of a window */
    real **dstate;      /* the same, their gradients; where windows > 1 or the start is trained */
    real *kept;         /* carry: (windows + 2, B) states: before each window of the step,
                           after the last, and those of validation */
    real *dkept;        /* (B) gradients of the states between two windows; windows > 1 */
    void *saved;        /* the architecture's records for its backward pass */
    size_t saved_bytes;
    uint64_t bytes; /* of everything here */
} wkv_work;

/* dev, cfg and weights are borrowed.  Zero *w before; deinit in any case. */
wkv_status wkv_work_init(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, const wkv_work_opts *o, wkv_error *err);
void wkv_work_deinit(wkv_work *w);

/* Forward and backward over all windows; gradients are added to the weights'.  *loss is the
 * mean over the targets that are learnt, 0 when there are none.  E_MEMORY when the windows'
 * sequences need more than was foreseen and it is not to be had. */
wkv_status wkv_work_train(wkv_work *w, double *loss, wkv_error *err);

/* What the rows keep is what the windows left; without this a step leaves no trace. */
void wkv_work_commit(wkv_work *w);

/* Forward over the first window alone, in the rows of validation.  *sum of the losses. */
wkv_status wkv_work_eval(wkv_work *w, double *sum, wkv_error *err);

/* The loss of sequence i of the window last passed, summed in its own order: it depends on
 * nothing but the sequence, its first state and the weights. */
double wkv_work_sequence_loss(const wkv_work *w, const wkv_window *window, int i);

/* The states that the rows keep: (B, state_size); NULL without carry. */
static inline real *wkv_work_kept(const wkv_work *w)
{
    return w->kept;
}

#endif
