/* tests/kern/check_aft.c - AFT's weighted mean: no window, short and long ones, from the start of
 * a text and from later; and 4,096 steps long. */
#include <math.h>

#include "checkkern.h"

typedef struct inputs {
    wkv_aft_in in;
    const real *state;
    size_t n, all, state_size, biases;
} inputs;

/* A state as a forward pass leaves it: sums of what has left the window, b > 0. */
static const real *a_state(check *c, const inputs *q)
{
    real *s = input_of(c, q->state_size, NORMAL);
    bool empty = q->in.position <= q->in.window;
    for (size_t i = 0; i < q->n; i++) {
        s[q->n + i] = empty ? 0 : (real)(1 + fabs((double)s[q->n + i]));
        if (empty) {
            s[i] = 0;
            s[2 * q->n + i] = (real)-1e30;
        }
    }
    return s;
}

static inputs draw(check *c)
{
    static const int windows[] = {0, 1, 5, 16};
    inputs q = {.n = c->n};
    /* Long runs only at one size. */
    q.in.T = c->kind == NORMAL && c->n == 17 ? 4096 : pick(c, 1, 40);
    q.in.window = windows[pick(c, 0, 3)];
    q.in.stride = (int)c->n + pick(c, 0, 2);
    q.in.bias_stride = pick(c, 0, 1) == 0 ? 0 : q.in.window + pick(c, 0, 2);
    q.in.position = pick(c, 0, 1) == 0 ? 0 : pick(c, 1, 40);
    q.in.by_place = pick(c, 0, 1);
    q.all = (size_t)q.in.T * (size_t)q.in.stride;
    q.state_size = wkv_aft_rows(q.in.window) * q.n;
    q.biases = (size_t)q.in.T * (size_t)(q.in.window + 2);
    q.in.k = c->kind == OUTLIER ? between(c, q.all, -60, 60) : input(c, q.all);
    q.in.v = input(c, q.all);
    q.in.bias = input_of(c, q.biases, NORMAL);
    q.state = a_state(c, &q);
    return q;
}

void check_aft(check *c)
{
    if (c->kind == EXTREME)
        return;
    inputs q = draw(c);
    real *y[3], *state[3], *keep[2];
    for (int i = 0; i < 3; i++) {
        y[i] = inout(c, q.in.v, q.all);
        state[i] = inout(c, q.state, q.state_size);
    }
    const real *zero = input_of(c, 2 * q.all, ZERO);
    for (int i = 0; i < 2; i++)
        keep[i] = inout(c, zero, 2 * q.all);
    wkv_aft_ref(y[0], keep[0], state[0], q.n, &q.in, (int)q.n);
    c->k->aft(y[1], keep[1], state[1], q.n, &q.in, (int)q.n);
    c->k->aft(y[2], NULL, state[2], q.n, &q.in, (int)q.n);
    within_scale("y", y[1], y[0], q.all, 2e-5);
    within_scale("a, b", state[1], state[0], 2 * q.n, 2e-5);
    within_scale("p", state[1] + 2 * q.n, state[0] + 2 * q.n, q.n, 2e-5);
    same("kept tokens", state[1] + 3 * q.n, state[0] + 3 * q.n, q.state_size - 3 * q.n);
    same("y without keep", y[2], y[1], q.all);
    same("state without keep", state[2], state[1], q.state_size);
    if (c->kind != WITH_NAN) /* which of the exponents counts as the largest is then open */
        within_scale("keep", keep[1], keep[0], 2 * q.all, 2e-5);
}

/* What the backward kernels are given and give, twice over. */
typedef struct backward {
    inputs q;
    wkv_aft_grad g[2];
    size_t dbiases;
} backward;

static backward draw_backward(check *c)
{
    backward b = {.q = draw(c)};
    const inputs *q = &b.q;
    const int dbias_stride = q->in.window + pick(c, 0, 2);
    b.dbiases = (size_t)q->in.T * (size_t)dbias_stride + 1;
    const real *dy = input_of(c, q->all, NORMAL), *end = input_of(c, q->state_size, NORMAL);
    const real *start = input_of(c, q->all, NORMAL), *dbias = input_of(c, b.dbiases, NORMAL);
    real *y = inout(c, q->in.v, q->all), *keep = output(c, 2 * q->all);
    real *state = inout(c, q->state, q->state_size);
    wkv_aft_ref(y, keep, state, q->n, &q->in, (int)q->n);
    for (int i = 0; i < 2; i++)
        b.g[i] = (wkv_aft_grad){.y = y,
                                .keep = keep,
                                .dy = dy,
                                .dk = inout(c, start, q->all),
                                .dv = inout(c, start, q->all),
                                .dbias = inout(c, dbias, b.dbiases),
                                .dstate = inout(c, end, q->state_size),
                                .dbias_stride = dbias_stride};
    return b;
}

static void compare(const backward *b)
{
    const wkv_aft_grad *want = &b->g[0], *got = &b->g[1];
    within_scale("dk", got->dk, want->dk, b->q.all, 1e-4);
    within_scale("dv", got->dv, want->dv, b->q.all, 1e-4);
    within_scale("dbias", got->dbias, want->dbias, b->dbiases, 1e-4);
    within_scale("dstate", got->dstate, want->dstate, b->q.state_size, 1e-4);
}

void check_aft_far_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    backward b = draw_backward(c);
    const inputs *q = &b.q;
    real *scratch = output(c, (size_t)q->in.T * q->n);
    wkv_aft_far_bwd_ref(&b.g[0], q->state, q->n, &q->in, (int)q->n, scratch);
    c->k->aft_far_bwd(&b.g[1], q->state, q->n, &q->in, (int)q->n, scratch);
    compare(&b);
}

void check_aft_near_bwd(check *c)
{
    if (c->kind == EXTREME)
        return;
    backward b = draw_backward(c);
    const inputs *q = &b.q;
    if (q->in.window == 0)
        return;
    int kept = q->in.position < q->in.window ? q->in.position : q->in.window;
    int first = pick(c, -kept, q->in.T - 1), count = pick(c, 1, q->in.T - first);
    wkv_aft_near_bwd_ref(&b.g[0], q->state, q->n, &q->in, first, count, (int)q->n);
    c->k->aft_near_bwd(&b.g[1], q->state, q->n, &q->in, first, count, (int)q->n);
    compare(&b);
}
