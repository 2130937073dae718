/* dev/cpu/shift.c - token shift: each row is mixed with the row before it, which for a
 * sequence's first row is what the state carried.  Forward and input gradient go by
 * blocks of rows; the mixes' gradients by columns. */
#include <assert.h>
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/stretch.h"

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
    const wkv_seqs *q;
    size_t C;
    wkv_shift_mode mode;
} backward;

static void bwd_rows(const wkv_kern *k, real *din, const backward *g, const real *zeros, int begin,
                     int end)
{
    for (int r = begin; r < end;) {
        wkv_stretch t = wkv_stretch_at(g->q, r, end);
        const real *d[WKV_MAX_MIX];
        for (int j = 0; j < g->n_mix; j++)
            d[j] = g->dy[j] + (size_t)r * g->C;
        k->shift_mix_bwd(din + (size_t)r * g->C, d, g->m, t.last ? zeros : NULL, g->n_mix,
                         t.end - r, (int)g->C, g->mode);
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

static void bwd_mixes(wkv_exec *x, const backward *g, const real *prev, const real *in,
                      const wkv_weight *const *mu)
{
    int live[WKV_MAX_MIX], n_live = 0; /* the mixes that are not frozen */
    for (int j = 0; j < g->n_mix; j++)
        if (mu[j]->grad != NULL)
            live[n_live++] = j;
    size_t steps = (size_t)wkv_seqs_rows(g->q) * g->C * (size_t)g->n_mix;
    int parts = wkv_cpu_parts(x, g->C / WKV_COLUMN_GRAIN, steps);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(g->C, parts, i, WKV_COLUMN_GRAIN);
        for (int b = 0; b < g->q->n && n_live > 0 && s.n > 0; b++) {
            size_t o = (size_t)g->q->start[b] * g->C + s.begin;
            real *dmu[WKV_MAX_MIX];
            const real *d[WKV_MAX_MIX];
            for (int j = 0; j < n_live; j++) {
                dmu[j] = mu[live[j]]->grad + s.begin;
                d[j] = g->dy[live[j]] + o;
            }
            x->dev->kern->shift_mix_bwd_mu(dmu, d, in + o, prev + (size_t)b * g->C + s.begin,
                                           n_live, g->q->start[b + 1] - g->q->start[b], (int)g->C,
                                           (int)s.n, g->mode);
        }
    }
}

void wkv_cpu_shift_mix_bwd(wkv_exec *x, real *din, real *dprev, const real *const *dy,
                           const real *prev, const real *in, const wkv_weight *const *mu, int n_mix,
                           const wkv_seqs *q, wkv_shift_mode mode)
{
    assert(n_mix <= WKV_MAX_MIX);
    backward g = {.dy = dy, .n_mix = n_mix, .q = q, .mode = mode};
    g.C = (size_t)mu[0]->cols;
    for (int j = 0; j < n_mix; j++)
        g.m[j] = wkv_vec(mu[j]);
    size_t rows = (size_t)wkv_seqs_rows(q);
    size_t mark = wkv_arena_mark(x->scratch);
    real *zeros = wkv_arena_reals(x->scratch, g.C);
    if (!wkv_exec_measuring(x)) {
        memset(zeros, 0, g.C * sizeof *zeros);
        int parts =
            wkv_cpu_parts(x, (rows + WKV_STRETCH - 1) / WKV_STRETCH, rows * g.C * (size_t)n_mix);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of(rows, parts, i, WKV_STRETCH);
            bwd_rows(x->dev->kern, din, &g, zeros, (int)s.begin, (int)(s.begin + s.n));
        }
        bwd_previous(dprev, &g);
        bwd_mixes(x, &g, prev, in, mu);
    }
    wkv_arena_reset(x->scratch, mark);
}
