/* kern/simd/wkv7_tmpl.h - RWKV-7's recurrence of one head, S[key][value], values along
 * the lanes.  The mathematics is in ref/wkv7_ref.c.
 *
 * Forward, a column of S sees no other column: a block of columns goes through all steps
 * by itself.  Each step reads and writes the block once, for besides y_t it prepares
 * s_{t+1} = S_t^T a_{t+1} of the step that follows.
 *
 * Backward, one sweep over D and S_{t-1} does all of step t that needs them and the
 * first half of step t - 1.  Sums over values are left as vectors of partial sums and
 * folded for VF_N rows at once, outside the inner loop. */

#include "kern/simd/blocks.h"

enum { ROWS = 2 }; /* rows that share column loads */

static size_t row_of(const wkv_wkv7_in *in, int t)
{
    return (size_t)t * (size_t)in->stride;
}

static void fetch_inputs(const wkv_wkv7_in *in, int t)
{
    size_t N = (size_t)in->N, at = row_of(in, t);
    fetch_row(in->r + at, N);
    fetch_row(in->w + at, N);
    fetch_row(in->k + at, N);
    fetch_row(in->v + at, N);
    fetch_row(in->a + at, N);
    fetch_row(in->b + at, N);
}

/* ---- one step of a block of J vectors of columns ----------------------------------------- */

/* What a step knows of its block. */
typedef struct block {
    vf s[BLOCK], y[BLOCK];
} block;

/* s = S^T a */
WKV_INLINE void first_s(block *c, const real *S, const real *a, size_t N, size_t J, size_t lanes)
{
    for (size_t j = 0; j < J; j++)
        c->s[j] = vf_zero();
    for (size_t i = 0; i < N; i++) {
        vf ai = vf_set1(a[i]);
        for (size_t j = 0; j < J; j++)
            c->s[j] = vf_fma(ai, load_some(S + i * N + j * VF_N, lanes), c->s[j]);
    }
}

/* `out` from S (perhaps the same array) at time t; y of this step; s of the next, when
 * `more`. */
WKV_INLINE void step_block(block *c, real *out, const real *S, const wkv_wkv7_in *in, int t,
                           size_t col, size_t J, size_t lanes, bool more)
{
    size_t N = (size_t)in->N, at = row_of(in, t);
    const real *w = in->w + at, *b = in->b + at, *k = in->k + at, *r = in->r + at;
    const real *a = in->a + at + (size_t)in->stride; /* of the next step: read when `more` */
    vf v[BLOCK], next[BLOCK];
    for (size_t j = 0; j < J; j++) {
        v[j] = load_some(in->v + at + col + j * VF_N, lanes);
        c->y[j] = next[j] = vf_zero();
    }
    for (size_t i = 0; i < N; i++) {
        vf wi = vf_set1(w[i]), bi = vf_set1(b[i]), ki = vf_set1(k[i]), ri = vf_set1(r[i]);
        vf ai = more ? vf_set1(a[i]) : vf_zero();
        for (size_t j = 0; j < J; j++) {
            size_t m = i * N + j * VF_N;
            vf x = vf_mul(wi, load_some(S + m, lanes));
            x = vf_fma(ki, v[j], vf_fma(bi, c->s[j], x));
            store_some(out + m, x, lanes);
            c->y[j] = vf_fma(ri, x, c->y[j]);
            if (more)
                next[j] = vf_fma(ai, x, next[j]);
            else
                WKV_PREFETCH(S + m + N * N); /* the next head's */
        }
    }
    for (size_t j = 0; j < J; j++)
        c->s[j] = next[j];
}

/* ---- forward ------------------------------------------------------------------------------- */

typedef struct forward {
    real *y, *S, *keep;
    wkv_wkv7_in in;
    bool past; /* whether what is for later goes past the caches */
} forward;

