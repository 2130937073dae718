/* apps/cli/train_view.h - what a person sees of a training run: the live line, the
 * validation losses, the curve, the summary. */
#ifndef WKV_APPS_TRAIN_VIEW_H
#define WKV_APPS_TRAIN_VIEW_H

#include "cli/train_dir.h"
#include "cli/train_log.h"
#include "cli/train_watch.h"

typedef struct wkv_train_view {
    const wkv_trainer *trainer;
    wkv_trainer_info info;
    wkv_train_watch *watch; /* borrowed, or NULL */
    double peak;            /* floating point operations per second that this machine reaches */
    double start;           /* time */
    int64_t first;          /* steps done before this call */
    int64_t taken;          /* steps that were not skipped, by this call */
    double loss;            /* smoothed */
    double rate;            /* tokens per second, smoothed */
    bool validated;
    double val_loss; /* the last measured */
} wkv_train_view;

/* Measures the machine for a moment and says what is going to be trained.  The live line goes to
 * watch, where there is one, too. */
void wkv_train_view_begin(wkv_train_view *v, const wkv_trainer *t, wkv_train_watch *watch);

/* The live line, replaced on a terminal; elsewhere a line of its own now and then.  Skipped steps
 * and validations are always said. */
void wkv_train_view_step(wkv_train_view *v, const wkv_train_line *line);

/* What the held-out data say of the model after the step. */
void wkv_train_view_validation(wkv_train_view *v, int64_t step, const wkv_validation *held);

/* The summary on stdout, after the curve when `plot`. */
void wkv_train_view_end(wkv_train_view *v, const wkv_train_dir *d, const wkv_step *last, bool plot);

#endif
