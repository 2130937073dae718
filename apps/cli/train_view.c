/* apps/cli/train_view.c - see train_view.h. */
#include "cli/train_view.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "cli/curves.h"
#include "common/plot.h"
#include "common/term.h"

enum { PLOT_ROWS = 14, PLOT_COLUMNS = 100 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "1:02:03" or "2:03" */
static const char *format_time(double seconds, char *buf)
{
    long s = seconds > 0 && seconds < 1e9 ? lround(seconds) : 0;
    if (s >= 3600)
        snprintf(buf, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, 32, "%ld:%02ld", s / 60, s % 60);
    return buf;
}

void wkv_train_view_begin(wkv_train_view *v, const wkv_trainer *t)
{
    char parameters[32], tokens[32], held[32], memory[32];
    *v = (wkv_train_view){.val_loss = NAN};
    wkv_trainer_describe(t, &v->info);
    v->first = v->info.step;
    v->peak = wkv_measure_flops(v->info.threads, 0.2);
    fprintf(stderr, "%s, %s parameters; %s tokens to learn from, %s held out; %sB of memory\n",
            v->info.arch, wkv_cli_short((double)v->info.parameters, parameters),
            wkv_cli_short((double)v->info.tokens, tokens),
            wkv_cli_short((double)v->info.val_tokens, held),
            wkv_cli_short((double)v->info.memory, memory));
    if (v->info.step > 0)
        fprintf(stderr, "going on after step %lld\n", (long long)v->info.step);
    v->start = now();
}

void wkv_train_view_step(wkv_train_view *v, const wkv_step *s, double tokens_per_s, double val_loss)
{
    char rate[32], left[32];
    int64_t done = s->step - v->first;
    bool terminal = wkv_term_is_terminal(stderr), measured = !isnan(val_loss);
    wkv_smooth(&v->loss, s->loss, done, WKV_CURVES_SMOOTH);
    wkv_smooth(&v->rate, tokens_per_s, done, WKV_CURVES_SMOOTH);
    if (measured)
        v->val_loss = val_loss;
    if (!terminal && measured) {
        wkv_term_progress("step %lld/%lld  loss %.4f  lr %.3g  %.0f tokens/s  validation %.4f",
                          (long long)s->step, (long long)v->info.steps, s->loss, s->lr,
                          tokens_per_s, val_loss);
        return;
    }
    if (!terminal) {
        wkv_term_progress("step %lld/%lld  loss %.4f  lr %.3g  %.0f tokens/s", (long long)s->step,
                          (long long)v->info.steps, s->loss, s->lr, tokens_per_s);
        return;
    }
    bool last = s->step == v->info.steps;
    if (!wkv_term_progress_due() && !measured && !last)
        return;
    double flops = v->rate * v->info.flops_per_token;
    double seconds = (now() - v->start) / (double)done * (double)(v->info.steps - s->step);
    wkv_term_progress(
        "step %lld/%lld  loss %.3f  lr %.2g  %s tok/s  %.1f GFLOP/s (%.0f%%)  %s left",
        (long long)s->step, (long long)v->info.steps, v->loss, s->lr, wkv_cli_short(v->rate, rate),
        flops * 1e-9, v->peak > 0 ? 100.0 * flops / v->peak : 0.0, format_time(seconds, left));
    if (measured) {
        wkv_term_progress_end();
        fprintf(stderr, "step %lld: validation loss %.4f\n", (long long)s->step, val_loss);
    }
}

static void draw_curve(const wkv_train_dir *d)
{
    char why[WKV_WHY_MAX];
    wkv_metrics m;
    if (!wkv_metrics_read(&m, d->metrics, why)) {
        wkv_term_error("train", "%s", why);
        return;
    }
    const double *step = m.column[WKV_METRIC_STEP];
    const wkv_plot_series series[] = {
        {"training loss", step, m.column[WKV_METRIC_LOSS], m.n, false},
        {"validation", step, m.column[WKV_METRIC_VAL_LOSS], m.n, true},
    };
    bool any = false;
    for (size_t i = 0; i < m.n; i++)
        any = any || !isnan(series[1].y[i]);
    int width = wkv_term_width(stdout);
    wkv_plot_draw(stdout, series, any ? 2 : 1, width < PLOT_COLUMNS ? width : PLOT_COLUMNS,
                  PLOT_ROWS, wkv_term_has_utf8());
    putchar('\n');
    wkv_metrics_free(&m);
}

void wkv_train_view_end(wkv_train_view *v, const wkv_train_dir *d, const wkv_step *last, bool plot)
{
    char took[32], tokens[32];
    wkv_term_progress_end();
    fflush(stderr);
    if (plot)
        draw_curve(d);
    if (last->step > v->first) {
        printf("trained       %lld steps, %s tokens, %s\n", (long long)last->step,
               wkv_cli_short((double)last->tokens, tokens), format_time(now() - v->start, took));
        printf("loss          %.4f\n", v->loss);
    }
    if (!isnan(v->val_loss))
        printf("validation    %.4f\n", v->val_loss);
    printf("model         %s\n", d->model);
}
