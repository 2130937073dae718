/* apps/cli/bench_run.c - timing for `wkv bench`.
 *
 * A repetition of a case feeds for some tenths of a second and notes tokens per second.
 * Cases take turns: one repetition of each, then the next of each.  Limits of the machine
 * are measured before and after, and the best counts, for whatever disturbs a limit only
 * lowers it. */
#include "cli/bench_run.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/term.h"

enum { FED_AT_ONCE = 4096, WARM_UP = 3 };

static void measure_limits(wkv_bench *b, double seconds)
{
    const int threads = b->info.threads;
    double memory = wkv_measure_bandwidth(threads, seconds);
    double byte_ops = wkv_measure_byte_ops(threads, seconds / 2);
    double float_ops = wkv_measure_flops(threads, seconds);
    wkv_bench_limits *l = &b->limits;
    l->memory = memory > l->memory ? memory : l->memory;
    l->byte_ops = byte_ops > l->byte_ops ? byte_ops : l->byte_ops;
    l->float_ops = float_ops > l->float_ops ? float_ops : l->float_ops;
}

/* Bytes of memory that the process holds now; 0 where the system does not say. */
static double resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all = 0, pages = 0;
    if (f == NULL || fscanf(f, "%ld %ld", &all, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* ---- one feed ---------------------------------------------------------------------------- */

static wkv_status feed_batch(wkv_bench *b, const wkv_bench_case *c, int step)
{
    wkv_batch_item items[WKV_BENCH_WIDTH];
    for (int32_t i = 0; i < c->batch; i++) {
        const size_t at = (size_t)(step * c->batch + i) % b->n_ids;
        items[i] = (wkv_batch_item){c->session[i], &b->ids[at], 1};
    }
    return wkv_batch_feed(b->batch, items, (size_t)c->batch, NULL);
}

/* A model whose texts end decodes a new one then; not where the position is what matters. */
static void begin_anew(const wkv_bench *b, const wkv_bench_case *c)
{
    const uint64_t most = (uint64_t)b->info.max_length;
    if (most == 0 || c->position > 0)
        return;
    for (int32_t i = 0; i < c->batch; i++)
        if (wkv_session_position(c->session[i]) >= most)
            wkv_session_reset(c->session[i]);
}

static wkv_status feed(wkv_bench *b, const wkv_bench_case *c, int step)
{
    begin_anew(b, c);
    if (!c->decode) {
        wkv_session_reset(c->session[0]);
        return wkv_session_feed(c->session[0], b->ids, (size_t)c->tokens);
    }
    if (c->batch > 1)
        return feed_batch(b, c, step);
    return wkv_session_feed(c->session[0], &b->ids[(size_t)step % b->n_ids], 1);
}

static double tokens_of(const wkv_bench_case *c)
{
    return (double)c->batch * c->tokens;
}

static wkv_status repetition(wkv_bench *b, wkv_bench_case *c, int r)
{
    const uint64_t before = c->batch == 1 ? wkv_session_unread(c->session[0]) : 0;
    const double start = wkv_term_clock();
    double now = start;
    int steps = 0;
    for (; now - start < b->seconds; steps++) {
        const wkv_status status = feed(b, c, steps);
        if (status != WKV_OK)
            return status;
        now = wkv_term_clock();
    }
    c->rate[r] = tokens_of(c) * steps / (now - start);
    if (c->batch == 1 && c->bytes > 0)
        c->unread_share = (double)(wkv_session_unread(c->session[0]) - before) / steps / c->bytes;
    return WKV_OK;
}

/* ---- making ready -------------------------------------------------------------------------- */

static int no_memory(void)
{
    return wkv_term_error("bench", "out of memory");
}

static int failed(const wkv_bench *b, const wkv_bench_case *c, wkv_status status)
{
    char text[WKV_CLI_FEED_ERROR], name[48];
    const size_t n = (size_t)(c->position + c->tokens);
    return wkv_term_error("bench", "%s: %s", wkv_bench_name(c, name),
                          wkv_cli_feed_error(b->model, c->session[0], n, status, text));
}

/* Brings a sequence to the case's position. */
static wkv_status advance(wkv_bench *b, const wkv_bench_case *c)
{
    char name[48];
    wkv_bench_name(c, name);
    const double start = wkv_term_clock();
    for (int64_t done = 0; done < c->position;) {
        const int64_t left = c->position - done;
        int64_t n = left < (int64_t)b->n_ids ? left : (int64_t)b->n_ids;
        n = n < FED_AT_ONCE ? n : FED_AT_ONCE;
        const wkv_status status = wkv_session_feed(c->session[0], b->ids, (size_t)n);
        if (status != WKV_OK)
            return status;
        done += n;
        if (wkv_term_is_terminal(stderr) && wkv_term_progress_due())
            wkv_term_progress("%s: going there, %lld of %lld tokens, %.0f s left", name,
                              (long long)done, (long long)c->position,
                              (wkv_term_clock() - start) / (double)done *
                                  (double)(c->position - done));
    }
    return WKV_OK;
}

static int make_ready(wkv_bench *b, wkv_bench_case *c)
{
    wkv_error err;
    wkv_cost cost;
    wkv_model_cost(b->model, c->batch, c->tokens, &cost);
    c->bytes = cost.bytes;
    c->byte_ops = cost.byte_ops;
    c->float_ops = cost.float_ops;
    c->session = calloc((size_t)c->batch, sizeof(wkv_session *));
    if (c->session == NULL)
        return no_memory();
    for (int32_t i = 0; i < c->batch; i++) {
        const wkv_status status = c->batch > 1
                                      ? wkv_batch_session_open(&c->session[i], b->batch, &err)
                                      : wkv_session_open(&c->session[i], b->model, &err);
        if (status != WKV_OK)
            return wkv_term_error("bench", "%s", err.text);
    }
    wkv_status status = advance(b, c);
    /* What is not counted: pages read for the first time, weights put into their places. */
    for (int i = 0; i < WARM_UP && status == WKV_OK; i++)
        status = feed(b, c, i);
    return status == WKV_OK ? WKV_EXIT_OK : failed(b, c, status);
}

/* Any ids do: what a token costs does not depend on which it is. */
static bool make_ids(wkv_bench *b)
{
    b->n_ids = FED_AT_ONCE;
    for (int i = 0; i < b->n; i++)
        if ((size_t)b->cases[i].tokens > b->n_ids)
            b->n_ids = (size_t)b->cases[i].tokens;
    b->ids = malloc(b->n_ids * sizeof *b->ids);
    for (size_t i = 0; b->ids != NULL && i < b->n_ids; i++)
        b->ids[i] = (int32_t)((uint64_t)i * 7919 % (uint64_t)b->info.vocab);
    return b->ids != NULL;
}

static int open_batch(wkv_bench *b)
{
    wkv_error err;
    int32_t width = 1;
    for (int i = 0; i < b->n; i++)
        width = b->cases[i].batch > width ? b->cases[i].batch : width;
    if (width > 1 && wkv_batch_open(&b->batch, b->model, width, &err) != WKV_OK)
        return wkv_term_error("bench", "%s", err.text);
    return WKV_EXIT_OK;
}

int wkv_bench_run(wkv_bench *b)
{
    if (!make_ids(b))
        return no_memory();
    int code = open_batch(b);
    for (int i = 0; i < b->n && code == WKV_EXIT_OK; i++)
        code = make_ready(b, &b->cases[i]);
    if (code != WKV_EXIT_OK)
        return code;
    measure_limits(b, 0.4);
    b->resident[0] = resident();
    for (int32_t r = 0; r < b->repeat; r++)
        for (int i = 0; i < b->n; i++) {
            if (wkv_term_is_terminal(stderr))
                wkv_term_progress("measuring: repetition %d of %d, case %d of %d", (int)r + 1,
                                  (int)b->repeat, i + 1, b->n);
            const wkv_status status = repetition(b, &b->cases[i], r);
            if (status != WKV_OK)
                return failed(b, &b->cases[i], status);
        }
    b->resident[1] = resident();
    measure_limits(b, 0.4);
    return WKV_EXIT_OK;
}

void wkv_bench_free(wkv_bench *b)
{
    for (int i = 0; i < b->n; i++) {
        wkv_bench_case *c = &b->cases[i];
        for (int32_t k = 0; c->session != NULL && k < c->batch; k++)
            wkv_session_close(&c->session[k]);
        free(c->session);
    }
    wkv_batch_close(&b->batch);
    free(b->ids);
}
