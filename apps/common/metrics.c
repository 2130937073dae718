/* apps/common/metrics.c - see metrics.h. */
#include "common/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/term.h"

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

typedef enum line_kind { OURS, LATER, BAD } line_kind;

/* Adds a line of a step up to `until`. */
static line_kind take_line(wkv_metrics *m, const char *text, size_t n, int64_t until)
{
    json_error_t err;
    json_t *line = json_loadb(text, n, 0, &err);
    const json_t *step = json_object_get(line, names[WKV_METRIC_STEP]);
    line_kind kind = !json_is_integer(step)              ? BAD
                     : json_integer_value(step) <= until ? OURS
                                                         : LATER;
    if (kind == OURS)
        add_line(m, line);
    json_decref(line);
    return kind;
}

static void note_bad(wkv_metrics *m, size_t number)
{
    if (m->bad++ == 0)
        m->first_bad = number;
}

/* The whole lines up to the first of a step after `until`.  Returns how much of the file is not
 * after that step: a bad line is, when the step itself stands before it. */
static size_t add_lines(wkv_metrics *m, const char *data, size_t size, int64_t until)
{
    size_t at = 0, keep = 0, number = 1;
    const char *end;
    for (; (end = memchr(data + at, '\n', size - at)) != NULL; number++) {
        line_kind kind = take_line(m, data + at, (size_t)(end - data) - at, until);
        if (kind == LATER)
            return keep;
        at = (size_t)(end - data) + 1;
        const double *steps = m->column[WKV_METRIC_STEP];
        if (kind == BAD && (m->n > 0 ? steps[m->n - 1] : 0) >= (double)until)
            continue;
        if (kind == BAD)
            note_bad(m, number);
        keep = at;
    }
    /* A line that a crash cut short is nothing to speak of, but it begins as a line does. */
    if (at < size && m->n == 0 && data[at] != '{')
        note_bad(m, number);
    return keep;
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

static bool fail(char why[WKV_WHY_MAX], const char *path, const char *what)
{
    snprintf(why, WKV_WHY_MAX, "%s: %s", path, what);
    return false;
}

bool wkv_metrics_read(wkv_metrics *m, const char *path, char why[WKV_WHY_MAX])
{
    char *data;
    size_t n, length;
    *m = (wkv_metrics){.n = 0};
    if (!wkv_files_read(path, &data, &n, why))
        return false;
    bool ok = wkv_metrics_parse(m, data, n, INT64_MAX, &length) || fail(why, path, "out of memory");
    free(data);
    if (ok && m->n == 0 && m->bad > 0) {
        wkv_metrics_free(m);
        return fail(why, path, "line 1: expected a JSON object with a step");
    }
    return ok;
}

void wkv_metrics_warn(const wkv_metrics *m, const char *command, const char *path)
{
    char more[48] = "";
    if (m->bad == 0)
        return;
    if (m->bad > 1)
        snprintf(more, sizeof more, ", and %zu more like it", m->bad - 1);
    wkv_term_error(command, "%s: line %zu skipped%s: expected a JSON object with a step", path,
                   m->first_bad, more);
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
    bool ok = wkv_metrics_parse(&m, data, n, step, &keep) || fail(why, path, "out of memory");
    wkv_metrics_warn(&m, "train", path);
    if (ok && keep < n)
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
