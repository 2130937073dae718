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

void wkv_cpu_wkv6(wkv_exec *x, real *y, real *keep, const wkv_wkv6_in *in, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    int H = in->stride / in->N;
    size_t tasks = (size_t)q->n * (size_t)H;
    size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
    int parts = wkv_cpu_parts(x, tasks, steps / 2);
#pragma omp parallel for num_threads(parts) schedule(dynamic) if (parts > 1)
    for (size_t i = 0; i < tasks; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, in->N, q);
        wkv_wkv6_in mine = inputs_of(in, &t);
        x->dev->kern->wkv6(y + t.row0, slot->state[t.seq] + slot->offset + t.state,
                           keep != NULL ? keep + t.keep : NULL, &mine);
    }
}

void wkv_cpu_wkv6_bwd(wkv_exec *x, const wkv_wkv6_grad *grad, const real *dy, const real *keep,
                      const wkv_wkv6_in *in, const wkv_seqs *q, const wkv_slot *dslot)
{
    int H = in->stride / in->N;
    size_t C = (size_t)in->stride, square = (size_t)in->N * (size_t)in->N;
    size_t each = square + WKV_WKV6_SCRATCH(in->N), tasks = (size_t)q->n * (size_t)H;
    size_t mark = wkv_arena_mark(x->scratch);
    real *scratch = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    real *du = wkv_arena_reals(x->scratch, (size_t)q->n * C);
    if (!wkv_exec_measuring(x)) {
        size_t steps = (size_t)wkv_seqs_rows(q) * C * (size_t)in->N;
        int parts = wkv_cpu_parts(x, tasks, 2 * steps);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int p = 0; p < parts; p++) {
            real *mine = scratch + (size_t)p * each;
            wkv_span s = wkv_span_of(tasks, parts, p, 1);
            for (size_t i = s.begin; i < s.begin + s.n; i++) {
                wkv_head_task t = wkv_head_task_at(i, H, in->N, q);
                wkv_wkv6_in inputs = inputs_of(in, &t);
                wkv_wkv6_grad g = {grad->dr + t.row0, grad->dw + t.row0, grad->dk + t.row0,
                                   grad->dv + t.row0, du + (size_t)t.seq * C + t.channel};
                real *dS = wkv_head_dstate(&t, dslot, mine, in->N);
                x->dev->kern->wkv6_bwd(&g, dS, dy + t.row0, keep + t.keep, &inputs, mine + square);
            }
        }
        memset(grad->du, 0, C * sizeof *grad->du);
        wkv_cpu_colsum(x, grad->du, du, q->n, C);
    }
    wkv_arena_reset(x->scratch, mark);
}
