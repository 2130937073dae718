/* tests/kern/check_gradients.c - the backward kernels of what all versions share, and of
 * RWKV-4 and 7, against differences. */
#include <math.h>

#include "gradcheck.h"

/* ---- elementwise ---------------------------------------------------------------------- */

typedef struct unary {
    void (*f)(real *y, const real *x, size_t n);
    real *x, *y;
    const real *weight;
    size_t n;
} unary;

static double unary_loss(const void *ctx)
{
    const unary *u = ctx;
    u->f(u->y, u->x, u->n);
    return dot(u->y, u->weight, u->n);
}

/* saves_y: bwd takes the output; otherwise the input. */
static void check_unary(void (*f)(real *, const real *, size_t),
                        void (*bwd)(real *, const real *, const real *, size_t), bool saves_y)
{
    size_t n = 33;
    unary u = {f, normals(n, 1.5), zeros(n), normals(n, 1), n};
    for (size_t i = 0; i < n; i++) /* away from the kink of relu */
        u.x[i] += u.x[i] < 0 ? -0.01 : 0.01;
    real *dx = zeros(n);
    f(u.y, u.x, n);
    bwd(dx, u.weight, saves_y ? u.y : u.x, n);
    check_grad(unary_loss, &u, &(var){"x", u.x, dx, n}, 1);
}

static void test_activations(void **state)
{
    check_unary(wkv_tanh_ref, wkv_tanh_bwd_ref, true);
    check_unary(wkv_sigmoid_ref, wkv_sigmoid_bwd_ref, true);
    check_unary(wkv_relu2_ref, wkv_relu2_bwd_ref, false);
}

typedef struct gate {
    real *r, *x, *y;
    const real *weight;
    size_t n;
} gate;

static double gate_loss(const void *ctx)
{
    const gate *g = ctx;
    wkv_gate_ref(g->y, g->r, g->x, g->n);
    return dot(g->y, g->weight, g->n);
}

static void test_gate(void **state)
{
    size_t n = 29;
    gate g = {normals(n, 2), normals(n, 1), zeros(n), normals(n, 1), n};
    real *dr = zeros(n), *dx = zeros(n);
    wkv_gate_bwd_ref(dr, dx, g.weight, g.r, g.x, n);
    var vars[] = {{"r", g.r, dr, n}, {"x", g.x, dx, n}};
    check_grad(gate_loss, &g, vars, 2);
}

/* ---- layer norm ------------------------------------------------------------------------- */

typedef struct norm {
    real *x, *w, *b, *y;
    const real *weight;
    int rows, n;
} norm;

static double norm_loss(const void *ctx)
{
    const norm *m = ctx;
    wkv_layernorm_ref(m->y, NULL, m->x, m->w, m->b, m->rows, m->n, 1e-5);
    return dot(m->y, m->weight, (size_t)(m->rows * m->n));
}

static void test_layernorm(void **state)
{
    int rows = 5, n = 13;
    size_t all = (size_t)(rows * n), cols = (size_t)n;
    norm m = {
        normals(all, 2), normals(cols, 1), normals(cols, 1), zeros(all), normals(all, 1), rows, n};
    real *stat = zeros(2 * (size_t)rows), *dx = zeros(all), *dw = zeros(cols), *db = zeros(cols);
    wkv_layernorm_ref(m.y, stat, m.x, m.w, m.b, rows, n, 1e-5);
    wkv_layernorm_bwd_ref(dx, m.weight, m.x, stat, m.w, rows, n);
    /* Columns in two calls, as the device splits them. */
    wkv_layernorm_bwd_param_ref(dw, db, m.weight, m.x, stat, rows, n, 6);
    wkv_layernorm_bwd_param_ref(dw + 6, db + 6, m.weight + 6, m.x + 6, stat, rows, n, n - 6);
    var vars[] = {{"x", m.x, dx, all}, {"w", m.w, dw, cols}, {"b", m.b, db, cols}};
    check_grad(norm_loss, &m, vars, 3);
}

