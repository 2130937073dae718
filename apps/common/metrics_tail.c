/* apps/common/metrics_tail.c - see metrics_tail.h. */
#include "common/metrics_tail.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 16 /* bytes read at a time; no line is as long */ };

bool wkv_metrics_tail_open(wkv_metrics_tail *t, const char *path, char why[WKV_WHY_MAX])
{
    *t = (wkv_metrics_tail){.lines = 1, .unread = malloc(PIECE)};
    double *all = calloc(WKV_METRICS_TAIL_ROWS, WKV_METRIC_COUNT * sizeof *all);
    for (size_t k = 0; all != NULL && k < WKV_METRIC_COUNT; k++)
        t->m.column[k] = all + k * WKV_METRICS_TAIL_ROWS;
    errno = ENOMEM;
    t->f = all != NULL && t->unread != NULL ? fopen(path, "rb") : NULL;
    if (t->f != NULL)
        return true;
    snprintf(why, WKV_WHY_MAX, "%s: cannot open: %s", path, strerror(errno));
    wkv_metrics_tail_close(t);
    return false;
}

void wkv_metrics_tail_close(wkv_metrics_tail *t)
{
    if (t->f != NULL)
        fclose(t->f);
    free(t->unread);
    wkv_metrics_free(&t->m);
    *t = (wkv_metrics_tail){.f = NULL};
}

/* What grows from line to line is the last; what was measured, the mean. */
static double merge(int column, double a, double b, double weight)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? b : a;
    return column <= WKV_METRIC_FLOPS ? b : a + weight * (b - a);
}

/* Two rows become one. */
static void halve(wkv_metrics_tail *t)
{
    for (int k = 0; k < WKV_METRIC_COUNT; k++) {
        double *c = t->m.column[k];
        for (size_t i = 0; i < t->m.n / 2; i++)
            c[i] = merge(k, c[2 * i], c[2 * i + 1], 0.5);
    }
    t->m.n /= 2;
    t->lines *= 2;
}

/* Adds the one row of `line` to the row that is not full. */
static void add(wkv_metrics_tail *t, const wkv_metrics *line)
{
    if (t->m.n == WKV_METRICS_TAIL_ROWS)
        halve(t);
    t->pending++;
    for (int k = 0; k < WKV_METRIC_COUNT; k++) {
        double *v = &t->m.column[k][t->m.n], now = line->column[k][0];
        *v = t->pending == 1 ? now : merge(k, *v, now, 1 / (double)t->pending);
    }
    if (t->pending < t->lines)
        return;
    t->pending = 0;
    t->m.n++;
}

/* Takes the whole lines of what was read, and keeps the rest for later. */
static void take_lines(wkv_metrics_tail *t)
{
    size_t at = 0;
    for (;;) {
        const char *end = memchr(t->unread + at, '\n', t->n_unread - at);
        wkv_metrics line;
        size_t length;
        if (end == NULL)
            break;
        size_t n = (size_t)(end - t->unread) + 1 - at;
        if (wkv_metrics_parse(&line, t->unread + at, n, INT64_MAX, &length) && line.n == 1)
            add(t, &line);
        wkv_metrics_free(&line);
        at += n;
    }
    t->n_unread -= at;
    memmove(t->unread, t->unread + at, t->n_unread);
    if (t->n_unread == PIECE) /* no line of ours */
        t->n_unread = 0;
}

void wkv_metrics_tail_more(wkv_metrics_tail *t)
{
    size_t n;
    clearerr(t->f);
    while ((n = fread(t->unread + t->n_unread, 1, PIECE - t->n_unread, t->f)) > 0) {
        t->n_unread += n;
        take_lines(t);
    }
}
