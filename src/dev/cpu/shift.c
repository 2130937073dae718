/* dev/cpu/shift.c - token shift: each row is mixed with the row before it, which for a
 * sequence's first row is what the state carried.  All goes by blocks of rows. */
#include <assert.h>
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/stretch.h"
#include "dev/cpu/sums.h"

/* ---- the state ------------------------------------------------------------------------ */

typedef struct carrying {
    real *prev;
    const real *in;
    const wkv_seqs *q;
    const wkv_slot *slot;
    size_t C;
} carrying;

static void carry(const wkv_kern *k, const void *ctx, wkv_span s)
{
    (void)k;
    const carrying *c = ctx;
    const size_t bytes = c->C * sizeof(real);
    for (size_t b = s.begin; b < s.begin + s.n; b++) {
        real *state = c->slot->state[b] + c->slot->offset;
        memcpy(c->prev + b * c->C, state, bytes);
        memcpy(state, c->in + (size_t)(c->q->start[b + 1] - 1) * c->C, bytes);
    }
}

void wkv_cpu_shift(wkv_exec *x, real *prev, const real *in, int C, const wkv_seqs *q,
                   const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    const carrying c = {.prev = prev, .in = in, .q = q, .slot = slot, .C = (size_t)C};
    const size_t n = (size_t)q->n;
    wkv_cpu_cut(x, carry, &c, n, 1, 2 * n * c.C);
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

typedef struct forward {
    real *const *y;
    const real *m[WKV_MAX_MIX];
    int n_mix;
    const real *prev, *in;
    const wkv_seqs *q;
    size_t C;
    wkv_shift_mode mode;
} forward;

static void mix_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    for (int r = (int)s.begin, end = (int)(s.begin + s.n); r < end;) {
        wkv_stretch t = wkv_stretch_at(f->q, r, end);
        real *out[WKV_MAX_MIX];
        for (int j = 0; j < f->n_mix; j++)
            out[j] = f->y[j] + (size_t)r * f->C;
        const real *row = f->in + (size_t)r * f->C;
        const real *before = t.first ? f->prev + (size_t)t.seq * f->C : row - f->C;
        k->shift_mix(out, row, before, f->m, f->n_mix, t.end - r, (int)f->C, f->mode);
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
    forward f = {.y = y, .n_mix = n_mix, .prev = prev, .in = in, .q = q, .mode = mode};
    f.C = (size_t)mu[0]->cols;
    for (int j = 0; j < n_mix; j++)
        f.m[j] = wkv_vec(mu[j]);
    const size_t rows = (size_t)wkv_seqs_rows(q);
    wkv_cpu_cut(x, mix_rows, &f, rows, 1, rows * f.C * (size_t)n_mix);
}

/* ---- backward --------------------------------------------------------------------------- */

/* What a backward pass over the mixes works on. */
typedef struct backward {
    const real *const *dy;
    const real *m[WKV_MAX_MIX];
    int n_mix;
    int live[WKV_MAX_MIX], n_live; /* the mixes that are not frozen */
    const real *in, *prev, *zeros;
    real *din;
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

static void bwd_block(const wkv_kern *k, const backward *g, size_t block)
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
        k->shift_mix_bwd(g->din + (size_t)r * g->C, d, g->m, t.last ? g->zeros : NULL, g->n_mix,
                         t.end - r, (int)g->C, g->mode);
        bwd_mixes(k, g, dmu, &t, r);
        r = t.end;
    }
}

static void bwd_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    for (size_t b = s.begin; b < s.begin + s.n; b++)
        bwd_block(k, ctx, b);
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
    backward g = {
        .dy = dy, .n_mix = n_mix, .in = in, .prev = prev, .din = din, .q = q, .mode = mode};
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
        g.zeros = zeros;
        wkv_cpu_cut(x, bwd_blocks, &g, g.sums.blocks, 1, 2 * rows * g.C * (size_t)n_mix);
        bwd_previous(dprev, &g);
        for (int j = 0; j < g.n_live; j++)
            wkv_sums_finish(x, &g.sums, j, mu[g.live[j]]);
    }
    wkv_arena_reset(x->scratch, mark);
}
