/* dev/cpu/shift.c - token shift: each row is mixed with the row before it, which for a
 * sequence's first row is what the state carried.  All goes by blocks of rows. */
#include <assert.h>
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/stretch.h"
#include "dev/cpu/sums.h"

/* ---- the state ------------------------------------------------------------------------ */

void wkv_cpu_shift(wkv_exec *x, real *prev, const real *in, int C, const wkv_seqs *q,
                   const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    size_t n = (size_t)C, bytes = n * sizeof(real);
    for (int b = 0; b < q->n; b++) {
        real *state = slot->state[b] + slot->offset;
        memcpy(prev + (size_t)b * n, state, bytes);
        memcpy(state, in + (size_t)(q->start[b + 1] - 1) * n, bytes);
    }
}

void wkv_cpu_shift_bwd(wkv_exec *x, real *din, const real *dprev, int C, const wkv_seqs *q,
                       const wkv_slot *dslot)
{
    if (wkv_exec_measuring(x) || dslot->state == NULL)
        return;
    size_t n = (size_t)C;
    for (int b = 0; b < q->n; b++) {
        real *dstate = dslot->state[b] + dslot->offset;
        x->dev->kern->add(din + (size_t)(q->start[b + 1] - 1) * n, dstate, n);
        memcpy(dstate, dprev + (size_t)b * n, n * sizeof *dprev);
    }
}

/* ---- forward ---------------------------------------------------------------------------- */

static void mix_rows(const wkv_kern *k, real *const *y, const real *prev, const real *in,
                     const real *const *m, int n_mix, const wkv_seqs *q, int begin, int end,
                     size_t C, wkv_shift_mode mode)
{
    for (int r = begin; r < end;) {
        wkv_stretch t = wkv_stretch_at(q, r, end);
        real *out[WKV_MAX_MIX];
        for (int j = 0; j < n_mix; j++)
            out[j] = y[j] + (size_t)r * C;
        const real *row = in + (size_t)r * C;
        const real *before = t.first ? prev + (size_t)t.seq * C : row - C;
        k->shift_mix(out, row, before, m, n_mix, t.end - r, (int)C, mode);
        r = t.end;
    }
}

void wkv_cpu_shift_mix(wkv_exec *x, real *const *y, const real *prev, const real *in,
                       const wkv_weight *const *mu, int n_mix, const wkv_seqs *q,
                       wkv_shift_mode mode)
{
    assert(n_mix <= WKV_MAX_MIX);
    if (wkv_exec_measuring(x))
        return;
    size_t C = (size_t)mu[0]->cols, rows = (size_t)wkv_seqs_rows(q);
    const real *m[WKV_MAX_MIX];
    for (int j = 0; j < n_mix; j++)
        m[j] = wkv_vec(mu[j]);
    int parts = wkv_cpu_parts(x, (rows + WKV_STRETCH - 1) / WKV_STRETCH, rows * C * (size_t)n_mix);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(rows, parts, i, WKV_STRETCH);
        mix_rows(x->dev->kern, y, prev, in, m, n_mix, q, (int)s.begin, (int)(s.begin + s.n), C,
                 mode);
    }
}

/* ---- backward --------------------------------------------------------------------------- */

/* What a backward pass over the mixes works on. */
typedef struct backward {
    const real *const *dy;
    const real *m[WKV_MAX_MIX];
    int n_mix;
    int live[WKV_MAX_MIX], n_live; /* the mixes that are not frozen */
    const real *in, *prev;
    const wkv_seqs *q;
    size_t C;
    wkv_shift_mode mode;
    wkv_sums sums; /* of the live mixes */
} backward;

/* Of stretch t, which starts at row r, the terms of the mixes' gradients. */
static void bwd_mixes(const wkv_kern *k, const backward *g, real *const *dmu, const wkv_stretch *t,
                      int r)
{
    const real *d[WKV_MAX_MIX], *row = g->in + (size_t)r * g->C;
    const real *before = t->first ? g->prev + (size_t)t->seq * g->C : row - g->C;
    for (int j = 0; j < g->n_live; j++)
        d[j] = g->dy[g->live[j]] + (size_t)r * g->C;
    k->shift_mix_bwd_mu(dmu, d, row, before, g->n_live, t->end - r, (int)g->C, (int)g->C, g->mode);
}

static void bwd_block(const wkv_kern *k, real *din, const backward *g, const real *zeros,
                      size_t block)
{
    const int begin = (int)block * WKV_SUM_ROWS;
    const int end = begin + wkv_sums_rows(block, wkv_seqs_rows(g->q));
    real *dmu[WKV_MAX_MIX];
    for (int j = 0; j < g->n_live; j++)
        dmu[j] = wkv_sums_begin(&g->sums, j, block);
    for (int r = begin; r < end;) {
        wkv_stretch t = wkv_stretch_at(g->q, r, end);
        const real *d[WKV_MAX_MIX];
        for (int j = 0; j < g->n_mix; j++)
            d[j] = g->dy[j] + (size_t)r * g->C;
        k->shift_mix_bwd(din + (size_t)r * g->C, d, g->m, t.last ? zeros : NULL, g->n_mix,
                         t.end - r, (int)g->C, g->mode);
        bwd_mixes(k, g, dmu, &t, r);
        r = t.end;
    }
}

/* The gradient of the token before the first: what the first row's mixes give to it. */
static void bwd_previous(real *dprev, const backward *g)
{
    for (int b = 0; b < g->q->n; b++) {
        real *d = dprev + (size_t)b * g->C;
        size_t row = (size_t)g->q->start[b] * g->C;
        for (size_t c = 0; c < g->C; c++) {
            real sum = 0;
            for (int j = 0; j < g->n_mix; j++) {
                real weight = g->mode == WKV_SHIFT_PREVIOUS ? g->m[j][c] : 1 - g->m[j][c];
                sum += g->dy[j][row + c] * weight;
            }
            d[c] = sum;
        }
    }
}

void wkv_cpu_shift_mix_bwd(wkv_exec *x, real *din, real *dprev, const real *const *dy,
                           const real *prev, const real *in, const wkv_weight *const *mu, int n_mix,
                           const wkv_seqs *q, wkv_shift_mode mode)
{
    assert(n_mix <= WKV_MAX_MIX);
    backward g = {.dy = dy, .n_mix = n_mix, .in = in, .prev = prev, .q = q, .mode = mode};
    g.C = (size_t)mu[0]->cols;
    for (int j = 0; j < n_mix; j++) {
        g.m[j] = wkv_vec(mu[j]);
        if (mu[j]->grad != NULL)
            g.live[g.n_live++] = j;
    }
    const size_t rows = (size_t)wkv_seqs_rows(q), mark = wkv_arena_mark(x->scratch);
    real *zeros = wkv_arena_reals(x->scratch, g.C);
    g.sums = wkv_sums_alloc(x, g.n_live, (int)rows, g.C);
    if (!wkv_exec_measuring(x)) {
        memset(zeros, 0, g.C * sizeof *zeros);
        int parts = wkv_cpu_parts(x, g.sums.blocks, 2 * rows * g.C * (size_t)n_mix);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(g.sums.blocks, parts, i, 1);
            for (size_t b = s.begin; b < s.begin + s.n; b++)
                bwd_block(x->dev->kern, din, &g, zeros, b);
        }
        bwd_previous(dprev, &g);
        for (int j = 0; j < g.n_live; j++)
            wkv_sums_finish(x, &g.sums, j, mu[g.live[j]]);
    }
    wkv_arena_reset(x->scratch, mark);
}
