/* kern/simd/wkv6_tmpl.h - the recurrence of RWKV-5 and 6 of one head, S[key][value], values
 * along the lanes.  The mathematics is in ref/wkv6_ref.c.
 *
 * The bonus leaves the sweep over S: y = S^T r + (sum of r u k) v, so that a step reads and
 * writes S once, with three operations for each of its elements.
 *
 * Backward, one sweep over D and S does all of a step.  Sums over values are left as
 * vectors of partial sums and folded for VF_N rows at once, outside the inner loop. */
#include "kern/simd/blocks.h"

enum { ROWS = 2 }; /* rows that share column loads */

static size_t row_of(const wkv_wkv6_in *in, int t)
{
    return (size_t)t * (size_t)in->stride;
}

static const real *decay_at(const wkv_wkv6_in *in, int t)
{
    return in->w + (size_t)t * (size_t)in->w_stride;
}

static void fetch_inputs(const wkv_wkv6_in *in, int t)
{
    size_t N = (size_t)in->N, at = row_of(in, t);
    fetch_row(in->r + at, N);
    fetch_row(decay_at(in, t), N);
    fetch_row(in->k + at, N);
    fetch_row(in->v + at, N);
}

/* sum of r u k, the weight of v in this step's own output */
WKV_INLINE float bonus_at(const wkv_wkv6_in *in, size_t at)
{
    size_t N = (size_t)in->N;
    vf sum = vf_zero();
    for (size_t i = 0; i < N; i += VF_N) {
        vf rk = vf_mul(load_some(in->r + at + i, N - i), load_some(in->k + at + i, N - i));
        sum = vf_fma(rk, load_some(in->u + i, N - i), sum);
    }
    return vf_sum(sum);
}

/* ---- forward ------------------------------------------------------------------------------- */

/* One step of J vectors of columns: `out` from S (perhaps the same array); y += S^T r, when
 * `outputs`. */
WKV_INLINE void step_block(vf *y, real *out, const real *S, const wkv_wkv6_in *in, int t,
                           size_t col, size_t J, size_t lanes, bool outputs)
{
    size_t N = (size_t)in->N, at = row_of(in, t);
    const real *w = decay_at(in, t), *k = in->k + at, *r = in->r + at;
    vf v[BLOCK];
    for (size_t j = 0; j < J; j++)
        v[j] = load_some(in->v + at + col + j * VF_N, lanes);
    for (size_t i = 0; i < N; i++) {
        vf wi = vf_set1(w[i]), ki = vf_set1(k[i]), ri = outputs ? vf_set1(r[i]) : vf_zero();
        for (size_t j = 0; j < J; j++) {
            size_t m = i * N + j * VF_N;
            vf x = load_some(S + m, lanes);
            if (outputs)
                y[j] = vf_fma(ri, x, y[j]);
            store_some(out + m, vf_fma(wi, x, vf_mul(ki, v[j])), lanes);
        }
    }
}

typedef struct forward {
    real *y, *S, *keep;
    wkv_wkv6_in in;
    bool past; /* whether what is for later goes past the caches */
} forward;

/* All steps of the columns from `col` on. */
WKV_INLINE void forward_block(void *ctx, size_t col, size_t J, size_t lanes)
{
    const forward f = *(const forward *)ctx;
    size_t N = (size_t)f.in.N;
    real *S = f.S + col;
    for (int t = 0; t < f.in.T; t++) {
        size_t at = row_of(&f.in, t) + col;
        if (t + STEPS_AHEAD < f.in.T)
            fetch_inputs(&f.in, t + STEPS_AHEAD);
        if (f.keep != NULL && t % WKV_WKV7_CHUNK == 0)
            keep_block(f.keep + (size_t)(t / WKV_WKV7_CHUNK) * N * N + col, S, N, J, lanes, f.past);
        vf y[BLOCK], bonus = vf_set1(bonus_at(&f.in, at - col));
        for (size_t j = 0; j < J; j++)
            y[j] = vf_mul(bonus, load_some(f.in.v + at + j * VF_N, lanes));
        step_block(y, S, S, &f.in, t, col, J, lanes, true);
        for (size_t j = 0; j < J; j++)
            stream_some(f.y + at + j * VF_N, y[j], lanes, f.past);
    }
}

static void wkv6(real *y, real *S, real *keep, const wkv_wkv6_in *in)
{
    const size_t N = (size_t)in->N;
    forward f = {y, S, keep, *in, false};
    f.past = keep != NULL && is_lines(keep, N) && is_lines(y, N) && in->stride % LINE == 0;
    by_blocks(N, forward_block, &f);
    vf_stream_end();
}

/* ---- backward -------------------------------------------------------------------------------- */

typedef struct replay {
    chunk q;
    wkv_wkv6_in in;
} replay;

WKV_INLINE void replay_block(void *ctx, size_t col, size_t J, size_t lanes)
{
    const replay p = *(const replay *)ctx;
    size_t N = (size_t)p.in.N;
    for (int i = 0; i + 1 < p.q.len; i++)
        step_block(NULL, p.q.states + (size_t)(i + 1) * N * N + col, state_of(&p.q, i, N) + col,
                   &p.in, p.q.start + i, col, J, lanes, false);
}

/* One step back: S before the step, D = dL/dS after it and then before it. */
typedef struct sweep {
    size_t N;
    const real *S;
    real *D;
    const real *r, *w, *k, *v, *u, *dy;
    real *dr, *dw, *dk, *dv, *du;
    bool past; /* whether dr, dw and dk go past the caches */
} sweep;

/* Sums over values, one vector of partial sums for each of VF_N rows. */
typedef struct folds {
    vf dr[VF_N], dw[VF_N], dk[VF_N];
} folds;

