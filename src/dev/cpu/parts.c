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

static void take_spans(void *ctx, int part)
{
    work *w = ctx;
    for (size_t i; (i = atomic_fetch_add(&w->next, w->grain)) < w->n;) {
        const size_t left = w->n - i;
        w->fn(w->kern, w->ctx, (wkv_span){i, left < w->grain ? left : w->grain, part});
    }
}

void wkv_cpu_share(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                   size_t steps)
{
    work w = work_of(x, fn, ctx, n, grain, steps);
    wkv_team_run(x->dev->team, take_spans, &w, w.parts);
}