/* ---- token shift -------------------------------------------------------------------------- */

enum { MIXES = 3 };

typedef struct shift {
    real *x, *prev, *mu[MIXES], *y[MIXES], *weight[MIXES];
    const real *last; /* weights of the last row of x itself: it is also state */
    int rows, n;
    wkv_shift_mode mode;
} shift;

static double shift_loss(const void *ctx)
{
    const shift *s = ctx;
    size_t n = (size_t)s->n;
    wkv_shift_mix_ref(s->y, s->x, s->prev, (const real *const *)s->mu, MIXES, s->rows, s->n,
                      s->mode);
    double sum = dot(s->x + (size_t)(s->rows - 1) * n, s->last, n);
    for (int j = 0; j < MIXES; j++)
        sum += dot(s->y[j], s->weight[j], (size_t)s->rows * n);
    return sum;
}

static void check_shift(wkv_shift_mode mode)
{
    int rows = 6, n = 7;
    size_t cols = (size_t)n, all = (size_t)rows * cols;
    shift s = {.x = normals(all, 1),
               .prev = normals(cols, 1),
               .last = normals(cols, 1),
               .rows = rows,
               .n = n,
               .mode = mode};
    real *dmu[MIXES], *dx = zeros(all), *dx_split = zeros(all);
    var vars[MIXES + 1] = {{"x", s.x, dx, all}};
    for (int j = 0; j < MIXES; j++) {
        s.mu[j] = normals(cols, 1);
        s.y[j] = zeros(all);
        s.weight[j] = normals(all, 1);
        dmu[j] = zeros(cols);
        vars[j + 1] = (var){"mu", s.mu[j], dmu[j], cols};
    }
    const real *const *dy = (const real *const *)s.weight;
    const real *const *mu = (const real *const *)s.mu;
    wkv_shift_mix_bwd_ref(dx, dy, mu, s.last, MIXES, rows, n, mode);
    wkv_shift_mix_bwd_mu_ref(dmu, dy, s.x, s.prev, MIXES, rows, n, n, mode);
    check_grad(shift_loss, &s, vars, MIXES + 1);

    /* Rows in two calls: the first finds what follows it in dy. */
    const real *rest[MIXES];
    for (int j = 0; j < MIXES; j++)
        rest[j] = dy[j] + 2 * cols;
    wkv_shift_mix_bwd_ref(dx_split, dy, mu, NULL, MIXES, 2, n, mode);
    wkv_shift_mix_bwd_ref(dx_split + 2 * cols, rest, mu, s.last, MIXES, rows - 2, n, mode);
    assert_memory_equal(dx, dx_split, all * sizeof *dx);
}

static void test_shift_mix(void **state)
{
    check_shift(WKV_SHIFT_PREVIOUS);
    check_shift(WKV_SHIFT_CURRENT);
}

/* ---- RWKV-4 --------------------------------------------------------------------------------- */

typedef struct rec4 {
    real *state, *decay, *u, *k, *v;
    real *y, *end; /* outputs; end: the final state */
    const real *weight, *weight_end;
    int T, n;
} rec4;

static double rec4_loss(const void *ctx)
{
    const rec4 *r = ctx;
    size_t n = (size_t)r->n;
    memcpy(r->end, r->state, 3 * n * sizeof *r->end);
    wkv_wkv4_ref(r->y, r->end, n, r->decay, r->u, r->k, r->v, r->T, r->n, r->n);
    return dot(r->y, r->weight, (size_t)r->T * n) + dot(r->end, r->weight_end, 3 * n);
}