/* R rows from i on, all columns; their sums go to f from f0 on. */
WKV_INLINE void sweep_rows(const sweep *p, folds *f, size_t i, size_t f0, size_t R)
{
    vf w[ROWS], r[ROWS], k[ROWS], dr[ROWS], dw[ROWS], dk[ROWS];
    for (size_t l = 0; l < R; l++) {
        w[l] = vf_set1(p->w[i + l]);
        r[l] = vf_set1(p->r[i + l]);
        k[l] = vf_set1(p->k[i + l]);
        dr[l] = dw[l] = dk[l] = vf_zero();
    }
    for (size_t j = 0; j < p->N; j += VF_N) {
        size_t lanes = p->N - j;
        vf v = load_some(p->v + j, lanes), dy = load_some(p->dy + j, lanes);
        vf dv = load_some(p->dv + j, lanes);
        for (size_t l = 0; l < R; l++) {
            size_t m = (i + l) * p->N + j;
            vf S = load_some(p->S + m, lanes), D = load_some(p->D + m, lanes);
            dr[l] = vf_fma(S, dy, dr[l]);
            dw[l] = vf_fma(S, D, dw[l]);
            dk[l] = vf_fma(D, v, dk[l]);
            dv = vf_fma(k[l], D, dv);
            store_some(p->D + m, vf_fma(r[l], dy, vf_mul(w[l], D)), lanes);
        }
        store_some(p->dv + j, dv, lanes);
    }
    for (size_t l = 0; l < R; l++) {
        f->dr[f0 + l] = dr[l];
        f->dw[f0 + l] = dw[l];
        f->dk[f0 + l] = dk[l];
    }
}

/* The sums of VF_N rows from i on, or of those that are left, with what the bonus adds. */
WKV_INLINE void finish_rows(const sweep *p, const folds *f, vf vg, size_t i)
{
    size_t lanes = p->N - i;
    vf r = load_some(p->r + i, lanes), k = load_some(p->k + i, lanes);
    vf u_vg = vf_mul(load_some(p->u + i, lanes), vg);
    stream_some(p->dr + i, vf_fma(u_vg, k, vf_sums(f->dr)), lanes, p->past);
    stream_some(p->dk + i, vf_fma(u_vg, r, vf_sums(f->dk)), lanes, p->past);
    stream_some(p->dw + i, vf_sums(f->dw), lanes, p->past);
    store_some(p->du + i, vf_fma(vf_mul(r, k), vg, load_some(p->du + i, lanes)), lanes);
}

/* The sweep comes as a copy: to the compiler a store of vectors may change whatever is
 * reached through a pointer. */
static void sweep_all(sweep q, float bonus)
{
    const sweep *p = &q;
    vf own = vf_set1(bonus), sum = vf_zero();
    for (size_t j = 0; j < p->N; j += VF_N) {
        vf dy = load_some(p->dy + j, p->N - j);
        sum = vf_fma(load_some(p->v + j, p->N - j), dy, sum);
        store_some(p->dv + j, vf_mul(own, dy), p->N - j);
    }
    vf vg = vf_set1(vf_sum(sum));
    folds f;
    for (size_t l = 0; l < VF_N; l++)
        f.dr[l] = f.dw[l] = f.dk[l] = vf_zero();
    for (size_t i = 0; i < p->N; i += VF_N) {
        size_t rows = p->N - i < VF_N ? p->N - i : VF_N, l = 0;
        for (; l + ROWS <= rows; l += ROWS)
            sweep_rows(p, &f, i + l, l, ROWS);
        for (; l < rows; l++)
            sweep_rows(p, &f, i + l, l, 1);
        finish_rows(p, &f, vg, i);
    }
}

static void fetch_step(const real *dy, const wkv_wkv6_in *in, int t)
{
    fetch_inputs(in, t);
    fetch_row(dy + row_of(in, t), (size_t)in->N);
}

static bool grads_are_lines(const wkv_wkv6_grad *g, const wkv_wkv6_in *in)
{
    const size_t N = (size_t)in->N;
    return is_lines(g->dr, N) && is_lines(g->dw, N) && is_lines(g->dk, N) && is_lines(g->dv, N) &&
           in->stride % LINE == 0;
}

static void wkv6_bwd(const wkv_wkv6_grad *grad, real *dS, const real *dy, const real *keep,
                     const wkv_wkv6_in *in, real *scratch)
{
    size_t N = (size_t)in->N;
    real *dv = scratch + (WKV_WKV7_CHUNK + 1) * N * N;
    const bool past = grads_are_lines(grad, in);
    for (size_t i = 0; i < N; i++)
        grad->du[i] = 0;
    for (int n = count_chunks(in->T); n-- > 0;) {
        replay p = {chunk_of(keep, scratch, n, in->T, N), *in};
        by_blocks(N, replay_block, &p);
        for (int i = p.q.len - 1; i >= 0; i--) {
            int t = p.q.start + i;
            size_t at = row_of(in, t);
            if (t >= WKV_WKV7_CHUNK) /* the chunk before is next */
                fetch_step(dy, in, t - WKV_WKV7_CHUNK);
            sweep q = {N,
                       state_of(&p.q, i, N),
                       dS,
                       in->r + at,
                       decay_at(in, t),
                       in->k + at,
                       in->v + at,
                       in->u,
                       dy + at,
                       grad->dr + at,
                       grad->dw + at,
                       grad->dk + at,
                       dv,
                       grad->du,
                       past};
            sweep_all(q, bonus_at(in, at));
            put_row(grad->dv + at, dv, N, past);
        }
    }
    vf_stream_end();
}

static void set_wkv6(wkv_kern *k)
{
    k->wkv6 = wkv6;
    k->wkv6_bwd = wkv6_bwd;
}
