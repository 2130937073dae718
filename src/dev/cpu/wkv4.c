/* dev/cpu/wkv4.c - the RWKV-4 recurrence over a batch.  Channels are independent, so the
 * work is cut by blocks of channels; a block's parameter gradients are summed over the
 * sequences in order by the one thread that has the block. */
#include <string.h>

#include "dev/cpu/cpu.h"

enum { BLOCK = 32 };

typedef struct forward {
    real *y;
    const real *k, *v;
    const wkv_weight *decay, *first;
    const wkv_seqs *q;
    const wkv_slot *slot;
    size_t blocks;
} forward;

/* Block i % blocks of sequence i / blocks. */
static void forward_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    const size_t C = (size_t)f->decay->cols;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        int b = (int)(i / f->blocks);
        size_t c = i % f->blocks * BLOCK, n = C - c < BLOCK ? C - c : BLOCK;
        size_t o = (size_t)f->q->start[b] * C + c;
        k->wkv4(f->y + o, f->slot->state[b] + f->slot->offset + c, C, wkv_vec(f->decay) + c,
                wkv_vec(f->first) + c, f->k + o, f->v + o, f->q->start[b + 1] - f->q->start[b],
                (int)C, (int)n);
    }
}

void wkv_cpu_wkv4(wkv_exec *x, real *y, real *state0, const real *k, const real *v,
                  const wkv_weight *decay, const wkv_weight *first, const wkv_seqs *q,
                  const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)decay->cols, blocks = (C + BLOCK - 1) / BLOCK;
    for (int b = 0; b < q->n && state0 != NULL; b++)
        memcpy(state0 + (size_t)b * 3 * C, slot->state[b] + slot->offset, 3 * C * sizeof *state0);
    const forward f = {y, k, v, decay, first, q, slot, blocks};
    wkv_cpu_share(x, forward_blocks, &f, (size_t)q->n * blocks, 1,
                  16 * (size_t)wkv_seqs_rows(q) * C);
}

/* A parameter's gradient, or, when it is frozen, a place where one may be summed in vain. */
static real *gradient_of(const wkv_weight *w, real *unused)
{
    if (w->grad != NULL)
        return w->grad;
    memset(unused, 0, (size_t)w->cols * sizeof *unused);
    return unused;
}

typedef struct backward {
    real *dk, *dv, *ddecay, *dfirst;
    const real *dy, *state0, *k, *v;
    const wkv_weight *decay, *first;
    const wkv_seqs *q;
    const wkv_slot *dslot;
    real *dstate;  /* where none comes in, of one sequence */
    real *history; /* each a block */
    size_t each;
} backward;

/* n channels from c on, of all sequences. */
static void backward_block(const wkv_kern *k, const backward *g, size_t c, size_t n)
{
    const size_t C = (size_t)g->decay->cols;
    const bool own = g->dslot->state == NULL;
    for (int b = 0; b < g->q->n; b++) {
        size_t o = (size_t)g->q->start[b] * C + c;
        real *ds = own ? g->dstate : g->dslot->state[b] + g->dslot->offset;
        for (size_t j = 0; j < 3 && own; j++)
            memset(ds + j * C + c, 0, n * sizeof *ds);
        k->wkv4_bwd(g->dk + o, g->dv + o, g->ddecay + c, g->dfirst + c, ds + c, g->dy + o,
                    g->state0 + (size_t)b * 3 * C + c, C, wkv_vec(g->decay) + c,
                    wkv_vec(g->first) + c, g->k + o, g->v + o, g->q->start[b + 1] - g->q->start[b],
                    (int)C, (int)n, g->history + c / BLOCK * g->each);
    }
}

static void backward_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const backward *g = ctx;
    const size_t C = (size_t)g->decay->cols;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        const size_t c = i * BLOCK;
        backward_block(k, g, c, C - c < BLOCK ? C - c : BLOCK);
    }
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
    size_t mark = wkv_arena_mark(x->scratch), each = 3 * longest * BLOCK;
    real *history = wkv_arena_reals(x->scratch, blocks * each);
    real *dstate = wkv_arena_reals(x->scratch, 3 * C);
    real *unused = wkv_arena_reals(x->scratch, 2 * C);
    if (!wkv_exec_measuring(x)) {
        const backward g = {
            .dk = dk,
            .dv = dv,
            .ddecay = gradient_of(decay, unused),
            .dfirst = gradient_of(first, unused + C),
            .dy = dy,
            .state0 = state0,
            .k = k,
            .v = v,
            .decay = decay,
            .first = first,
            .q = q,
            .dslot = dslot,
            .dstate = dstate,
            .history = history,
            .each = each,
        };
        wkv_cpu_cut(x, backward_blocks, &g, blocks, 1, 64 * (size_t)wkv_seqs_rows(q) * C);
    }
    wkv_arena_reset(x->scratch, mark);
}
