/* apps/cli/bench_run.h - what `wkv bench` measures: cases, each timed several times. */
#ifndef WKV_APPS_BENCH_RUN_H
#define WKV_APPS_BENCH_RUN_H

#include "cli/cli.h"

enum {
    WKV_BENCH_CASES = 48,
    WKV_BENCH_REPEAT = 100,
    WKV_BENCH_WIDTH = 256 /* sequences that decode together: what a batch can have */
};

/* One thing that is measured.  Decoding feeds each of `batch` sequences one token; a prompt is
 * `tokens` tokens for one sequence at its start. */
typedef struct wkv_bench_case {
    bool decode;
    int32_t batch;
    int32_t tokens;
    int64_t position; /* tokens that the sequences have behind them at first */
    wkv_session **session;
    double rate[WKV_BENCH_REPEAT];     /* tokens a second, one for each repetition */
    double bytes, byte_ops, float_ops; /* of one feed */
    double unread_share;               /* of these bytes that did not have to be read after all */
} wkv_bench_case;

/* What the machine reaches, the best of several tries. */
typedef struct wkv_bench_limits {
    double memory;    /* bytes a second */
    double byte_ops;  /* operations a second */
    double float_ops; /* likewise */
} wkv_bench_limits;

typedef struct wkv_bench {
    const wkv_model *model;
    wkv_model_info info;
    const char *path;
    int32_t repeat;
    double seconds; /* at least, of each repetition of each case */
    wkv_bench_case cases[WKV_BENCH_CASES];
    int n;
    wkv_bench_limits limits;
    double resident[2]; /* bytes of memory held: before the first repetition, after the last */
    wkv_batch *batch;
    int32_t *ids; /* max(tokens of a feed) of them */
    size_t n_ids;
} wkv_bench;

/* Measures all cases, in alternation, so that what disturbs the machine disturbs all alike.
 * An exit code; messages have then been printed.  Release with wkv_bench_free. */
int wkv_bench_run(wkv_bench *b);
void wkv_bench_free(wkv_bench *b);

/* ---- the numbers, per case ---- */

typedef struct wkv_bench_figures {
    double median, lowest, highest; /* tokens a second */
    double bytes;                   /* read for each token */
    double bytes_rate;              /* a second */
    double ops_rate;
    double memory_share, arithmetic_share; /* of what the machine reaches */
} wkv_bench_figures;

wkv_bench_figures wkv_bench_figures_of(const wkv_bench *b, const wkv_bench_case *c);

/* "decode, 8 sequences", "prompt of 512", "decode at position 100000". */
const char *wkv_bench_name(const wkv_bench_case *c, char buf[48]);

void wkv_bench_print(const wkv_bench *b);
void wkv_bench_print_json(const wkv_bench *b);

#endif
