/* apps/cli/train_log.h - what a training run writes down of its steps, in its folder:
 * metrics.jsonl, a line of JSON a step, and the same for TensorBoard. */
#ifndef WKV_APPS_TRAIN_LOG_H
#define WKV_APPS_TRAIN_LOG_H

#include <stdbool.h>
#include <stdio.h>
#include <wkv/wkv.h>

#include "common/files.h"

typedef struct wkv_train_log {
    const char *path; /* of metrics.jsonl; borrowed */
    FILE *metrics;
    wkv_events *events; /* NULL when it cannot be written: training goes on without */
    double seconds;     /* spent in steps, by the whole run so far */
} wkv_train_log;

/* What is written of a step. */
typedef struct wkv_train_line {
    wkv_step step;
    double tokens_per_s;    /* of this step */
    double flops_per_token; /* forward and backward */
    bool validated;         /* after this step; else both are NaN: */
    double val_loss;        /* NaN also when the model is none any more */
    double val_bpb;         /* the same in bits per byte; NaN also when it is not known */
} wkv_train_line;

/* Opens the folder's metrics (at `path`) for appending, after cutting off, in one move,
 * whatever comes after `step`: lines of steps that will be done again, and a line that was
 * cut short.  False after a message. */
bool wkv_train_log_open(wkv_train_log *l, const char *folder, const char *path, int64_t step);
void wkv_train_log_close(wkv_train_log *l);

/* What a skipped step was skipped for, in words. */
const char *wkv_train_log_skip(wkv_skip why);

/* False after a message. */
bool wkv_train_log_step(wkv_train_log *l, const wkv_train_line *line);
/* Puts what was written onto the disk. */
bool wkv_train_log_sync(wkv_train_log *l);

#endif
