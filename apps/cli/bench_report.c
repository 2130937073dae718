/* apps/cli/bench_report.c - what `wkv bench` found, for people and for programs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_run.h"
#include "common/json_out.h"
#include "common/term.h"

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

wkv_bench_figures wkv_bench_figures_of(const wkv_bench *b, const wkv_bench_case *c)
{
    double sorted[WKV_BENCH_REPEAT];
    const int n = b->repeat;
    memcpy(sorted, c->rate, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    const double tokens = (double)c->batch * c->tokens;
    wkv_bench_figures f = {
        .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
        .lowest = sorted[0],
        .highest = sorted[n - 1],
        .bytes = c->bytes * (1 - c->unread_share) / tokens,
    };
    const double feeds = f.median / tokens; /* a second */
    f.bytes_rate = f.bytes * f.median;
    f.ops_rate = (c->byte_ops + c->float_ops) * feeds;
    f.memory_share = ratio(f.bytes_rate, b->limits.memory);
    f.arithmetic_share =
        (ratio(c->byte_ops, b->limits.byte_ops) + ratio(c->float_ops, b->limits.float_ops)) * feeds;
    return f;
}

const char *wkv_bench_name(const wkv_bench_case *c, char buf[48])
{
    if (!c->decode)
        snprintf(buf, 48, "prompt of %d", (int)c->tokens);
    else if (c->position > 0)
        snprintf(buf, 48, "decode at %" PRId64, c->position);
    else
        snprintf(buf, 48, "decode, batch %d", (int)c->batch);
    return buf;
}

/* "±2.1%": half of what lies between the lowest and the highest, of the median. */
static double spread(const wkv_bench_figures *f)
{
    return ratio(f->highest - f->lowest, 2 * f->median);
}

void wkv_bench_print(const wkv_bench *b)
{
    const wkv_model_info *m = &b->info;
    char text[32], name[48];
    const bool utf8 = wkv_term_has_utf8();
    printf("model       %s, %d layers of %d, %s, %sB\n", m->arch, (int)m->layers, (int)m->width,
           m->dtype != NULL ? m->dtype : "no matrices",
           wkv_cli_short((double)m->weight_bytes, text));
    printf("run with    %d thread%s, %s\n", (int)m->threads, m->threads == 1 ? "" : "s",
           wkv_cpu_name());
    printf("measured    memory %.1f GB/s, products of bytes %.2f TOP/s, of floats %.0f GFLOP/s\n",
           b->limits.memory * 1e-9, b->limits.byte_ops * 1e-12, b->limits.float_ops * 1e-9);
    printf("in memory   %sB at first", wkv_cli_short(b->resident[0], text));
    printf(", %sB at the end\n\n", wkv_cli_short(b->resident[1], text));
    printf("%-20s %9s %6s %10s %8s %6s %7s %8s %11s\n", "", "tokens/s", "spread", "ms", "B/token",
           "GB/s", "memory", "GOP/s", "arithmetic");
    for (int i = 0; i < b->n; i++) {
        const wkv_bench_case *c = &b->cases[i];
        const wkv_bench_figures f = wkv_bench_figures_of(b, c);
        printf("%-20s %9.1f %s%4.1f%% %10.3f %8s %6.1f %6.0f%% %8.0f %10.1f%%\n",
               wkv_bench_name(c, name), f.median, utf8 ? "±" : " ", 100 * spread(&f),
               1e3 * c->batch * c->tokens / f.median, wkv_cli_short(f.bytes, text),
               f.bytes_rate * 1e-9, 100 * f.memory_share, f.ops_rate * 1e-9,
               100 * f.arithmetic_share);
    }
}

static void json_case(wkv_json *j, const wkv_bench *b, const wkv_bench_case *c)
{
    const wkv_bench_figures f = wkv_bench_figures_of(b, c);
    wkv_json_open(j, NULL, '{');
    wkv_json_string(j, "what", c->decode ? "decode" : "prompt");
    wkv_json_int(j, "batch", c->batch);
    wkv_json_int(j, "tokens", c->tokens);
    wkv_json_int(j, "position", c->position);
    wkv_json_number(j, "tokens_per_s", f.median, 6);
    wkv_json_number(j, "lowest", f.lowest, 6);
    wkv_json_number(j, "highest", f.highest, 6);
    wkv_json_open(j, "samples", '[');
    for (int32_t r = 0; r < b->repeat; r++)
        wkv_json_number(j, NULL, c->rate[r], 6);
    wkv_json_close(j, ']');
    wkv_json_number(j, "bytes_per_token", f.bytes, 12);
    wkv_json_number(j, "bytes_per_s", f.bytes_rate, 6);
    wkv_json_number(j, "memory_share", f.memory_share, 4);
    wkv_json_number(j, "byte_ops_per_token", c->byte_ops / (c->batch * c->tokens), 12);
    wkv_json_number(j, "float_ops_per_token", c->float_ops / (c->batch * c->tokens), 12);
    wkv_json_number(j, "ops_per_s", f.ops_rate, 6);
    wkv_json_number(j, "arithmetic_share", f.arithmetic_share, 4);
    wkv_json_close(j, '}');
}

void wkv_bench_print_json(const wkv_bench *b)
{
    const wkv_model_info *m = &b->info;
    wkv_json j;
    wkv_json_init(&j, stdout);
    wkv_json_open(&j, NULL, '{');
    wkv_json_string(&j, "version", wkv_version());
    wkv_json_string(&j, "model", b->path);
    wkv_json_string(&j, "arch", m->arch);
    wkv_json_string(&j, "dtype", m->dtype);
    wkv_json_uint(&j, "parameters", m->parameters);
    wkv_json_uint(&j, "weight_bytes", m->weight_bytes);
    wkv_json_uint(&j, "state_bytes", m->state_bytes);
    wkv_json_int(&j, "threads", m->threads);
    wkv_json_string(&j, "cpu", wkv_cpu_name());
    wkv_json_open(&j, "limits", '{');
    wkv_json_number(&j, "memory_bytes_per_s", b->limits.memory, 6);
    wkv_json_number(&j, "byte_ops_per_s", b->limits.byte_ops, 6);
    wkv_json_number(&j, "float_ops_per_s", b->limits.float_ops, 6);
    wkv_json_close(&j, '}');
    wkv_json_number(&j, "resident_bytes_begin", b->resident[0], 12);
    wkv_json_number(&j, "resident_bytes_end", b->resident[1], 12);
    wkv_json_open(&j, "results", '[');
    for (int i = 0; i < b->n; i++)
        json_case(&j, b, &b->cases[i]);
    wkv_json_close(&j, ']');
    wkv_json_close(&j, '}');
}
