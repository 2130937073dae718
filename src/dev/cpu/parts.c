/* dev/cpu/parts.c - cutting an operation for the team: see cpu.h. */
#include <stdatomic.h>

#include "dev/cpu/cpu.h"
#include "os/team.h"

/* Elementary steps below which waking a thread costs more than it saves. */
enum { WORTH_A_THREAD = 1 << 14 };

typedef struct work {
    const wkv_kern *kern;
    wkv_cpu_fn *fn;
    const void *ctx;
    size_t n, grain;
    size_t most; /* pieces of a run */
    int parts;
    _Alignas(64) atomic_size_t next; /* the first span or piece that nobody has taken */
} work;

static work work_of(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                    size_t steps)
{
    const size_t spans = (n + grain - 1) / grain, threads = (size_t)x->dev->threads;
    size_t parts = steps / WORTH_A_THREAD + 1;
    parts = parts < threads ? parts : threads;
    parts = parts < spans ? parts : spans;
    return (work){
        .kern = x->dev->kern, .fn = fn, .ctx = ctx, .n = n, .grain = grain, .parts = (int)parts};
}

static size_t spans_of(const work *w)
{
    return (w->n + w->grain - 1) / w->grain;
}

/* The first of the spans that are a part's: what does not divide goes to the first parts. */
static size_t part_begin(size_t part, size_t spans, size_t parts)
{
    const size_t longer = spans % parts;
    return part * (spans / parts) + (part < longer ? part : longer);
}

static void do_part(void *ctx, int part)
{
    const work *w = ctx;
    const size_t spans = spans_of(w), i = (size_t)part, parts = (size_t)w->parts;
    const size_t begin = part_begin(i, spans, parts) * w->grain;
    const size_t end = part_begin(i + 1, spans, parts) * w->grain;
    w->fn(w->kern, w->ctx, (wkv_span){begin, (end < w->n ? end : w->n) - begin, part});
}

void wkv_cpu_cut(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                 size_t steps)
{
    work w = work_of(x, fn, ctx, n, grain, steps);
    wkv_team_run(x->dev->team, do_part, &w, w.parts);
}

/* The i-th span to be taken: each part's first one, each part's second one, and so on.  Those that
 * are worked on at a time are thus far from each other: of what two threads write side by side, a
 * processor that looks ahead takes lines from the other again and again. */
static size_t span_apart(size_t i, size_t spans, size_t parts)
{
    return part_begin(i % parts, spans, parts) + i / parts;
}

static void take_spans(void *ctx, int part)
{
    work *w = ctx;
    const size_t spans = spans_of(w);
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < spans;) {
        const size_t begin = span_apart(i, spans, (size_t)w->parts) * w->grain;
        const size_t left = w->n - begin;
        w->fn(w->kern, w->ctx, (wkv_span){begin, left < w->grain ? left : w->grain, part});
    }
}

void wkv_cpu_share(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                   size_t steps)
{
    work w = work_of(x, fn, ctx, n, grain, steps);
    wkv_team_run(x->dev->team, take_spans, &w, w.parts);
}

/* A share of what is left, so that runs become shorter towards the end. */
static size_t next_run(work *w)
{
    const size_t done = atomic_load_explicit(&w->next, memory_order_relaxed);
    const size_t left = done < w->n ? w->n - done : 0;
    const size_t share = left / (2 * (size_t)w->parts);
    return share < 1 ? 1 : share > w->most ? w->most : share;
}

static void take_runs(void *ctx, int part)
{
    work *w = ctx;
    for (;;) {
        const size_t run = next_run(w), i = atomic_fetch_add(&w->next, run);
        if (i >= w->n)
            return;
        const size_t left = w->n - i;
        w->fn(w->kern, w->ctx, (wkv_span){i, left < run ? left : run, part});
    }
}

void wkv_cpu_share_runs(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t most,
                        size_t steps)
{
    work w = work_of(x, fn, ctx, n, 1, steps);
    w.most = most;
    wkv_team_run(x->dev->team, take_runs, &w, w.parts);
}
