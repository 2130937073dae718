/* train/work.h - the memory in which passes over windows work, and the passes.
 *
 * A step trains on one window, or, where the state is carried and gradients are to flow
 * through several, on that many in a row: they run forward one after the other, which
 * leaves the states between them, and then from the last to the first forward again and
 * backward, each handing the gradient of its first states to the one before.  So the
 * activations of one window are all that is ever held.
 *
 * A window may be taken in pieces, some rows at a time, for less memory: rows know nothing of
 * each other.  The gradients of pieces are added up.
 *
 * Arenas are sized by running the same code with arenas that only measure. */
#ifndef WKV_TRAIN_WORK_H
#define WKV_TRAIN_WORK_H

#include "arch/arch.h"
#include "train/window.h"

typedef struct wkv_work_opts {
    int B, T;
    int piece;      /* rows that pass at a time, 1 to B */
    int per_row;    /* sequences that a row may hold */
    bool carry;     /* rows keep their states from window to window */
    int windows;    /* of a step; 1 unless carry */
    bool validates; /* there will be passes without gradients, too */
    wkv_recompute recompute;
    bool bf16; /* activations wait for their backward pass as bf16; nothing with recompute FULL,
                  where only the inputs of layers do */
} wkv_work_opts;

typedef struct wkv_work {
    const wkv_dev *dev;
    const wkv_config *cfg;
    const wkv_weights *weights;
    wkv_work_opts o;
    wkv_arena scratch, tape, wide; /* as in wkv_pass */
    wkv_window *window; /* [windows]: what the next step is about; validation uses the first */
    int32_t *start;     /* wkv_window.start of the piece that passes */
    int first;          /* its first row */
    double *loss;       /* (B, T): of each token of the window last passed; 0 where masked */
    double *sum;        /* [windows]: their losses */
    real **state;       /* [piece per_row]: a state for each sequence of a piece */
    real **dstate;      /* the same, their gradients; where windows > 1 or the start is trained */
    real *kept;         /* carry: (windows + 2, B) states: before each window of the step,
                           after the last, and those of validation */
    real *dkept;        /* (B) gradients of the states between two windows; windows > 1 */
    void *saved;        /* the architecture's records for its backward pass */
    size_t saved_bytes;
    uint64_t scratch_bytes, tape_bytes, wide_bytes; /* what the arenas take */
    uint64_t other_bytes;                           /* and all else here */
} wkv_work;

/* Finds what is needed, and allocates all but the arenas, which are most of it.  dev, cfg and
 * weights are borrowed; weights need no values yet.  Zero *w before; deinit in any case. */
wkv_status wkv_work_plan(wkv_work *w, const wkv_dev *dev, const wkv_config *cfg,
                         const wkv_weights *weights, const wkv_work_opts *o, wkv_error *err);
/* Then the arenas. */
wkv_status wkv_work_allocate(wkv_work *w, wkv_error *err);
void wkv_work_deinit(wkv_work *w);

/* Forward and backward over all windows; gradients are added to the weights'.  *loss is the
 * mean over the targets that are learnt, 0 when there are none.  E_MEMORY when the windows'
 * sequences need more than was foreseen and it is not to be had. */
wkv_status wkv_work_train(wkv_work *w, double *loss, wkv_error *err);

/* What the rows keep is what the windows left; without this a step leaves no trace. */
void wkv_work_commit(wkv_work *w);

/* Forward over the first window alone, in the rows of validation.  *sum of the losses. */
wkv_status wkv_work_eval(wkv_work *w, double *sum, wkv_error *err);

/* The states that the rows keep: (B, state_size); NULL without carry. */
static inline real *wkv_work_kept(const wkv_work *w)
{
    return w->kept;
}

#endif
