/* apps/cli/cmd_plot.c - `wkv plot`: the curves of one run or of several, against each
 * other, in the terminal or as SVG. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/curves.h"
#include "common/plot.h"
#include "common/term.h"

enum { ROWS = 20, COLUMNS = 110 };

typedef struct options {
    const char *out, *x, *y, *title;
    int32_t smooth;
    bool log_x, log_y;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("out", out, "FILE",
                  "write an SVG picture there ('-': to standard output) instead of drawing in the "
                  "terminal"),
     .letter = 'o'},
    {WKV_OPT_CHOICE("x", x, "step|tokens|seconds|flops", "what to draw against")},
    {WKV_OPT_CHOICE("y", y, "loss|val_loss|val_bits_per_byte|lr|grad_norm|tokens_per_s",
                    "what to draw; loss has the validation losses with it")},
    {WKV_OPT_INT("smooth", smooth, "N", 1, 1 << 20,
                 "mean over about this many steps; 1: as it was")},
    {WKV_OPT_FLAG("log-x", log_x, "logarithmic axis")},
    {WKV_OPT_FLAG("log-y", log_y, "logarithmic axis")},
    {WKV_OPT_TEXT("title", title, "TEXT", "title of the picture")},
};

static const wkv_arg_operand operands[] = {
    {.name = "RUN", .help = "the folder of a training run, or its metrics.jsonl", .repeated = true},
};

static const char *const examples[] = {
    "wkv plot run", "the losses of a run, finished or going on, in the terminal",
    "wkv plot run-* --x tokens --log-x -o loss.svg", "several runs in one picture", NULL};

static void init(void *opts)
{
    options *o = opts;
    o->x = "step";
    o->y = "loss";
    o->smooth = WKV_CURVES_SMOOTH;
}

/* Draws the lines of every run, without the noise behind them, which SVG alone can show. */
static void draw_in_terminal(const wkv_curves *c)
{
    wkv_plot_series *series = calloc(c->n + 1, sizeof *series);
    size_t n = 0;
    if (series == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (c->series[i].form != WKV_CHART_FAINT)
            series[n++] = (wkv_plot_series){
                .name = c->series[i].name,
                .x = c->series[i].x,
                .y = c->series[i].y,
                .n = c->series[i].n,
                .marks = c->series[i].form == WKV_CHART_MARKS,
            };
    int width = wkv_term_width(stdout);
    wkv_plot_draw(stdout, series, n, width < COLUMNS ? width : COLUMNS, ROWS, wkv_term_has_utf8());
    free(series);
}

static int write_svg(const char *path, const wkv_chart *chart)
{
    char why[WKV_WHY_MAX], *data = NULL;
    size_t n = 0;
    if (strcmp(path, "-") == 0) {
        wkv_chart_svg(stdout, chart);
        return WKV_EXIT_OK;
    }
    FILE *f = open_memstream(&data, &n);
    if (f == NULL)
        return wkv_term_error("plot", "out of memory");
    wkv_chart_svg(f, chart);
    bool ok = !ferror(f);
    ok = fclose(f) == 0 && ok;
    int code = !ok                                     ? wkv_term_error("plot", "out of memory")
               : wkv_files_replace(path, data, n, why) ? WKV_EXIT_OK
                                                       : wkv_term_error("plot", "%s", why);
    free(data);
    return code;
}

/* Runs are files, or folders with one. */
static bool spares(const char *out, const wkv_args *runs)
{
    char path[WKV_PATH_MAX];
    for (int i = 0; i < runs->n_all; i++)
        if (!wkv_cli_spares("plot", out, runs->all[i]) ||
            !wkv_cli_spares("plot", out, wkv_files_join(path, runs->all[i], "metrics.jsonl")))
            return false;
    return true;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    char why[WKV_WHY_MAX];
    wkv_curves curves;
    const wkv_curves_opts what = {.x = o->x, .y = o->y, .smooth = o->smooth};
    int code = WKV_EXIT_OK;
    if (!spares(o->out, args))
        return WKV_EXIT_FAILURE;
    if (!wkv_curves_read(&curves, (const char *const *)args->all, (size_t)args->n_all, &what, why))
        return wkv_term_error("plot", "%s", why);
    const wkv_chart chart = {
        .title = o->title != NULL ? o->title : o->y,
        .x_label = o->x,
        .y_label = o->y,
        .log_x = o->log_x,
        .log_y = o->log_y,
        .series = curves.series,
        .n = curves.n,
    };
    if (!wkv_curves_any(&curves))
        code = wkv_term_error("plot", "%s: no %s against %s there yet", args->all[0], o->y, o->x);
    else if (o->out != NULL)
        code = write_svg(o->out, &chart);
    else
        draw_in_terminal(&curves);
    wkv_curves_free(&curves);
    return code;
}

const wkv_command wkv_cmd_plot = {
    .name = "plot",
    .summary = "draw the curves of training runs",
    .description =
        "Draws what runs wrote into their metrics.jsonl: the loss of the training batches, "
        "smoothed, and of the held-out data, against steps, tokens, seconds or floating point "
        "operations. Works while the runs go on.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
