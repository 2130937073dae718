/* apps/cli/curves.c - see curves.h. */
#include "cli/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct wkv_curve_run {
    wkv_metrics metrics;
    bool borrowed;             /* they are not ours to free */
    double *smooth;            /* the y column, smoothed */
    char name[128], held[160]; /* for the legend */
};

void wkv_smooth(double *mean, double value, int64_t n, int over)
{
    /* At the beginning a loss falls fast: what is new counts more than what was. */
    double weight = fmax(2.0 / (double)(n + 1), 1.0 / over);
    *mean = n <= 1 ? value : *mean + weight * (value - *mean);
}

static wkv_metric metric_of(const char *name)
{
    int m = 0;
    while (m < WKV_METRIC_COUNT - 1 && strcmp(wkv_metric_name((wkv_metric)m), name) != 0)
        m++;
    return (wkv_metric)m;
}

/* The last two parts of the path say best which run this is. */
static void name_run(wkv_curve_run *r, const char *path)
{
    size_t end = strlen(path);
    static const char file[] = "/metrics.jsonl";
    if (end > sizeof file && strcmp(path + end - (sizeof file - 1), file) == 0)
        end -= sizeof file - 1;
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    for (int slashes = 0; begin > 0; begin--)
        if (path[begin - 1] == '/' && ++slashes == 2)
            break;
    snprintf(r->name, sizeof r->name, "%.*s", (int)(end - begin), path + begin);
    snprintf(r->held, sizeof r->held, "%s, validation", r->name);
}

static bool read_run(wkv_curve_run *r, const char *path, char why[WKV_WHY_MAX])
{
    struct stat st;
    char file[WKV_PATH_MAX];
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    const char *name = folder ? wkv_files_join(file, path, "metrics.jsonl") : path;
    if (!wkv_metrics_read(&r->metrics, name, why))
        return false;
    wkv_metrics_warn(&r->metrics, "plot", name);
    return true;
}

static bool smooth_run(wkv_curve_run *r, const char *path, const wkv_curves_opts *o,
                       char why[WKV_WHY_MAX])
{
    name_run(r, path);
    r->smooth = malloc((r->metrics.n + 1) * sizeof *r->smooth);
    if (r->smooth == NULL) {
        snprintf(why, WKV_WHY_MAX, "%s: out of memory", path);
        return false;
    }
    const double *y = r->metrics.column[metric_of(o->y)];
    double mean = 0;
    int64_t seen = 0;
    for (size_t i = 0; i < r->metrics.n; i++) {
        if (isfinite(y[i]))
            wkv_smooth(&mean, y[i], ++seen, o->smooth);
        r->smooth[i] = isfinite(y[i]) ? mean : (double)NAN;
    }
    return true;
}

/* The noise, the line through it, and the validation losses. */
static void add_series(wkv_curves *c, const wkv_curve_run *r, int colour, const wkv_curves_opts *o)
{
    const double *x = r->metrics.column[metric_of(o->x)];
    wkv_metric y = metric_of(o->y);
    bool held_out = y == WKV_METRIC_VAL_LOSS || y == WKV_METRIC_VAL_BPB;
    wkv_chart_series s = {.x = x, .n = r->metrics.n, .colour = colour};
    if (!held_out && o->smooth > 1) {
        s.form = WKV_CHART_FAINT;
        s.y = r->metrics.column[y];
        c->series[c->n++] = s;
    }
    s.form = held_out ? WKV_CHART_MARKS : WKV_CHART_LINE;
    s.y = held_out ? r->metrics.column[y] : r->smooth;
    s.name = r->name;
    c->series[c->n++] = s;
    if (y != WKV_METRIC_LOSS)
        return;
    s.form = WKV_CHART_MARKS;
    s.y = r->metrics.column[WKV_METRIC_VAL_LOSS];
    bool any = false;
    for (size_t i = 0; i < s.n; i++)
        any = any || isfinite(s.y[i]);
    s.name = r->held;
    if (any)
        c->series[c->n++] = s;
}

static bool allocate(wkv_curves *c, size_t n, char why[WKV_WHY_MAX])
{
    *c = (wkv_curves){
        .series = calloc(n, 3 * sizeof *c->series),
        .runs = calloc(n, sizeof *c->runs),
    };
    if (c->series != NULL && c->runs != NULL)
        return true;
    snprintf(why, WKV_WHY_MAX, "out of memory");
    wkv_curves_free(c);
    return false;
}

bool wkv_curves_read(wkv_curves *c, const char *const *runs, size_t n, const wkv_curves_opts *o,
                     char why[WKV_WHY_MAX])
{
    bool ok = allocate(c, n, why);
    for (size_t i = 0; ok && i < n; i++) {
        wkv_curve_run *r = &c->runs[c->n_runs++];
        ok = read_run(r, runs[i], why) && smooth_run(r, runs[i], o, why);
        if (ok)
            add_series(c, r, (int)i, o);
    }
    if (!ok)
        wkv_curves_free(c);
    return ok;
}

bool wkv_curves_of(wkv_curves *c, const wkv_metrics *m, const char *name, const wkv_curves_opts *o,
                   char why[WKV_WHY_MAX])
{
    if (!allocate(c, 1, why))
        return false;
    c->n_runs = 1;
    c->runs[0] = (wkv_curve_run){.metrics = *m, .borrowed = true};
    if (!smooth_run(&c->runs[0], name, o, why)) {
        wkv_curves_free(c);
        return false;
    }
    add_series(c, &c->runs[0], 0, o);
    return true;
}

bool wkv_curves_any(const wkv_curves *c)
{
    for (size_t k = 0; k < c->n; k++)
        for (size_t i = 0; i < c->series[k].n; i++)
            if (isfinite(c->series[k].x[i]) && isfinite(c->series[k].y[i]))
                return true;
    return false;
}

void wkv_curves_free(wkv_curves *c)
{
    for (size_t i = 0; i < c->n_runs; i++) {
        if (!c->runs[i].borrowed)
            wkv_metrics_free(&c->runs[i].metrics);
        free(c->runs[i].smooth);
    }
    free(c->runs);
    free(c->series);
    *c = (wkv_curves){0};
}
