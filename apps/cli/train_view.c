/* apps/cli/train_view.c - see train_view.h. */
#include "cli/train_view.h"

#include <math.h>

#include "cli/curves.h"
#include "common/plot.h"
#include "common/term.h"

enum { PLOT_ROWS = 14, PLOT_COLUMNS = 100 };

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

/* The same text for every NaN, which printf shows with its sign. */
static const char *format_loss(double loss, char *buf)
{
    snprintf(buf, 32, isnan(loss) ? "nan" : "%.4f", loss);
    return buf;
}

/* What the run is going to take, before it takes it. */
static void tell_memory(const wkv_trainer *t)
{
    wkv_train_memory m;
    char text[32];
    wkv_trainer_memory(t, &m);
    const struct {
        const char *name;
        uint64_t bytes;
    } parts[] = {
        {"parameters", m.parameters},   {"gradients", m.gradients},  {"moments", m.moments},
        {"activations", m.activations}, {"work space", m.workspace}, {"data", m.data},
        {"program", m.program},
    };
    fprintf(stderr, "memory: %sB", wkv_cli_short((double)m.total, text));
    for (size_t i = 0; i < WKV_COUNT(parts); i++)
        fprintf(stderr, "%s %s %sB", i == 0 ? ":" : ",", parts[i].name,
                wkv_cli_short((double)parts[i].bytes, text));
    fputc('\n', stderr);
}

void wkv_train_view_begin(wkv_train_view *v, const wkv_trainer *t, wkv_train_watch *watch)
{
    char parameters[32], tokens[32], held[32], trained[32] = "";
    *v = (wkv_train_view){.trainer = t, .watch = watch};
    wkv_trainer_describe(t, &v->info);
    v->first = v->info.step;
    v->peak = wkv_measure_flops(v->info.threads, 0.2);
    if (v->info.trained != v->info.parameters)
        wkv_cli_short((double)v->info.trained, trained);
    fprintf(stderr, "%s, %s parameters%s%s%s; %s tokens to learn from, %s held out\n", v->info.arch,
            wkv_cli_short((double)v->info.parameters, parameters),
            trained[0] != '\0' ? " of a frozen model, " : "", trained,
            trained[0] != '\0' ? " trained" : "", wkv_cli_short((double)v->info.tokens, tokens),
            wkv_cli_short((double)v->info.val_tokens, held));
    tell_memory(t);
    if (v->info.step > 0)
        fprintf(stderr, "going on after step %lld\n", (long long)v->info.step);
    v->start = wkv_term_clock();
}

static void say_skipped(const wkv_step *s)
{
    const char *what = wkv_train_log_skip(s->skipped);
    if (s->skipped == WKV_SKIP_NUMERIC)
        wkv_term_error("train", "step %lld skipped: the loss is %g and the gradient's norm %g",
                       (long long)s->step, s->loss, s->grad_norm);
    else
        wkv_term_error("train", "step %lld skipped: its %s, %.4g, is above %.4g",
                       (long long)s->step, what,
                       s->skipped == WKV_SKIP_LOSS ? s->loss : s->grad_norm, s->limit);
}

/* The most memory that the process has had so far. */
static double memory(const wkv_train_view *v)
{
    wkv_train_memory m;
    wkv_trainer_memory(v->trainer, &m);
    return (double)m.peak;
}

/* The share of the machine's arithmetic that training uses.  Above 1 the machine was measured while
 * it did something else, and is measured again. */
static double utilisation(wkv_train_view *v)
{
    const double flops = v->rate * v->info.flops_per_token;
    if (flops > v->peak)
        v->peak = fmax(flops, wkv_measure_flops(v->info.threads, 0.2));
    return v->peak > 0 ? flops / v->peak : 0;
}

static void format_line(wkv_train_view *v, const wkv_step *s, char *text, size_t size)
{
    char rate[32], left[32], used[32];
    const int64_t steps = v->info.steps;
    const double each = (wkv_term_clock() - v->start) / (double)(s->step - v->first);
    snprintf(text, size,
             "step %lld/%lld  loss %.3f  lr %.2g  norm %.2g  %s tok/s  %.0f%%  %s left  %sB",
             (long long)s->step, (long long)steps, v->loss, s->lr, s->grad_norm,
             wkv_cli_short(v->rate, rate), 100 * utilisation(v),
             format_time(each * (double)(steps - s->step), left), wkv_cli_short(memory(v), used));
}

void wkv_train_view_step(wkv_train_view *v, const wkv_train_line *line)
{
    const wkv_step *s = &line->step;
    if (s->skipped != WKV_SKIP_NONE)
        say_skipped(s);
    else
        wkv_smooth(&v->loss, s->loss, ++v->taken, WKV_CURVES_SMOOTH);
    wkv_smooth(&v->rate, line->tokens_per_s, s->step - v->first, WKV_CURVES_SMOOTH);
    if (wkv_term_progress_due() || v->taken <= 1 || line->held != NULL ||
        s->step == v->info.steps) {
        char text[256];
        format_line(v, s, text, sizeof text);
        wkv_term_progress("%s", text);
        wkv_train_watch_line(v->watch, text);
    }
    if (line->held != NULL)
        wkv_train_view_validation(v, s->step, line->held);
}

void wkv_train_view_validation(wkv_train_view *v, int64_t step, const wkv_validation *held)
{
    char loss[32];
    v->validated = true;
    v->val_loss = held->loss;
    wkv_term_progress_end();
    fprintf(stderr, "step %lld: validation loss %s", (long long)step,
            format_loss(held->loss, loss));
    if (!isnan(held->bits_per_byte))
        fprintf(stderr, ", %.4f bits per byte", held->bits_per_byte);
    fputc('\n', stderr);
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
    char took[32], tokens[32], peak[32], foreseen[32], loss[32];
    wkv_term_progress_end();
    fflush(stderr);
    if (plot)
        draw_curve(d);
    if (last->step > v->first) {
        printf("trained       %lld steps, %s tokens, %s\n", (long long)last->step,
               wkv_cli_short((double)last->tokens, tokens),
               format_time(wkv_term_clock() - v->start, took));
        printf("loss          %.4f\n", v->loss);
    }
    if (v->validated)
        printf("validation    %s\n", format_loss(v->val_loss, loss));
    wkv_train_memory m;
    wkv_trainer_memory(v->trainer, &m);
    if (m.peak > 0)
        printf("memory        %sB at most, %sB foreseen\n", wkv_cli_short((double)m.peak, peak),
               wkv_cli_short((double)m.total, foreseen));
    printf("%-13s %s\n", d->made, d->model);
}
