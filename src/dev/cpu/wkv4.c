/* dev/cpu/wkv4.c - the RWKV-4 recurrence over a batch.  Channels are independent, so the
 * work is cut by blocks of channels; a block's parameter gradients are summed over the
 * sequences in order by the one thread that has the block. */
#include <string.h>

#include "dev/cpu/cpu.h"

enum { BLOCK = 32 };

void wkv_cpu_wkv4(wkv_exec *x, real *y, real *state0, const real *k, const real *v,
                  const wkv_weight *decay, const wkv_weight *first, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)decay->cols, blocks = (C + BLOCK - 1) / BLOCK;
    for (int b = 0; b < q->n && state0 != NULL; b++)
        memcpy(state0 + (size_t)b * 3 * C, slot->state[b] + slot->offset, 3 * C * sizeof *state0);
    size_t tasks = (size_t)q->n * blocks;
    int parts = wkv_cpu_parts(x, tasks, 16 * (size_t)wkv_seqs_rows(q) * C);
#pragma omp parallel for num_threads(parts) schedule(dynamic) if (parts > 1)
    for (size_t i = 0; i < tasks; i++) {
        int b = (int)(i / blocks);
        size_t c = i % blocks * BLOCK, n = C - c < BLOCK ? C - c : BLOCK;
        size_t o = (size_t)q->start[b] * C + c;
        x->dev->kern->wkv4(y + o, slot->state[b] + slot->offset + c, C, wkv_vec(decay) + c,
                           wkv_vec(first) + c, k + o, v + o, q->start[b + 1] - q->start[b], (int)C,
                           (int)n);
    }
}

/* A parameter's gradient, or, when it is frozen, a place where one may be summed in vain. */
static real *gradient_of(const wkv_weight *w, real *unused)
{
    if (w->grad != NULL)
        return w->grad;
    memset(unused, 0, (size_t)w->cols * sizeof *unused);
    return unused;
}

void wkv_cpu_wkv4_bwd(wkv_exec *x, real *dk, real *dv, const real *dy, const real *state0,
                      const real *k, const real *v, const wkv_weight *decay,
                      const wkv_weight *first, const wkv_seqs *q, const wkv_slot *dslot)
{
    size_t C = (size_t)decay->cols, blocks = (C + BLOCK - 1) / BLOCK, longest = 0;
    for (int b = 0; b < q->n; b++) {
        size_t T = (size_t)(q->start[b + 1] - q->start[b]);
        longest = T > longest ? T : longest;
    }
    size_t mark = wkv_arena_mark(x->scratch);
    real *history = wkv_arena_reals(x->scratch, 3 * longest * blocks * BLOCK);
    real *dstate = wkv_arena_reals(x->scratch, 3 * C);
    real *unused = wkv_arena_reals(x->scratch, 2 * C);
    if (!wkv_exec_measuring(x)) {
        real *ddecay = gradient_of(decay, unused), *dfirst = gradient_of(first, unused + C);
        int parts = wkv_cpu_parts(x, blocks, 64 * (size_t)wkv_seqs_rows(q) * C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (size_t i = 0; i < blocks; i++) {
            size_t c = i * BLOCK, n = C - c < BLOCK ? C - c : BLOCK;
            for (int b = 0; b < q->n; b++) {
                size_t o = (size_t)q->start[b] * C + c;
                real *ds = dslot->state != NULL ? dslot->state[b] + dslot->offset : dstate;
                for (size_t j = 0; j < 3 && dslot->state == NULL; j++)
                    memset(ds + j * C + c, 0, n * sizeof *ds);
                x->dev->kern->wkv4_bwd(dk + o, dv + o, ddecay + c, dfirst + c, ds + c, dy + o,
                                       state0 + (size_t)b * 3 * C + c, C, wkv_vec(decay) + c,
                                       wkv_vec(first) + c, k + o, v + o,
                                       q->start[b + 1] - q->start[b], (int)C, (int)n,
                                       history + 3 * longest * BLOCK * i);
            }
        }
    }
    wkv_arena_reset(x->scratch, mark);
}
