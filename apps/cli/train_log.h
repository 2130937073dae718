/* apps/cli/train_log.h - what a training run writes down of its steps, in its folder:
 * metrics.jsonl, a line of JSON a step, and the same for TensorBoard. */
#ifndef WKV_APPS_TRAIN_LOG_H
#define WKV_APPS_TRAIN_LOG_H

#include <stdbool.h>
#include <stdio.h>
#include <wkv/wkv.h>

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
    const wkv_validation *held; /* after this step, or NULL */
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
/* Whether the last line, that of `step`, has a validation, or none is to be had. */
bool wkv_train_log_is_validated(const wkv_train_log *l, int64_t step);
/* Adds one to it, in one move.  False after a message. */
bool wkv_train_log_validation(wkv_train_log *l, int64_t step, const wkv_validation *held);
/* Puts what was written onto the disk. */
bool wkv_train_log_sync(wkv_train_log *l);

#endif
