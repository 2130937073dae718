/* apps/cli/train_run.h - one call of `wkv train`: from where the run stands to its end, or to the
 * signal that stops it. */
#ifndef WKV_APPS_TRAIN_RUN_H
#define WKV_APPS_TRAIN_RUN_H

#include "cli/train_data.h"
#include "cli/train_dir.h"
#include "cli/train_sample.h"
#include "cli/train_tune.h"

/* What the command line, or the folder of the run that is resumed, says. */
typedef struct wkv_train_options {
    wkv_train_opts t;
    const char *preset, *order, *out, *recompute, *activations, *memory_limit;
    int64_t save_every, val_every, sample_every, keep, keep_every;
    bool resume, plot, pack, carry;
    int32_t watch; /* port, or 0 */
    wkv_train_tune tune;
    wkv_arg_list data;
    wkv_train_sample_opts sample;
    wkv_train_data sources;
    /* Paths in absolute form, so that a run can be resumed from anywhere. */
    char val[WKV_PATH_MAX], vocab[WKV_PATH_MAX], init[WKV_PATH_MAX], prompts[WKV_PATH_MAX];
    int argc;    /* the command line as it was typed, behind "wkv train" */
    char **argv; /* borrowed */
} wkv_train_options;

/* Trains in the folder, until all steps are done or a signal comes.  An exit status. */
int wkv_train_run(const wkv_train_options *o, wkv_train_dir *d);

#endif
