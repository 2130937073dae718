/* dev/cpu/wkv7.c - the RWKV-7 recurrence over a batch, head by head. */
#include "dev/cpu/cpu.h"
#include "dev/cpu/heads.h"

/* Many heads are taken some at a time, neighbours in memory: at least so many times. */
enum { TURNS = 16 };

static wkv_wkv7_in inputs_of(const wkv_wkv7_in *in, const wkv_head_task *t)
{
    return (wkv_wkv7_in){in->r + t->row0,
                         in->w + t->row0,
                         in->k + t->row0,
                         in->v + t->row0,
                         in->a + t->row0,
                         in->b + t->row0,
                         t->T,
                         in->N,
                         in->stride};
}

static wkv_wkv7_grad gradients_of(const wkv_wkv7_grad *g, const wkv_head_task *t)
{
    return (wkv_wkv7_grad){g->dr + t->row0, g->dw + t->row0, g->dk + t->row0,
                           g->dv + t->row0, g->da + t->row0, g->db + t->row0};
}

typedef struct forward {
    real *y, *keep;
    const wkv_wkv7_in *in;
    const wkv_seqs *q;
    const wkv_slot *slot;
} forward;

static void forward_heads(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    const int N = f->in->N, H = f->in->stride / N;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, N, f->q);
        wkv_wkv7_in mine = inputs_of(f->in, &t);
        real *keep = f->keep != NULL ? f->keep + wkv_head_keep_at(&t, H, N, f->q) : NULL;
        k->wkv7(f->y + t.row0, f->slot->state[t.seq] + f->slot->offset + t.state, keep, &mine);
    }
}

void wkv_cpu_wkv7(wkv_exec *x, real *y, real *keep, const wkv_wkv7_in *in, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    const forward f = {y, keep, in, q, slot};
    size_t heads = (size_t)q->n * (size_t)(in->stride / in->N);
    size_t together = heads / (TURNS * (size_t)x->dev->threads) + 1;
    size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
    wkv_cpu_share(x, forward_heads, &f, heads, together, steps / 2);
}

typedef struct backward {
    const wkv_wkv7_grad *grad;
    const real *dy, *keep;
    const wkv_wkv7_in *in;
    const wkv_seqs *q;
    const wkv_slot *dslot;
    real *scratch; /* each a thread */
    size_t each;
} backward;

static void backward_heads(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const backward *w = ctx;
    const int N = w->in->N, H = w->in->stride / N;
    const size_t square = (size_t)N * (size_t)N;
    real *mine = w->scratch + (size_t)s.part * w->each;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, N, w->q);
        wkv_wkv7_in inputs = inputs_of(w->in, &t);
        wkv_wkv7_grad g = gradients_of(w->grad, &t);
        real *dS = wkv_head_dstate(&t, w->dslot, mine, N);
        const real *keep = w->keep + wkv_head_keep_at(&t, H, N, w->q);
        k->wkv7_bwd(&g, dS, w->dy + t.row0, keep, &inputs, mine + square);
    }
}

void wkv_cpu_wkv7_bwd(wkv_exec *x, const wkv_wkv7_grad *grad, const real *dy, const real *keep,
                      const wkv_wkv7_in *in, const wkv_seqs *q, const wkv_slot *dslot)
{
    size_t square = (size_t)in->N * (size_t)in->N, mark = wkv_arena_mark(x->scratch);
    size_t each = square + WKV_WKV7_SCRATCH(in->N);
    real *scratch = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        const backward w = {grad, dy, keep, in, q, dslot, scratch, each};
        size_t heads = (size_t)q->n * (size_t)(in->stride / in->N);
        size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
        wkv_cpu_share(x, backward_heads, &w, heads, 1, 2 * steps);
    }
    wkv_arena_reset(x->scratch, mark);
}
