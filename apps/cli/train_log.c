/* apps/cli/train_log.c - see train_log.h. */
#include "cli/train_log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json_out.h"
#include "common/metrics.h"
#include "common/term.h"

static void without_events(wkv_train_log *l, const wkv_error *err)
{
    wkv_term_error("train", "%s; going on without events for TensorBoard", err->text);
    wkv_events_close(&l->events);
}

bool wkv_train_log_open(wkv_train_log *l, const char *folder, const char *path, int64_t step)
{
    char why[WKV_WHY_MAX];
    wkv_error err;
    *l = (wkv_train_log){.path = path};
    l->metrics = wkv_metrics_append(path, step, &l->seconds, why);
    if (l->metrics == NULL) {
        wkv_term_error("train", "%s", why);
        return false;
    }
    if (wkv_events_open(&l->events, folder, step + 1, &err) != WKV_OK)
        without_events(l, &err);
    return true;
}

void wkv_train_log_close(wkv_train_log *l)
{
    if (l->metrics != NULL)
        fclose(l->metrics);
    wkv_events_close(&l->events);
    *l = (wkv_train_log){0};
}

const char *wkv_train_log_skip(wkv_skip why)
{
    static const char *const names[] = {
        [WKV_SKIP_NONE] = "",
        [WKV_SKIP_NUMERIC] = "not finite",
        [WKV_SKIP_LOSS] = "loss",
        [WKV_SKIP_NORM] = "gradient norm",
    };
    return names[why];
}

static bool fail(const wkv_train_log *l, const char *what)
{
    wkv_term_error("train", "%s: %s: %s", l->path, what, strerror(errno));
    return false;
}

/* What is no number is left out: lines say then that there was no validation. */
static void write_validation(wkv_json *j, const wkv_validation *held)
{
    if (isfinite(held->loss))
        wkv_json_number(j, "val_loss", held->loss, 0);
    if (isfinite(held->bits_per_byte))
        wkv_json_number(j, "val_bits_per_byte", held->bits_per_byte, 0);
}

static bool write_line(wkv_train_log *l, const wkv_train_line *line)
{
    const wkv_step *s = &line->step;
    wkv_json j;
    wkv_json_init(&j, l->metrics);
    wkv_json_open(&j, NULL, '{');
    wkv_json_int(&j, "step", s->step);
    wkv_json_number(&j, "loss", s->loss, 0);
    wkv_json_number(&j, "lr", s->lr, 0);
    wkv_json_number(&j, "grad_norm", s->grad_norm, 0);
    wkv_json_uint(&j, "tokens", s->tokens);
    wkv_json_number(&j, "flops", (double)s->tokens * line->flops_per_token, 6);
    wkv_json_number(&j, "seconds", l->seconds, 6);
    wkv_json_number(&j, "tokens_per_s", line->tokens_per_s, 6);
    if (line->held != NULL)
        write_validation(&j, line->held);
    if (s->skipped != WKV_SKIP_NONE) {
        wkv_json_string(&j, "skipped", wkv_train_log_skip(s->skipped));
        wkv_json_number(&j, "limit", s->limit, 0);
    }
    wkv_json_close(&j, '}');
    return fflush(l->metrics) == 0 && !ferror(l->metrics);
}

typedef struct scalar {
    const char *tag;
    double value; /* NaN: none */
} scalar;

static void write_events(wkv_train_log *l, int64_t step, const scalar *scalars, size_t n)
{
    wkv_error err;
    wkv_status status = WKV_OK;
    if (l->events == NULL)
        return;
    for (size_t i = 0; i < n && status == WKV_OK; i++)
        if (!isnan(scalars[i].value))
            status = wkv_events_scalar(l->events, scalars[i].tag, step, scalars[i].value, &err);
    if (status == WKV_OK)
        status = wkv_events_flush(l->events, &err);
    if (status != WKV_OK)
        without_events(l, &err);
}