/* All steps of the columns from `col` on. */
WKV_INLINE void forward_block(void *ctx, size_t col, size_t J, size_t lanes)
{
    const forward f = *(const forward *)ctx;
    const wkv_wkv7_in *in = &f.in;
    size_t N = (size_t)in->N;
    real *S = f.S + col;
    block c;
    first_s(&c, S, in->a, N, J, lanes);
    for (int t = 0; t < in->T; t++) {
        if (t + STEPS_AHEAD < in->T)
            fetch_inputs(in, t + STEPS_AHEAD);
        if (f.keep != NULL && t % WKV_WKV7_CHUNK == 0)
            keep_block(f.keep + (size_t)(t / WKV_WKV7_CHUNK) * N * N + col, S, N, J, lanes, f.past);
        if (t + 1 < in->T)
            step_block(&c, S, S, in, t, col, J, lanes, true);
        else
            step_block(&c, S, S, in, t, col, J, lanes, false);
        for (size_t j = 0; j < J; j++)
            stream_some(f.y + row_of(in, t) + col + j * VF_N, c.y[j], lanes, f.past);
    }
}

static void wkv7(real *y, real *S, real *keep, const wkv_wkv7_in *in)
{
    const size_t N = (size_t)in->N;
    forward f = {y, S, keep, *in, false};
    f.past = keep != NULL && is_lines(keep, N) && is_lines(y, N) && in->stride % LINE == 0;
    if (in->T > 0)
        by_blocks(N, forward_block, &f);
    vf_stream_end();
}

/* ---- the states of one chunk, computed anew ------------------------------------------------- */

typedef struct replay {
    chunk q;
    real *s;   /* of each step, (N) */
    bool last; /* of the sequence: the state after its last step is wanted too */
    wkv_wkv7_in in;
} replay;

WKV_INLINE void replay_block(void *ctx, size_t col, size_t J, size_t lanes)
{
    const replay p = *(const replay *)ctx;
    size_t N = (size_t)p.in.N;
    block c;
    first_s(&c, p.q.first + col, p.in.a + row_of(&p.in, p.q.start), N, J, lanes);
    for (int i = 0; i < p.q.len; i++) {
        const real *S = state_of(&p.q, i, N) + col;
        real *next = p.q.states + (size_t)(i + 1) * N * N + col;
        for (size_t j = 0; j < J; j++)
            store_some(p.s + (size_t)i * N + col + j * VF_N, c.s[j], lanes);
        if (i + 1 < p.q.len)
            step_block(&c, next, S, &p.in, p.q.start + i, col, J, lanes, true);
        else if (p.last)
            step_block(&c, next, S, &p.in, p.q.start + i, col, J, lanes, false);
    }
}

/* ---- backward ----------------------------------------------------------------------------------
 */

/* Sums over values, one vector of partial sums for each of VF_N rows. */
typedef struct folds {
    vf dr[VF_N], dk[VF_N], db[VF_N], dw[VF_N], da[VF_N];
} folds;

/* One sweep: S = S_{t-1}; of step t what its second half needs, of step t - 1 the first. */
typedef struct sweep {
    size_t N;
    const real *S;
    real *D;
    const real *v, *s, *ds, *w, *a; /* of t */
    const real *dy, *r, *k, *b;     /* of t - 1 */
    real *dv, *ds_before;           /* of t - 1, added to */
} sweep;

/* R rows from i on: where they lie, what multiplies them, their sums so far. */
typedef struct row_group {
    real *D[ROWS];
    const real *S[ROWS];
    vf w[ROWS], a[ROWS], r[ROWS], k[ROWS], b[ROWS];
    vf dr[ROWS], dk[ROWS], db[ROWS], dw[ROWS], da[ROWS];
} row_group;

