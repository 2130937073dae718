/* apps/cli/train_log.c - see train_log.h. */
#include "cli/train_log.h"

#include <errno.h>
#include <math.h>
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
    if (isfinite(line->val_loss))
        wkv_json_number(&j, "val_loss", line->val_loss, 0);
    if (isfinite(line->val_bpb))
        wkv_json_number(&j, "val_bits_per_byte", line->val_bpb, 0);
    if (s->skipped != WKV_SKIP_NONE) {
        wkv_json_string(&j, "skipped", wkv_train_log_skip(s->skipped));
        wkv_json_number(&j, "limit", s->limit, 0);
    }
    wkv_json_close(&j, '}');
    return fflush(l->metrics) == 0 && !ferror(l->metrics);
}

static void write_events(wkv_train_log *l, const wkv_train_line *line)
{
    const wkv_step *s = &line->step;
    const bool taken = s->skipped == WKV_SKIP_NONE;
    const struct {
        const char *tag;
        double value;
    } scalars[] = {
        {"loss/train", taken ? s->loss : (double)NAN},
        {"loss/validation", line->val_loss},
        {"loss/validation_bits_per_byte", line->val_bpb},
        {"optimiser/learning_rate", s->lr},
        {"optimiser/gradient_norm", taken ? s->grad_norm : (double)NAN},
        {"speed/tokens_per_second", line->tokens_per_s},
        {"progress/tokens", (double)s->tokens},
    };
    wkv_error err;
    wkv_status status = WKV_OK;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars && status == WKV_OK; i++)
        if (!isnan(scalars[i].value))
            status = wkv_events_scalar(l->events, scalars[i].tag, s->step, scalars[i].value, &err);
    if (status == WKV_OK)
        status = wkv_events_flush(l->events, &err);
    if (status != WKV_OK)
        without_events(l, &err);
}

bool wkv_train_log_step(wkv_train_log *l, const wkv_train_line *line)
{
    l->seconds += line->step.seconds;
    if (!write_line(l, line)) {
        wkv_term_error("train", "%s: cannot write: %s", l->path, strerror(errno));
        return false;
    }
    if (l->events != NULL)
        write_events(l, line);
    return true;
}

bool wkv_train_log_sync(wkv_train_log *l)
{
    if (fsync(fileno(l->metrics)) == 0)
        return true;
    wkv_term_error("train", "%s: cannot sync: %s", l->path, strerror(errno));
    return false;
}
