/* apps/common/metrics.h - metrics.jsonl, what a training run wrote down: a line of JSON a
 * step, read back as columns of numbers. */
#ifndef WKV_APPS_METRICS_H
#define WKV_APPS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/files.h"

/* The columns, under the names that they have in the file. */
#define WKV_METRICS(X) \
    X(STEP, "step")                 /* optimiser steps done */ \
    X(TOKENS, "tokens")             /* learnt from in all */ \
    X(SECONDS, "seconds")           /* spent in steps in all */ \
    X(FLOPS, "flops")               /* floating point operations in all */ \
    X(LOSS, "loss")                 /* nats per token of this step's batch */ \
    X(LR, "lr")                     /* learning rate */ \
    X(GRAD_NORM, "grad_norm")       /* before clipping */ \
    X(RATE, "tokens_per_s")         /* of this step */ \
    X(VAL_LOSS, "val_loss")         /* nats per held-out token */ \
    X(VAL_BPB, "val_bits_per_byte") /* the same in bits per byte of text */

typedef enum wkv_metric {
#define X(id, name) WKV_METRIC_##id,
    WKV_METRICS(X)
#undef X
        WKV_METRIC_COUNT
} wkv_metric;

const char *wkv_metric_name(wkv_metric m);

/* n lines; what a line lacks is NaN, and so are loss and gradient norm of a step that was
 * skipped: they are none of the run's.  Release with wkv_metrics_free. */
typedef struct wkv_metrics {
    double *column[WKV_METRIC_COUNT];
    size_t n;
    size_t bad;       /* lines skipped, which are no objects with a step */
    size_t first_bad; /* number of the first of them */
} wkv_metrics;

/* Reads the whole lines: a run that was killed may have left half of one at the end.  False after
 * putting the reason into why, also when there are lines but no good one; m is then empty. */
bool wkv_metrics_read(wkv_metrics *m, const char *path, char why[WKV_WHY_MAX]);
/* The same of `size` bytes of such a file, up to the lines of steps after `until`; *length: of what
 * is not after that step.  False when out of memory. */
bool wkv_metrics_parse(wkv_metrics *m, const char *data, size_t size, int64_t until,
                       size_t *length);
/* Says on stderr which lines of the file were skipped, if any were. */
void wkv_metrics_warn(const wkv_metrics *m, const char *command, const char *path);
void wkv_metrics_free(wkv_metrics *m);

/* Opens any file of lines with steps for appending, after cutting off, in one move, whatever comes
 * after `step`: lines of steps that will be done again, and a line that was cut short.  Bad lines
 * before that stay, with a warning of `wkv train`, whose file it is.  *seconds:
 * what the last line that stays says of them, or 0.  NULL after putting the reason into why. */
FILE *wkv_metrics_append(const char *path, int64_t step, double *seconds, char why[WKV_WHY_MAX]);

#endif