static void write_validation_events(wkv_train_log *l, int64_t step, const wkv_validation *held)
{
    const scalar scalars[] = {
        {"loss/validation", held->loss},
        {"loss/validation_bits_per_byte", held->bits_per_byte},
    };
    write_events(l, step, scalars, sizeof scalars / sizeof *scalars);
}

bool wkv_train_log_step(wkv_train_log *l, const wkv_train_line *line)
{
    const wkv_step *s = &line->step;
    const bool taken = s->skipped == WKV_SKIP_NONE;
    const scalar scalars[] = {
        {"loss/train", taken ? s->loss : (double)NAN},
        {"optimiser/learning_rate", s->lr},
        {"optimiser/gradient_norm", taken ? s->grad_norm : (double)NAN},
        {"speed/tokens_per_second", line->tokens_per_s},
        {"progress/tokens", (double)s->tokens},
    };
    l->seconds += s->seconds;
    if (!write_line(l, line))
        return fail(l, "cannot write");
    write_events(l, s->step, scalars, sizeof scalars / sizeof *scalars);
    if (line->held != NULL)
        write_validation_events(l, s->step, line->held);
    return true;
}

/* ---- a validation that comes later ---------------------------------------------------------- */

bool wkv_train_log_is_validated(const wkv_train_log *l, int64_t step)
{
    char why[WKV_WHY_MAX];
    wkv_metrics m;
    if (!wkv_metrics_read(&m, l->path, why) || m.n == 0)
        return true; /* there is no line that it could be added to */
    const bool is_last = m.column[WKV_METRIC_STEP][m.n - 1] == (double)step;
    const bool has_none = isnan(m.column[WKV_METRIC_VAL_LOSS][m.n - 1]);
    wkv_metrics_free(&m);
    return !is_last || !has_none;
}

/* A line of JSON with the validation alone, or NULL. */
static char *format_validation(const wkv_validation *held)
{
    char *line = NULL;
    size_t n;
    wkv_json j;
    FILE *f = open_memstream(&line, &n);
    if (f == NULL)
        return NULL;
    wkv_json_init(&j, f);
    wkv_json_open(&j, NULL, '{');
    write_validation(&j, held);
    wkv_json_close(&j, '}');
    if (fclose(f) == 0)
        return line;
    free(line);
    return NULL;
}

/* The n bytes of metrics, the validation in the last line; *size bytes, or NULL. */
static char *with_validation(const char *data, size_t n, const wkv_validation *held, size_t *size)
{
    char *line = format_validation(held);
    char *text = line != NULL ? malloc(n + strlen(line) + 1) : NULL;
    if (text != NULL) {
        memcpy(text, data, n);
        text[n - 2] = ','; /* for "}\n" */
        text[n - 1] = ' ';
        strcpy(text + n, line + 1); /* without "{" */
        *size = n + strlen(line + 1);
    }
    free(line);
    return text;
}

bool wkv_train_log_validation(wkv_train_log *l, int64_t step, const wkv_validation *held)
{
    char why[WKV_WHY_MAX], *data;
    size_t n, size = 0;
    write_validation_events(l, step, held);
    if (!isfinite(held->loss))
        return true;
    if (!wkv_files_read(l->path, &data, &n, why)) {
        wkv_term_error("train", "%s", why);
        return false;
    }
    char *text = with_validation(data, n, held, &size);
    bool ok = text != NULL && wkv_files_replace(l->path, text, size, why);
    if (!ok)
        wkv_term_error("train", "%s", text == NULL ? "out of memory for the metrics" : why);
    free(text);
    free(data);
    if (!ok)
        return false;
    FILE *metrics = freopen(l->path, "ab", l->metrics);
    l->metrics = metrics;
    return metrics != NULL || fail(l, "cannot open");
}

bool wkv_train_log_sync(wkv_train_log *l)
{
    if (fsync(fileno(l->metrics)) == 0)
        return true;
    return fail(l, "cannot sync");
}