static void check_wkv4(int T, bool fresh)
{
    int n = 9;
    size_t cols = (size_t)n, all = (size_t)T * cols;
    rec4 r = {normals(3 * cols, 1),
              normals(cols, 1),
              normals(cols, 1),
              normals(all, 2),
              normals(all, 1),
              zeros(all),
              zeros(3 * cols),
              normals(all, 1),
              normals(3 * cols, 1),
              T,
              n};
    for (size_t i = 0; i < cols; i++) {
        r.state[cols + i] = fresh ? 0 : 0.5 + fabs(r.state[cols + i]); /* b > 0 */
        if (fresh) {
            r.state[i] = 0;
            r.state[2 * cols + i] = -1e30;
        }
    }
    real *dk = zeros(all), *dv = zeros(all), *ddecay = zeros(cols), *du = zeros(cols);
    real *dstate = copy_of(r.weight_end, 3 * cols), *scratch = zeros(3 * all);
    wkv_wkv4_bwd_ref(dk, dv, ddecay, du, dstate, r.weight, r.state, cols, r.decay, r.u, r.k, r.v, T,
                     n, n, scratch);
    var vars[] = {{"k", r.k, dk, all},
                  {"v", r.v, dv, all},
                  {"decay", r.decay, ddecay, cols},
                  {"u", r.u, du, cols},
                  {"state", r.state, dstate, 3 * cols}};
    check_grad(rec4_loss, &r, vars, fresh ? 4 : 5);
    for (size_t i = 0; i < 3 * cols; i++)
        assert_true(isfinite(dstate[i]));
}

static void test_wkv4(void **state)
{
    check_wkv4(1, false);
    check_wkv4(17, false);
    check_wkv4(17, true);
}

/* ---- RWKV-7 -----------------------------------------------------------------------------------
 */

typedef struct rec7 {
    real *S, *in[6];
    real *y, *end;
    const real *weight, *weight_end;
    int T, N;
} rec7;

static wkv_wkv7_in rec7_in(const rec7 *r)
{
    return (wkv_wkv7_in){r->in[0], r->in[1], r->in[2], r->in[3], r->in[4],
                         r->in[5], r->T,     r->N,     r->N};
}

static double rec7_loss(const void *ctx)
{
    const rec7 *r = ctx;
    size_t NN = (size_t)(r->N * r->N);
    wkv_wkv7_in in = rec7_in(r);
    memcpy(r->end, r->S, NN * sizeof *r->end);
    wkv_wkv7_ref(r->y, r->end, NULL, &in);
    return dot(r->y, r->weight, (size_t)(r->T * r->N)) + dot(r->end, r->weight_end, NN);
}

static void check_wkv7(int T)
{
    int N = 5;
    size_t NN = (size_t)(N * N), all = (size_t)(T * N);
    rec7 r = {.S = normals(NN, 1), .y = zeros(all), .end = zeros(NN), .T = T, .N = N};
    r.weight = normals(all, 1);
    r.weight_end = normals(NN, 1);
    real *d[6], *dS = copy_of(r.weight_end, NN), *keep = zeros(NN * (size_t)(T / 16 + 1));
    var vars[7];
    static const char *const names[] = {"r", "w", "k", "v", "a", "b"};
    for (int j = 0; j < 6; j++) {
        r.in[j] = normals(all, j >= 4 ? 0.4 : 1);
        d[j] = zeros(all);
        vars[j] = (var){names[j], r.in[j], d[j], all};
    }
    for (size_t i = 0; i < all; i++)
        r.in[1][i] = 0.55 + 0.44 * uniform();
    vars[6] = (var){"S", r.S, dS, NN};
    wkv_wkv7_in in = rec7_in(&r);
    real *S = copy_of(r.S, NN);
    wkv_wkv7_ref(r.y, S, keep, &in);
    wkv_wkv7_grad grad = {d[0], d[1], d[2], d[3], d[4], d[5]};
    wkv_wkv7_bwd_ref(&grad, dS, r.weight, keep, &in, zeros(WKV_WKV7_SCRATCH(N)));
    check_grad(rec7_loss, &r, vars, 7);
}

