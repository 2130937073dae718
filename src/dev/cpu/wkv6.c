/* dev/cpu/wkv6.c - the recurrence of RWKV-5 and 6 over a batch, head by head.  The bonus is
 * shared by the sequences: each task leaves its gradient in a row of its sequence, and the
 * rows are summed in order. */
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/heads.h"

static wkv_wkv6_in inputs_of(const wkv_wkv6_in *in, const wkv_head_task *t)
{
    return (wkv_wkv6_in){
        .r = in->r + t->row0,
        .w = in->w + (in->w_stride != 0 ? t->row0 : t->channel),
        .k = in->k + t->row0,
        .v = in->v + t->row0,
        .u = in->u + t->channel,
        .T = t->T,
        .N = in->N,
        .stride = in->stride,
        .w_stride = in->w_stride,
    };
}

typedef struct forward {
    real *y, *keep;
    const wkv_wkv6_in *in;
    const wkv_seqs *q;
    const wkv_slot *slot;
} forward;

static void forward_heads(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    const int N = f->in->N, H = f->in->stride / N;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, N, f->q);
        wkv_wkv6_in mine = inputs_of(f->in, &t);
        real *keep = f->keep != NULL ? f->keep + wkv_head_keep_at(&t, H, N, f->q) : NULL;
        k->wkv6(f->y + t.row0, f->slot->state[t.seq] + f->slot->offset + t.state, keep, &mine);
    }
}

void wkv_cpu_wkv6(wkv_exec *x, real *y, real *keep, const wkv_wkv6_in *in, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    const forward f = {y, keep, in, q, slot};
    size_t heads = (size_t)q->n * (size_t)(in->stride / in->N);
    size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
    wkv_cpu_share(x, forward_heads, &f, heads, 1, steps / 2);
}

typedef struct backward {
    const wkv_wkv6_grad *grad;
    const real *dy, *keep;
    const wkv_wkv6_in *in;
    const wkv_seqs *q;
    const wkv_slot *dslot;
    real *du;      /* a row for each sequence */
    real *scratch; /* each a thread */
    size_t each;
} backward;

static void backward_heads(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const backward *w = ctx;
    const wkv_wkv6_grad *all = w->grad;
    const int N = w->in->N, H = w->in->stride / N;
    const size_t C = (size_t)w->in->stride, square = (size_t)N * (size_t)N;
    real *mine = w->scratch + (size_t)s.part * w->each;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, N, w->q);
        wkv_wkv6_in inputs = inputs_of(w->in, &t);
        wkv_wkv6_grad g = {all->dr + t.row0, all->dw + t.row0, all->dk + t.row0, all->dv + t.row0,
                           w->du + (size_t)t.seq * C + t.channel};
        real *dS = wkv_head_dstate(&t, w->dslot, mine, N);
        const real *keep = w->keep + wkv_head_keep_at(&t, H, N, w->q);
        k->wkv6_bwd(&g, dS, w->dy + t.row0, keep, &inputs, mine + square);
    }
}

void wkv_cpu_wkv6_bwd(wkv_exec *x, const wkv_wkv6_grad *grad, const real *dy, const real *keep,
                      const wkv_wkv6_in *in, const wkv_seqs *q, const wkv_slot *dslot)
{
    size_t C = (size_t)in->stride, square = (size_t)in->N * (size_t)in->N;
    size_t each = square + WKV_WKV6_SCRATCH(in->N), mark = wkv_arena_mark(x->scratch);
    real *scratch = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    real *du = wkv_arena_reals(x->scratch, (size_t)q->n * C);
    if (!wkv_exec_measuring(x)) {
        const backward w = {grad, dy, keep, in, q, dslot, du, scratch, each};
        size_t heads = (size_t)q->n * (size_t)(in->stride / in->N);
        wkv_cpu_share(x, backward_heads, &w, heads, 1,
                      2 * (size_t)wkv_seqs_rows(q) * C * (size_t)in->N);
        memset(grad->du, 0, C * sizeof *grad->du);
        wkv_cpu_colsum(x, grad->du, du, q->n, C);
    }
    wkv_arena_reset(x->scratch, mark);
}
