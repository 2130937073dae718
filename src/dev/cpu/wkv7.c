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

void wkv_cpu_wkv7(wkv_exec *x, real *y, real *keep, const wkv_wkv7_in *in, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    int H = in->stride / in->N;
    size_t tasks = (size_t)q->n * (size_t)H;
    size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
    int parts = wkv_cpu_parts(x, tasks, steps / 2);
    const int together = (int)(tasks / (TURNS * (size_t)parts)) + 1;
#pragma omp parallel for num_threads(parts) schedule(dynamic, together) if (parts > 1)
    for (size_t i = 0; i < tasks; i++) {
        wkv_head_task t = wkv_head_task_at(i, H, in->N, q);
        wkv_wkv7_in mine = inputs_of(in, &t);
        x->dev->kern->wkv7(y + t.row0, slot->state[t.seq] + slot->offset + t.state,
                           keep != NULL ? keep + t.keep : NULL, &mine);
    }
}

void wkv_cpu_wkv7_bwd(wkv_exec *x, const wkv_wkv7_grad *grad, const real *dy, const real *keep,
                      const wkv_wkv7_in *in, const wkv_seqs *q, const wkv_slot *dslot)
{
    int H = in->stride / in->N;
    size_t square = (size_t)in->N * (size_t)in->N;
    size_t each = square + WKV_WKV7_SCRATCH(in->N);
    size_t mark = wkv_arena_mark(x->scratch);
    real *scratch = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        size_t tasks = (size_t)q->n * (size_t)H;
        size_t steps = (size_t)wkv_seqs_rows(q) * (size_t)in->stride * (size_t)in->N;
        int parts = wkv_cpu_parts(x, tasks, 2 * steps);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int p = 0; p < parts; p++) {
            real *mine = scratch + (size_t)p * each;
            wkv_span s = wkv_span_of(tasks, parts, p, 1);
            for (size_t i = s.begin; i < s.begin + s.n; i++) {
                wkv_head_task t = wkv_head_task_at(i, H, in->N, q);
                wkv_wkv7_in inputs = inputs_of(in, &t);
                wkv_wkv7_grad g = gradients_of(grad, &t);
                real *dS = wkv_head_dstate(&t, dslot, mine, in->N);
                x->dev->kern->wkv7_bwd(&g, dS, dy + t.row0, keep + t.keep, &inputs, mine + square);
            }
        }
    }
    wkv_arena_reset(x->scratch, mark);
}
