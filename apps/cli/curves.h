/* apps/cli/curves.h - the metrics of training runs as the series of a chart. */
#ifndef WKV_APPS_CURVES_H
#define WKV_APPS_CURVES_H

#include "common/chart.h"
#include "common/metrics.h"

/* Losses of single batches are noise: by default the mean over about this many is shown. */
enum { WKV_CURVES_SMOOTH = 32 };

typedef struct wkv_curves_opts {
    const char *x, *y; /* names of columns (metrics.h); y "loss" brings "val_loss" with it */
    int smooth;        /* steps in a mean, 1: none */
} wkv_curves_opts;

typedef struct wkv_curve_run wkv_curve_run;

/* Series of all runs, in their order: up to three each, of one colour. */
typedef struct wkv_curves {
    wkv_chart_series *series;
    size_t n;
    wkv_curve_run *runs;
    size_t n_runs;
} wkv_curves;

/* Reads the runs, each the folder of one or its metrics.jsonl.  False after putting the
 * reason into why; c is then empty.  Release with wkv_curves_free. */
bool wkv_curves_read(wkv_curves *c, const char *const *runs, size_t n, const wkv_curves_opts *o,
                     char why[WKV_WHY_MAX]);
/* The same of what has been read already, which must outlive c. */
bool wkv_curves_of(wkv_curves *c, const wkv_metrics *m, const char *name, const wkv_curves_opts *o,
                   char why[WKV_WHY_MAX]);
void wkv_curves_free(wkv_curves *c);

/* True when there is a point to draw. */
bool wkv_curves_any(const wkv_curves *c);

/* mean becomes the mean of about the last `over` values, value the n-th, from 1. */
void wkv_smooth(double *mean, double value, int64_t n, int over);

#endif
