/* dev/cpu/lerp.c - token shift whose weights depend on the token (RWKV-6): as shift.c, with
 * mu[j] + delta[j].  The gradient of mu[j] is the column sum of that of delta[j]. */
#include <assert.h>
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/stretch.h"

/* The arrays of all mixes, as a kernel takes them. */
typedef struct mixes {
    const real *mu[WKV_MAX_MIX];
    const real *delta[WKV_MAX_MIX];
    int n;
    size_t C;
} mixes;

static mixes mixes_of(const wkv_weight *const *mu, const real *const *delta, int n)
{
    assert(n <= WKV_MAX_MIX);
    mixes m = {.n = n, .C = (size_t)mu[0]->cols};
    for (int j = 0; j < n; j++) {
        m.mu[j] = wkv_vec(mu[j]);
        m.delta[j] = delta[j];
    }
    return m;
}

/* The row before row r, which starts a stretch. */
static const real *row_before(const wkv_stretch *t, const real *prev, const real *in, int r,
                              size_t C)
{
    return t->first ? prev + (size_t)t->seq * C : in + (size_t)(r - 1) * C;
}

typedef struct forward {
    real *const *y;
    const mixes *m;
    const real *prev, *in;
    const wkv_seqs *q;
} forward;

static void lerp_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    const mixes *m = f->m;
    for (int r = (int)s.begin, end = (int)(s.begin + s.n); r < end;) {
        wkv_stretch t = wkv_stretch_at(f->q, r, end);
        size_t o = (size_t)r * m->C;
        real *out[WKV_MAX_MIX];
        const real *delta[WKV_MAX_MIX];
        for (int j = 0; j < m->n; j++) {
            out[j] = f->y[j] + o;
            delta[j] = m->delta[j] + o;
        }
        k->shift_lerp(out, f->in + o, row_before(&t, f->prev, f->in, r, m->C), m->mu, delta, m->n,
                      t.end - r, (int)m->C);
        r = t.end;
    }
}

void wkv_cpu_shift_lerp(wkv_exec *x, real *const *y, const real *prev, const real *in,
                        const wkv_weight *const *mu, const real *const *delta, int n_mix,
                        const wkv_seqs *q)
{
    if (wkv_exec_measuring(x))
        return;
    const mixes m = mixes_of(mu, delta, n_mix);
    const forward f = {y, &m, prev, in, q};
    const size_t rows = (size_t)wkv_seqs_rows(q);
    wkv_cpu_cut(x, lerp_rows, &f, rows, 1, rows * m.C * (size_t)m.n);
}

typedef struct backward {
    real *din, *const *ddelta;
    const real *const *dy;
    const mixes *m;
    const real *prev, *in, *zeros;
    const wkv_seqs *q;
} backward;

static void bwd_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const backward *g = ctx;
    const mixes *m = g->m;
    for (int r = (int)s.begin, end = (int)(s.begin + s.n); r < end;) {
        wkv_stretch t = wkv_stretch_at(g->q, r, end);
        size_t o = (size_t)r * m->C;
        real *out[WKV_MAX_MIX];
        const real *given[WKV_MAX_MIX], *delta[WKV_MAX_MIX];
        for (int j = 0; j < m->n; j++) {
            out[j] = g->ddelta[j] + o;
            given[j] = g->dy[j] + o;
            delta[j] = m->delta[j] + o;
        }
        k->shift_lerp_bwd(g->din + o, out, given, g->in + o,
                          row_before(&t, g->prev, g->in, r, m->C), m->mu, delta,
                          t.last ? g->zeros : NULL, m->n, t.end - r, (int)m->C);
        r = t.end;
    }
}

/* The gradient of the token before the first: what the first row's mixes give to it. */
static void bwd_previous(real *dprev, const real *const *dy, const mixes *m, const wkv_seqs *q)
{
    for (int b = 0; b < q->n; b++)
        for (size_t c = 0; c < m->C; c++) {
            size_t at = (size_t)q->start[b] * m->C + c;
            real sum = 0;
            for (int j = 0; j < m->n; j++)
                sum += dy[j][at] * (m->mu[j][c] + m->delta[j][at]);
            dprev[(size_t)b * m->C + c] = sum;
        }
}

void wkv_cpu_shift_lerp_bwd(wkv_exec *x, real *din, real *dprev, real *const *ddelta,
                            const real *const *dy, const real *prev, const real *in,
                            const wkv_weight *const *mu, const real *const *delta, int n_mix,
                            const wkv_seqs *q)
{
    const mixes m = mixes_of(mu, delta, n_mix);
    size_t rows = (size_t)wkv_seqs_rows(q);
    size_t mark = wkv_arena_mark(x->scratch);
    real *zeros = wkv_arena_reals(x->scratch, m.C);
    if (!wkv_exec_measuring(x)) {
        memset(zeros, 0, m.C * sizeof *zeros);
        const backward g = {din, ddelta, dy, &m, prev, in, zeros, q};
        wkv_cpu_cut(x, bwd_rows, &g, rows, WKV_STRETCH, rows * m.C * (size_t)m.n);
        bwd_previous(dprev, dy, &m, q);
        for (int j = 0; j < n_mix; j++)
            if (mu[j]->grad != NULL)
                wkv_cpu_colsum(x, mu[j]->grad, ddelta[j], (int)rows, m.C);
    }
    wkv_arena_reset(x->scratch, mark);
}
