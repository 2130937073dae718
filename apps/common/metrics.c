/* apps/common/metrics.c - see metrics.h. */
#include "common/metrics.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[WKV_METRIC_COUNT] = {
#define X(id, name) name,
    WKV_METRICS(X)
#undef X
};

const char *wkv_metric_name(wkv_metric m)
{
    return names[m];
}

/* Calls each with every whole line that holds an object with a step, until it returns
 * false.  Returns the length of the lines that it accepted. */
static size_t each_line(const char *data, size_t n,
                        bool (*each)(void *user, int64_t step, const json_t *line), void *user)
{
    size_t at = 0;
    while (at < n) {
        const char *end = memchr(data + at, '\n', n - at);
        if (end == NULL)
            break;
        json_error_t err;
        json_t *line = json_loadb(data + at, (size_t)(end - data) - at, 0, &err);
        const json_t *step = json_object_get(line, names[WKV_METRIC_STEP]);
        bool go_on = json_is_integer(step) && each(user, json_integer_value(step), line);
        json_decref(line);
        if (!go_on)
            break;
        at = (size_t)(end - data) + 1;
    }
    return at;
}

static bool not_after(void *user, int64_t step, const json_t *line)
{
    (void)line;
    return step <= *(const int64_t *)user;
}

size_t wkv_metrics_until(const char *data, size_t n, int64_t step)
{
    return each_line(data, n, not_after, &step);
}

static bool add_line(void *user, int64_t step, const json_t *line)
{
    wkv_metrics *m = user;
    (void)step;
    for (int k = 0; k < WKV_METRIC_COUNT; k++) {
        const json_t *v = json_object_get(line, names[k]);
        m->column[k][m->n] = json_is_number(v) ? json_number_value(v) : (double)NAN;
    }
    m->n++;
    return true;
}

bool wkv_metrics_read(wkv_metrics *m, const char *path, char why[WKV_WHY_MAX])
{
    char *data;
    size_t n, lines = 1;
    *m = (wkv_metrics){0};
    if (!wkv_files_read(path, &data, &n, why))
        return false;
    for (size_t i = 0; i < n; i++)
        lines += data[i] == '\n';
    double *all = calloc(lines, WKV_METRIC_COUNT * sizeof *all);
    if (all != NULL) {
        for (size_t k = 0; k < WKV_METRIC_COUNT; k++)
            m->column[k] = all + k * lines;
        each_line(data, n, add_line, m);
    } else {
        snprintf(why, WKV_WHY_MAX, "%s: out of memory", path);
    }
    free(data);
    return all != NULL;
}

void wkv_metrics_free(wkv_metrics *m)
{
    free(m->column[0]);
    *m = (wkv_metrics){0};
}
