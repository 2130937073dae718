/* apps/cli/train_watch.c - see train_watch.h.
 *
 * What the server's thread shares with training is the live line; the curves it reads from
 * metrics.jsonl, as far as they have come since the last time. */
#include "cli/train_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/curves.h"
#include "common/http.h"
#include "common/metrics_tail.h"
#include "common/term.h"
#include "watch_page.h"

enum { LINE = 256 };

struct wkv_train_watch {
    wkv_http *http;
    const wkv_train_dir *dir; /* borrowed */
    atomic_bool begun;        /* tail is open, and the server's thread's alone */
    wkv_metrics_tail tail;
    pthread_mutex_t lock; /* of line */
    char line[LINE];
};

/* ---- answers ------------------------------------------------------------------------------- */

/* Text with a length; an answer is the caller's. */
static void reply_with(wkv_http_reply *r, const char *type, const char *text, size_t n)
{
    r->body = malloc(n + 1);
    r->status = r->body != NULL ? 200 : 500;
    if (r->body == NULL)
        return;
    memcpy(r->body, text, n);
    r->type = type;
    r->n = n;
}

static void reply_line(wkv_train_watch *w, wkv_http_reply *r)
{
    char line[LINE];
    pthread_mutex_lock(&w->lock);
    memcpy(line, w->line, sizeof line);
    pthread_mutex_unlock(&w->lock);
    reply_with(r, "text/plain; charset=utf-8", line, strlen(line));
}

/* The column that a parameter names, `otherwise` where there is none; NULL: no such column. */
static const char *column(const char *query, const char *name, const char *otherwise)
{
    char value[32];
    if (!wkv_http_param(query, name, value, sizeof value))
        return otherwise;
    for (int m = 0; m < WKV_METRIC_COUNT; m++)
        if (strcmp(wkv_metric_name((wkv_metric)m), value) == 0)
            return wkv_metric_name((wkv_metric)m);
    return NULL;
}

static bool is_set(const char *query, const char *name)
{
    char value[2];
    return wkv_http_param(query, name, value, sizeof value) && strcmp(value, "1") == 0;
}

static void draw(const wkv_curves *c, const wkv_curves_opts *o, const char *query,
                 wkv_http_reply *r)
{
    const wkv_chart chart = {
        .title = o->y,
        .x_label = o->x,
        .y_label = o->y,
        .log_x = is_set(query, "log_x"),
        .log_y = is_set(query, "log_y"),
        .series = c->series,
        .n = c->n,
    };
    FILE *f = open_memstream(&r->body, &r->n);
    r->status = 500;
    if (f == NULL)
        return;
    wkv_chart_svg(f, &chart);
    bool ok = !ferror(f);
    if (fclose(f) == 0 && ok) {
        r->status = 200;
        r->type = "image/svg+xml";
    }
}

static void reply_curves(wkv_train_watch *w, const char *query, wkv_http_reply *r)
{
    char why[WKV_WHY_MAX];
    wkv_curves curves;
    static const wkv_metrics none = {.n = 0};
    const bool begun = atomic_load(&w->begun);
    if (begun)
        wkv_metrics_tail_more(&w->tail);
    int64_t smooth = begun ? WKV_CURVES_SMOOTH / w->tail.lines : 1;
    const wkv_curves_opts o = {
        .x = column(query, "x", wkv_metric_name(WKV_METRIC_STEP)),
        .y = column(query, "y", wkv_metric_name(WKV_METRIC_LOSS)),
        .smooth = smooth > 1 ? (int)smooth : 1,
    };
    r->status = 400;
    if (o.x == NULL || o.y == NULL)
        return;
    r->status = 500;
    if (!wkv_curves_of(&curves, begun ? &w->tail.m : &none, w->dir->path, &o, why))
        return;
    draw(&curves, &o, query, r);
    wkv_curves_free(&curves);
}

static void answer(void *user, const char *path, const char *query, wkv_http_reply *r)
{
    wkv_train_watch *w = user;
    if (strcmp(path, "/") == 0)
        reply_with(r, "text/html; charset=utf-8", watch_page, sizeof watch_page - 1);
    else if (strcmp(path, "/line.txt") == 0)
        reply_line(w, r);
    else if (strcmp(path, "/curves.svg") == 0)
        reply_curves(w, query, r);
}

/* ---- life ---------------------------------------------------------------------------------- */

bool wkv_train_watch_open(wkv_train_watch **out, const wkv_train_dir *d, int port)
{
    char why[WKV_WHY_MAX] = "out of memory for a page to watch";
    wkv_train_watch *w = calloc(1, sizeof *w);
    *out = w;
    if (w != NULL) {
        w->dir = d;
        pthread_mutex_init(&w->lock, NULL);
        if (wkv_http_open(&w->http, port, answer, w, why))
            return true;
    }
    wkv_term_error("train", "--watch: %s", why);
    wkv_train_watch_close(out);
    return false;
}

bool wkv_train_watch_begin(wkv_train_watch *w)
{
    char why[WKV_WHY_MAX];
    if (w == NULL)
        return true;
    if (!wkv_metrics_tail_open(&w->tail, w->dir->metrics, why)) {
        wkv_term_error("train", "--watch: %s", why);
        return false;
    }
    atomic_store(&w->begun, true);
    fprintf(stderr, "watch it on http://127.0.0.1:%d/\n", wkv_http_port(w->http));
    return true;
}

void wkv_train_watch_line(wkv_train_watch *w, const char *text)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    snprintf(w->line, sizeof w->line, "%s", text);
    pthread_mutex_unlock(&w->lock);
}

void wkv_train_watch_close(wkv_train_watch **pw)
{
    wkv_train_watch *w = *pw;
    *pw = NULL;
    if (w == NULL)
        return;
    wkv_http_close(&w->http);
    wkv_metrics_tail_close(&w->tail);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
