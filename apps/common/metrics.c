/* apps/common/metrics.c - see metrics.h. */
#include "common/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[WKV_METRIC_COUNT] = {
#define X(id, name) name,
    WKV_METRICS(X)
#undef X
};

const char *wkv_metric_name(wkv_metric m)
{
    return names[m];
}

/* ---- reading ----------------------------------------------------------------------------- */

static void add_line(wkv_metrics *m, const json_t *line)
{
    bool skipped = json_object_get(line, "skipped") != NULL;
    for (int k = 0; k < WKV_METRIC_COUNT; k++) {
        const json_t *v = json_object_get(line, names[k]);
        bool none = skipped && (k == WKV_METRIC_LOSS || k == WKV_METRIC_GRAD_NORM);
        m->column[k][m->n] = json_is_number(v) && !none ? json_number_value(v) : (double)NAN;
    }
    m->n++;
}

/* Adds every whole line that holds an object with a step, up to the steps after `until`.  Returns
 * the length of those lines. */
static size_t add_lines(wkv_metrics *m, const char *data, size_t size, int64_t until)
{
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(data + at, '\n', size - at);
        if (end == NULL)
            break;
        json_error_t err;
        json_t *line = json_loadb(data + at, (size_t)(end - data) - at, 0, &err);
        const json_t *step = json_object_get(line, names[WKV_METRIC_STEP]);
        bool ours = json_is_integer(step) && json_integer_value(step) <= until;
        if (ours)
            add_line(m, line);
        json_decref(line);
        if (!ours)
            break;
        at = (size_t)(end - data) + 1;
    }
    return at;
}

bool wkv_metrics_parse(wkv_metrics *m, const char *data, size_t size, int64_t until, size_t *length)
{
    size_t lines = 1;
    *m = (wkv_metrics){.n = 0};
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    double *all = calloc(lines, WKV_METRIC_COUNT * sizeof *all);
    if (all == NULL)
        return false;
    for (size_t k = 0; k < WKV_METRIC_COUNT; k++)
        m->column[k] = all + k * lines;
    *length = add_lines(m, data, size, until);
    return true;
}

bool wkv_metrics_read(wkv_metrics *m, const char *path, char why[WKV_WHY_MAX])
{
    char *data;
    size_t n, length;
    *m = (wkv_metrics){.n = 0};
    if (!wkv_files_read(path, &data, &n, why))
        return false;
    bool ok = wkv_metrics_parse(m, data, n, INT64_MAX, &length);
    if (!ok)
        snprintf(why, WKV_WHY_MAX, "%s: out of memory", path);
    free(data);
    return ok;
}

void wkv_metrics_free(wkv_metrics *m)
{
    free(m->column[0]);
    *m = (wkv_metrics){0};
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Cuts the file back to `step`; *seconds: those of its last line, if there are any. */
static bool cut_back(const char *path, int64_t step, double *seconds, char why[WKV_WHY_MAX])
{
    char *data;
    size_t n, keep;
    wkv_metrics m;
    if (!wkv_files_read(path, &data, &n, why))
        return false;
    bool ok = wkv_metrics_parse(&m, data, n, step, &keep);
    if (!ok)
        snprintf(why, WKV_WHY_MAX, "%s: out of memory", path);
    else if (keep < n)
        ok = wkv_files_replace(path, data, keep, why);
    if (m.n > 0 && isfinite(m.column[WKV_METRIC_SECONDS][m.n - 1]))
        *seconds = m.column[WKV_METRIC_SECONDS][m.n - 1];
    wkv_metrics_free(&m);
    free(data);
    return ok;
}

FILE *wkv_metrics_append(const char *path, int64_t step, double *seconds, char why[WKV_WHY_MAX])
{
    *seconds = 0;
    if (access(path, F_OK) == 0 && !cut_back(path, step, seconds, why))
        return NULL;
    FILE *f = fopen(path, "ab");
    if (f == NULL)
        snprintf(why, WKV_WHY_MAX, "%s: cannot open: %s", path, strerror(errno));
    return f;
}
