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
    size_t most; /* pieces that a thread takes at a time */
    int parts;
    _Alignas(64) atomic_size_t next; /* the first piece that nobody has taken */
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

static void do_part(void *ctx, int part)
{
    const work *w = ctx;
    const size_t grains = (w->n + w->grain - 1) / w->grain, i = (size_t)part;
    const size_t begin = grains * i / (size_t)w->parts * w->grain;
    const size_t end = grains * (i + 1) / (size_t)w->parts * w->grain;
    w->fn(w->kern, w->ctx, (wkv_span){begin, (end < w->n ? end : w->n) - begin, part});
}

void wkv_cpu_cut(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                 size_t steps)
{
    work w = work_of(x, fn, ctx, n, grain, steps);
    wkv_team_run(x->dev->team, do_part, &w, w.parts);
}

/* A share of what is left, so that spans become shorter towards the end. */
static size_t next_span(work *w)
{
    const size_t done = atomic_load_explicit(&w->next, memory_order_relaxed);
    const size_t left = done < w->n ? w->n - done : 0;
    const size_t share = left / (2 * (size_t)w->parts) / w->grain * w->grain;
    return share < w->grain ? w->grain : share > w->most ? w->most : share;
}

static void take_spans(void *ctx, int part)
{
    work *w = ctx;
    for (;;) {
        const size_t span = next_span(w), i = atomic_fetch_add(&w->next, span);
        if (i >= w->n)
            return;
        const size_t left = w->n - i;
        w->fn(w->kern, w->ctx, (wkv_span){i, left < span ? left : span, part});
    }
}

void wkv_cpu_share(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                   size_t steps)
{
    wkv_cpu_share_most(x, fn, ctx, n, grain, grain, steps);
}

void wkv_cpu_share_most(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                        size_t most, size_t steps)
{
    work w = work_of(x, fn, ctx, n, grain, steps);
    w.most = most;
    wkv_team_run(x->dev->team, take_spans, &w, w.parts);
}
