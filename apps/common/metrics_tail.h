/* apps/common/metrics_tail.h - metrics.jsonl while it is written: what was appended is read, what
 * is known is not read again, and memory does not grow with the run. */
#ifndef WKV_APPS_METRICS_TAIL_H
#define WKV_APPS_METRICS_TAIL_H

#include <stdio.h>

#include "common/metrics.h"

/* So many rows are held; when they are full, two become one: the mean of what they measured. */
enum { WKV_METRICS_TAIL_ROWS = 1 << 16 };

typedef struct wkv_metrics_tail {
    FILE *f;
    wkv_metrics m;   /* what is known */
    int64_t lines;   /* of a row: 1, 2, 4, ... */
    int64_t pending; /* lines in the row that is not full yet, which is row m.n */
    char *unread;    /* a piece of the file */
    size_t n_unread;
} wkv_metrics_tail;

/* False after putting the reason into why. */
bool wkv_metrics_tail_open(wkv_metrics_tail *t, const char *path, char why[WKV_WHY_MAX]);
/* Reads the whole lines that have come since. */
void wkv_metrics_tail_more(wkv_metrics_tail *t);
void wkv_metrics_tail_close(wkv_metrics_tail *t);

#endif