/* One vector of columns of R rows.  `now`: the part of step t; `before`: that of t - 1. */
WKV_INLINE void sweep_at(const sweep *p, row_group *g, size_t R, size_t j, size_t lanes, bool now,
                         bool before)
{
    vf v = vf_zero(), s = v, ds = v, dy = v, dv = v, ds_before = v;
    if (now) {
        v = load_some(p->v + j, lanes);
        s = load_some(p->s + j, lanes);
        ds = load_some(p->ds + j, lanes);
    }
    if (before) {
        dy = load_some(p->dy + j, lanes);
        dv = load_some(p->dv + j, lanes);
        ds_before = load_some(p->ds_before + j, lanes);
    }
    for (size_t l = 0; l < R; l++) {
        vf D = load_some(g->D[l] + j, lanes), S = load_some(g->S[l] + j, lanes);
        if (now) {
            g->dk[l] = vf_fma(D, v, g->dk[l]);
            g->db[l] = vf_fma(D, s, g->db[l]);
            g->dw[l] = vf_fma(D, S, g->dw[l]);
            g->da[l] = vf_fma(S, ds, g->da[l]);
            D = vf_fma(g->a[l], ds, vf_mul(g->w[l], D));
        }
        if (before) {
            g->dr[l] = vf_fma(S, dy, g->dr[l]);
            D = vf_fma(g->r[l], dy, D);
            dv = vf_fma(g->k[l], D, dv);
            ds_before = vf_fma(g->b[l], D, ds_before);
        }
        store_some(g->D[l] + j, D, lanes);
    }
    if (before) {
        store_some(p->dv + j, dv, lanes);
        store_some(p->ds_before + j, ds_before, lanes);
    }
}

/* R rows, all columns; their sums go to f from f0 on. */
WKV_INLINE void sweep_rows(const sweep *p, folds *f, size_t i, size_t f0, size_t R, bool now,
                           bool before)
{
    row_group g;
    for (size_t l = 0; l < R; l++) {
        g.D[l] = p->D + (i + l) * p->N;
        g.S[l] = p->S + (i + l) * p->N;
        g.w[l] = now ? vf_set1(p->w[i + l]) : vf_zero();
        g.a[l] = now ? vf_set1(p->a[i + l]) : vf_zero();
        g.r[l] = before ? vf_set1(p->r[i + l]) : vf_zero();
        g.k[l] = before ? vf_set1(p->k[i + l]) : vf_zero();
        g.b[l] = before ? vf_set1(p->b[i + l]) : vf_zero();
        g.dr[l] = g.dk[l] = g.db[l] = g.dw[l] = g.da[l] = vf_zero();
    }
    size_t j = 0;
    for (; j + VF_N <= p->N; j += VF_N)
        sweep_at(p, &g, R, j, VF_N, now, before);
    if (j < p->N)
        sweep_at(p, &g, R, j, p->N - j, now, before);
    for (size_t l = 0; l < R; l++) {
        f->dr[f0 + l] = g.dr[l];
        f->dk[f0 + l] = g.dk[l];
        f->db[f0 + l] = g.db[l];
        f->dw[f0 + l] = g.dw[l];
        f->da[f0 + l] = g.da[l];
    }
}

/* Where a sweep's sums over values go; rows of t, and of t - 1 for dr. */
typedef struct row_sums {
    real *dk, *db, *dw, *da, *dr;
    bool past;
} row_sums;

/* The sweep comes as a copy: to the compiler a store of vectors may change whatever is
 * reached through a pointer. */
WKV_INLINE void sweep_all(sweep q, row_sums out, bool now, bool before)
{
    const sweep *p = &q;
    folds f;
    for (size_t l = 0; l < VF_N; l++)
        f.dr[l] = f.dk[l] = f.db[l] = f.dw[l] = f.da[l] = vf_zero();
    for (size_t i = 0; i < p->N; i += VF_N) {
        size_t rows = p->N - i < VF_N ? p->N - i : VF_N, l = 0;
        for (; l + ROWS <= rows; l += ROWS)
            sweep_rows(p, &f, i + l, l, ROWS, now, before);
        for (; l < rows; l++)
            sweep_rows(p, &f, i + l, l, 1, now, before);
        if (before)
            stream_some(out.dr + i, vf_sums(f.dr), rows, out.past);
        if (now) {
            stream_some(out.dk + i, vf_sums(f.dk), rows, out.past);
            stream_some(out.db + i, vf_sums(f.db), rows, out.past);
            stream_some(out.dw + i, vf_sums(f.dw), rows, out.past);
            stream_some(out.da + i, vf_sums(f.da), rows, out.past);
        }
    }
}