static void test_wkv7(void **state)
{
    check_wkv7(1);
    check_wkv7(16);
    check_wkv7(21);
}

/* ---- RWKV-7's row-wise parts
 * --------------------------------------------------------------------- */

enum { ROWS = 3, C = 8, N = 4, ALL = ROWS * C };

typedef struct prep {
    wkv_rwkv7_prep p;
    const real *weight[5];
} prep;

static double prep_loss(const void *ctx)
{
    const prep *q = ctx;
    wkv_rwkv7_prep_ref(&q->p, ROWS, C, N);
    const real *out[5] = {q->p.w, q->p.k, q->p.v, q->p.a, q->p.b};
    double sum = 0;
    for (int j = 0; j < 5; j++)
        sum += dot(out[j], q->weight[j], ALL);
    return sum;
}

static void column_sums(real *y, const real *x)
{
    wkv_colsum_ref(y, x, ROWS, C, C);
}

static void check_prep(bool first)
{
    real *in[6], *par[5], *d[9], *dpar[5];
    prep q = {0};
    for (int j = 0; j < 6; j++)
        in[j] = normals(ALL, 1);
    for (int j = 0; j < 5; j++) {
        par[j] = normals(C, 1);
        dpar[j] = zeros(C);
        q.weight[j] = normals(ALL, 1);
    }
    for (int j = 0; j < 9; j++)
        d[j] = zeros(ALL);
    q.p = (wkv_rwkv7_prep){in[0],      in[1],      first ? NULL : in[2],
                           in[3],      in[4],      first ? NULL : in[5],
                           par[0],     par[1],     par[2],
                           par[3],     par[4],     zeros(ALL),
                           zeros(ALL), zeros(ALL), zeros(ALL),
                           zeros(ALL)};
    wkv_rwkv7_prep_grad g = {
        q.weight[0], q.weight[1], q.weight[2],         q.weight[3],         q.weight[4], d[0], d[1],
        d[2],        d[3],        first ? NULL : d[4], first ? NULL : d[5], d[6],        d[7]};
    wkv_rwkv7_prep_bwd_ref(&g, &q.p, ROWS, C, N);
    column_sums(dpar[0], d[2]);
    column_sums(dpar[1], d[3]);
    column_sums(dpar[2], d[4]);
    column_sums(dpar[3], d[6]);
    column_sums(dpar[4], d[7]);
    var vars[] = {
        {"k_in", in[0], d[0], ALL},    {"v_in", in[1], d[1], ALL},  {"w_raw", in[3], d[2], ALL},
        {"a_raw", in[4], d[3], ALL},   {"w0", par[0], dpar[0], C},  {"a0", par[1], dpar[1], C},
        {"k_k", par[3], dpar[3], C},   {"k_a", par[4], dpar[4], C}, {"v_raw", in[5], d[4], ALL},
        {"v_first", in[2], d[5], ALL}, {"v0", par[2], dpar[2], C}};
    check_grad(prep_loss, &q, vars, first ? 8 : 11);
}

static void test_prep(void **state)
{
    check_prep(false);
    check_prep(true);
}

typedef struct out {
    wkv_rwkv7_out o;
    const real *weight;
} out;

static double out_loss(const void *ctx)
{
    const out *q = ctx;
    wkv_rwkv7_out o = q->o;
    o.stat = NULL;
    wkv_rwkv7_out_ref(&o, ROWS, C, N);
    return dot(o.z, q->weight, ALL);
}

