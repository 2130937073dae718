/* tests/kern/check_gradients6.c - the backward kernels of RWKV-5 and 6 against
 * differences. */
#include "gradcheck.h"

/* ---- token shift by weights of the token's own ---------------------------------------------- */

enum { MIXES = 3 };

typedef struct lerp {
    real *x, *prev, *mu[MIXES], *delta[MIXES], *y[MIXES], *weight[MIXES];
    const real *last; /* weights of the last row of x itself: it is also state */
    int rows, n;
} lerp;

static double lerp_loss(const void *ctx)
{
    const lerp *q = ctx;
    size_t n = (size_t)q->n;
    wkv_shift_lerp_ref(q->y, q->x, q->prev, (const real *const *)q->mu,
                       (const real *const *)q->delta, MIXES, q->rows, q->n);
    double sum = dot(q->x + (size_t)(q->rows - 1) * n, q->last, n);
    for (int j = 0; j < MIXES; j++)
        sum += dot(q->y[j], q->weight[j], (size_t)q->rows * n);
    return sum;
}

/* Rows in two calls, the first of which finds what follows it in dy. */
static void check_split(const lerp *q, const real *dx, real *const *ddelta)
{
    const size_t n = (size_t)q->n, all = (size_t)q->rows * n, half = 2 * n;
    real *dx_split = zeros(all), *dd[MIXES], *dd_rest[MIXES];
    const real *dy_rest[MIXES], *delta_rest[MIXES];
    const real *const *mu = (const real *const *)q->mu;
    for (int j = 0; j < MIXES; j++) {
        dd[j] = zeros(all);
        dd_rest[j] = dd[j] + half;
        dy_rest[j] = q->weight[j] + half;
        delta_rest[j] = q->delta[j] + half;
    }
    wkv_shift_lerp_bwd_ref(dx_split, dd, (const real *const *)q->weight, q->x, q->prev, mu,
                           (const real *const *)q->delta, NULL, MIXES, 2, q->n);
    wkv_shift_lerp_bwd_ref(dx_split + half, dd_rest, dy_rest, q->x + half, q->x + half - n, mu,
                           delta_rest, q->last, MIXES, q->rows - 2, q->n);
    assert_memory_equal(dx, dx_split, all * sizeof *dx);
    for (int j = 0; j < MIXES; j++)
        assert_memory_equal(ddelta[j], dd[j], all * sizeof *dx);
}

static void test_shift_lerp(void **state)
{
    int rows = 6, n = 7;
    size_t cols = (size_t)n, all = (size_t)rows * cols;
    lerp q = {.x = normals(all, 1),
              .prev = normals(cols, 1),
              .last = normals(cols, 1),
              .rows = rows,
              .n = n};
    real *ddelta[MIXES], *dmu[MIXES], *dx = zeros(all);
    var vars[2 * MIXES + 1] = {{"x", q.x, dx, all}};
    for (int j = 0; j < MIXES; j++) {
        q.mu[j] = normals(cols, 1);
        q.delta[j] = normals(all, 1);
        q.y[j] = zeros(all);
        q.weight[j] = normals(all, 1);
        ddelta[j] = zeros(all);
        dmu[j] = zeros(cols);
        vars[2 * j + 1] = (var){"delta", q.delta[j], ddelta[j], all};
        vars[2 * j + 2] = (var){"mu", q.mu[j], dmu[j], cols};
    }
    wkv_shift_lerp_bwd_ref(dx, ddelta, (const real *const *)q.weight, q.x, q.prev,
                           (const real *const *)q.mu, (const real *const *)q.delta, q.last, MIXES,
                           rows, n);
    for (int j = 0; j < MIXES; j++) /* mu is added to delta in every row */
        wkv_colsum_ref(dmu[j], ddelta[j], rows, n, n);
    check_grad(lerp_loss, &q, vars, 2 * MIXES + 1);
    check_split(&q, dx, ddelta);
}

/* ---- the recurrence ---------------------------------------------------------------------------
 */

typedef struct rec {
    wkv_wkv6_in in;
    real *S, *y, *end;
    const real *weight, *weight_end;
} rec;

static double rec_loss(const void *ctx)
{
    const rec *r = ctx;
    size_t N = (size_t)r->in.N, NN = N * N;
    memcpy(r->end, r->S, NN * sizeof *r->end);
    wkv_wkv6_ref(r->y, r->end, NULL, &r->in);
    return dot(r->y, r->weight, (size_t)r->in.T * N) + dot(r->end, r->weight_end, NN);
}