/* Only step t - 1: before the last step of all.  Only step t: the first of all. */
static void sweep_last(const sweep *p, const row_sums *out)
{
    sweep_all(*p, *out, false, true);
}

static void sweep_middle(const sweep *p, const row_sums *out)
{
    sweep_all(*p, *out, true, true);
}

static void sweep_first(const sweep *p, const row_sums *out)
{
    sweep_all(*p, *out, true, false);
}

/* The part of a sweep that belongs to step t - 1 = `t`. */
static void aim_before(sweep *p, row_sums *out, const wkv_wkv7_grad *grad, const real *dy,
                       const wkv_wkv7_in *in, int t, real *ds)
{
    size_t at = row_of(in, t);
    p->dy = dy + at;
    p->r = in->r + at;
    p->k = in->k + at;
    p->b = in->b + at;
    p->ds_before = ds;
    out->dr = grad->dr + at;
    for (size_t j = 0; j < p->N; j++)
        p->dv[j] = ds[j] = 0;
}

static void aim_now(sweep *p, row_sums *out, const wkv_wkv7_grad *grad, const wkv_wkv7_in *in,
                    int t, const real *s)
{
    size_t at = row_of(in, t);
    p->v = in->v + at;
    p->w = in->w + at;
    p->a = in->a + at;
    p->s = s;
    p->ds = p->ds_before;
    out->dk = grad->dk + at;
    out->db = grad->db + at;
    out->dw = grad->dw + at;
    out->da = grad->da + at;
}

static void fetch_step(const real *dy, const wkv_wkv7_in *in, int t)
{
    fetch_inputs(in, t);
    fetch_row(dy + row_of(in, t), (size_t)in->N);
}

static bool grads_are_lines(const wkv_wkv7_grad *g, const wkv_wkv7_in *in)
{
    const size_t N = (size_t)in->N;
    return is_lines(g->dr, N) && is_lines(g->dw, N) && is_lines(g->dk, N) && is_lines(g->dv, N) &&
           is_lines(g->da, N) && is_lines(g->db, N) && in->stride % LINE == 0;
}

static void wkv7_bwd(const wkv_wkv7_grad *grad, real *dS, const real *dy, const real *keep,
                     const wkv_wkv7_in *in, real *scratch)
{
    size_t N = (size_t)in->N, NN = N * N;
    real *s = scratch + (WKV_WKV7_CHUNK + 1) * NN, *ds[2] = {s + WKV_WKV7_CHUNK * N};
    ds[1] = ds[0] + N;
    sweep p = {.N = N, .D = dS, .dv = ds[1] + N};
    row_sums out = {.past = grads_are_lines(grad, in)};
    for (int n = count_chunks(in->T), last = n - 1; n-- > 0;) {
        replay c = {chunk_of(keep, scratch, n, in->T, N), s, n == last, *in};
        by_blocks(N, replay_block, &c);
        if (c.last) {
            aim_before(&p, &out, grad, dy, in, in->T - 1, ds[(in->T - 1) % 2]);
            p.S = state_of(&c.q, c.q.len, N);
            sweep_last(&p, &out);
            put_row(grad->dv + row_of(in, in->T - 1), p.dv, N, out.past);
        }
        for (int i = c.q.len - 1; i >= 0; i--) {
            int t = c.q.start + i;
            if (t >= WKV_WKV7_CHUNK) /* the chunk before is next */
                fetch_step(dy, in, t - WKV_WKV7_CHUNK);
            aim_now(&p, &out, grad, in, t, s + (size_t)i * N);
            p.S = state_of(&c.q, i, N);
            if (t > 0) {
                aim_before(&p, &out, grad, dy, in, t - 1, ds[(t - 1) % 2]);
                sweep_middle(&p, &out);
                put_row(grad->dv + row_of(in, t - 1), p.dv, N, out.past);
            } else {
                sweep_first(&p, &out);
            }
        }
    }
    vf_stream_end();
}

static void set_wkv7(wkv_kern *k)
{
    k->wkv7 = wkv7;
    k->wkv7_bwd = wkv7_bwd;
}