static void test_out(void **state)
{
    real *in[5], *par[3], *d[8], *dpar[3];
    for (int j = 0; j < 5; j++)
        in[j] = normals(ALL, 1);
    for (int j = 0; j < 3; j++) {
        par[j] = normals(C, 1);
        dpar[j] = zeros(C);
    }
    for (int j = 0; j < 8; j++)
        d[j] = zeros(ALL);
    out q = {{in[0], in[1], in[2], in[3], in[4], par[0], par[1], par[2], zeros(ALL),
              zeros(ROWS * C / N * 2), 64e-5},
             normals(ALL, 1)};
    wkv_rwkv7_out_ref(&q.o, ROWS, C, N);
    wkv_rwkv7_out_grad g = {q.weight, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]};
    wkv_rwkv7_out_bwd_ref(&g, &q.o, ROWS, C, N);
    for (int j = 0; j < 3; j++)
        column_sums(dpar[j], d[5 + j]);
    var vars[] = {{"y", in[0], d[0], ALL},      {"r", in[1], d[1], ALL},
                  {"k", in[2], d[2], ALL},      {"v", in[3], d[3], ALL},
                  {"g", in[4], d[4], ALL},      {"ln_w", par[0], dpar[0], C},
                  {"ln_b", par[1], dpar[1], C}, {"r_k", par[2], dpar[2], C}};
    check_grad(out_loss, &q, vars, 8);
}

/* ---- loss and optimiser
 * ------------------------------------------------------------------------------ */

typedef struct logits {
    real *x;
    int n, target;
} logits;

static double logits_loss(const void *ctx)
{
    const logits *l = ctx;
    return wkv_cross_entropy_ref(l->x, l->n, l->target);
}

static void test_softmax_ce(void **state)
{
    logits l = {normals(19, 3), 19, 4};
    size_t n = 19, best = 0;
    for (size_t i = 0; i < n; i++)
        best = l.x[i] > l.x[best] ? i : best;
    real *grad = copy_of(l.x, n), *wrapped = copy_of(l.x, n);
    double loss = wkv_softmax_ce_ref(grad, 19, 4, 1, 0);
    assert_true(loss == wkv_cross_entropy_ref(l.x, 19, 4));
    check_grad(logits_loss, &l, &(var){"x", l.x, grad, n}, 1);

    wkv_softmax_ce_ref(wrapped, 19, 4, 0.5, 1e-2);
    for (size_t i = 0; i < n; i++) {
        double expect = 0.5 * grad[i] + (i == best ? 0.5 * 1e-2 * l.x[i] : 0);
        assert_true(fabs(wrapped[i] - expect) < 1e-15);
    }
}

/* One parameter by hand: the first step of Adam is the sign of the gradient. */
static void test_adamw(void **state)
{
    real p = 2, m = 0, v = 0, g = -3;
    wkv_adamw h = {0.1, 0.9, 0.99, 1e-18, 0.5, 1 - 0.9, 1 - 0.99, 1};
    wkv_adamw_ref(&p, &m, &v, &g, 1, &h);
    assert_true(fabs(m + 0.3) < 1e-15 && fabs(v - 0.09) < 1e-15);
    assert_true(fabs(p - (2 - 0.1 * 0.5 * 2 + 0.1)) < 1e-14);
    /* Clipping scales the gradient, which Adam then divides out of the first step. */
    h.grad_scale = 0.5;
    p = 2, m = 0, v = 0;
    wkv_adamw_ref(&p, &m, &v, &g, 1, &h);
    assert_true(fabs(m + 0.15) < 1e-15 && fabs(p - 2.0) < 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_activations, fresh_pool),
        cmocka_unit_test_setup(test_gate, fresh_pool),
        cmocka_unit_test_setup(test_layernorm, fresh_pool),
        cmocka_unit_test_setup(test_shift_mix, fresh_pool),
        cmocka_unit_test_setup(test_wkv4, fresh_pool),
        cmocka_unit_test_setup(test_wkv7, fresh_pool),
        cmocka_unit_test_setup(test_prep, fresh_pool),
        cmocka_unit_test_setup(test_out, fresh_pool),
        cmocka_unit_test_setup(test_softmax_ce, fresh_pool),
        cmocka_unit_test_setup(test_adamw, fresh_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