/* w_stride: N, or 0 for a decay that does not change, whose gradient is a column sum. */
static void check_wkv6(int T, int w_stride)
{
    enum { N = 5, NN = N * N };
    size_t all = (size_t)(T * N);
    real *r = normals(all, 1), *k = normals(all, 1), *v = normals(all, 1), *u = normals(N, 1);
    real *w = zeros(all), *d[4], *du = normals(N, 1), *dw_all = zeros(N), *S = normals(NN, 1);
    for (size_t i = 0; i < all; i++)
        w[i] = 0.1 + 0.89 * uniform();
    for (int j = 0; j < 4; j++)
        d[j] = zeros(all);
    rec q = {{r, w, k, v, u, T, N, N, w_stride},
             S,
             zeros(all),
             zeros(NN),
             normals(all, 1),
             normals(NN, 1)};
    real *dS = copy_of(q.weight_end, NN), *keep = zeros(NN * (size_t)(T / WKV_WKV7_CHUNK + 1));
    real *last = copy_of(S, NN);
    wkv_wkv6_ref(q.y, last, keep, &q.in);
    wkv_wkv6_grad grad = {d[0], d[1], d[2], d[3], du};
    wkv_wkv6_bwd_ref(&grad, dS, q.weight, keep, &q.in, zeros(WKV_WKV6_SCRATCH(N)));
    wkv_colsum_ref(dw_all, d[1], T, N, N);
    var vars[] = {{"r", r, d[0], all}, {"k", k, d[2], all}, {"v", v, d[3], all},
                  {"u", u, du, N},     {"S", S, dS, NN},    {"w", w, d[1], all}};
    if (w_stride == 0)
        vars[5] = (var){"w", w, dw_all, N};
    check_grad(rec_loss, &q, vars, 6);
}

static void test_wkv6(void **state)
{
    static const int steps[] = {1, 16, 21};
    for (int i = 0; i < 3; i++) {
        check_wkv6(steps[i], 5);
        check_wkv6(steps[i], 0);
    }
}

/* ---- the row-wise parts -------------------------------------------------------------------------
 */

enum { ROWS = 3, C = 8, N = 4, ALL = ROWS * C };

typedef struct rates {
    real *raw, *base, *w;
    const real *weight;
} rates;

static double decay_loss(const void *ctx)
{
    const rates *q = ctx;
    wkv_decay_ref(q->w, q->raw, q->base, ROWS, C);
    return dot(q->w, q->weight, ALL);
}

static void test_decay(void **state)
{
    rates q = {normals(ALL, 1), normals(C, 1), zeros(ALL), normals(ALL, 1)};
    real *draw = zeros(ALL), *dbase = zeros(C);
    wkv_decay_ref(q.w, q.raw, q.base, ROWS, C);
    wkv_decay_bwd_ref(draw, q.weight, q.w, q.raw, q.base, ROWS, C);
    wkv_colsum_ref(dbase, draw, ROWS, C, C);
    var vars[] = {{"raw", q.raw, draw, ALL}, {"base", q.base, dbase, C}};
    check_grad(decay_loss, &q, vars, 2);
}

typedef struct gated {
    wkv_gn_gate o;
    const real *weight;
} gated;

static double gated_loss(const void *ctx)
{
    const gated *q = ctx;
    wkv_gn_gate o = q->o;
    o.stat = NULL;
    wkv_gn_gate_ref(&o, ROWS, C, N);
    return dot(o.z, q->weight, ALL);
}

static void check_gn_gate(bool gate)
{
    real *y = normals(ALL, 1), *g = normals(ALL, 1), *ln_w = normals(C, 1), *ln_b = normals(C, 1);
    real *dy = zeros(ALL), *dg = zeros(ALL), *w_row = zeros(ALL), *b_row = zeros(ALL);
    real *dln_w = zeros(C), *dln_b = zeros(C);
    gated q = {{y, gate ? g : NULL, ln_w, ln_b, zeros(ALL), zeros(2 * ROWS * C / N), 64e-5},
               normals(ALL, 1)};
    wkv_gn_gate_ref(&q.o, ROWS, C, N);
    wkv_gn_gate_grad grad = {q.weight, dy, gate ? dg : NULL, w_row, b_row};
    wkv_gn_gate_bwd_ref(&grad, &q.o, ROWS, C, N);
    wkv_colsum_ref(dln_w, w_row, ROWS, C, C);
    wkv_colsum_ref(dln_b, b_row, ROWS, C, C);
    var vars[] = {
        {"y", y, dy, ALL}, {"ln_w", ln_w, dln_w, C}, {"ln_b", ln_b, dln_b, C}, {"g", g, dg, ALL}};
    check_grad(gated_loss, &q, vars, gate ? 4 : 3);
}

static void test_gn_gate(void **state)
{
    check_gn_gate(true);
    check_gn_gate(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_shift_lerp, fresh_pool),
        cmocka_unit_test_setup(test_wkv6, fresh_pool),
        cmocka_unit_test_setup(test_decay, fresh_pool),
        cmocka_unit_test_setup(test_gn_gate, fresh_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
