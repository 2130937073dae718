/* tests/ops/check_recurrent.c - ops that carry state through time, over ragged batches. */
#include "ops.h"

static size_t size_of(const op_case *c)
{
    return (size_t)c->rows * (size_t)c->C;
}

/* ---- token shift: in x, mu..., state; variant bit 0 the mode, the rest n_mix ---------- */

static int mixes_of(const op_case *c)
{
    return c->variant >> 1;
}

static void shift_forward(wkv_exec *x, op_case *c)
{
    int n = mixes_of(c);
    wkv_weight w[WKV_MAX_MIX];
    const wkv_weight *mu[WKV_MAX_MIX];
    real *y[WKV_MAX_MIX];
    for (int j = 0; j < n; j++) {
        w[j] = case_vec(&c->in[1 + j]);
        mu[j] = &w[j];
        y[j] = c->out[j].v;
    }
    case_slot s;
    case_slot_forward(&s, c, 1 + n, n);
    x->dev->shift(x, c->keep, c->in[0].v, c->C, &c->seqs, &s.slot);
    x->dev->shift_mix(x, y, c->keep, c->in[0].v, mu, n, &c->seqs, (wkv_shift_mode)(c->variant & 1));
}

static void shift_backward(wkv_exec *x, op_case *c)
{
    int n = mixes_of(c);
    wkv_weight w[WKV_MAX_MIX];
    const wkv_weight *mu[WKV_MAX_MIX];
    const real *dy[WKV_MAX_MIX];
    for (int j = 0; j < n; j++) {
        w[j] = case_vec(&c->in[1 + j]);
        mu[j] = &w[j];
        dy[j] = c->out[j].d;
    }
    case_slot s;
    case_slot_backward(&s, c, 1 + n, n);
    size_t mark = wkv_arena_mark(x->scratch);
    real *dprev = wkv_arena_reals(x->scratch, c->in[1 + n].n);
    x->dev->shift_mix_bwd(x, c->in[0].d, dprev, dy, c->keep, c->in[0].v, mu, n, &c->seqs,
                          (wkv_shift_mode)(c->variant & 1));
    x->dev->shift_bwd(x, c->in[0].d, dprev, c->C, &c->seqs, &s.slot);
    wkv_arena_reset(x->scratch, mark);
}

void check_shift_mix(void **state)
{
    static const int shapes[][3] = {{1, 1, 1}, {7, 5, 3}, {90, 33, 4}, {300, 70, 2}};
    for (int i = 0; i < 4; i++)
        for (int variant = 2; variant < 14; variant += 3) {
            op_case c;
            case_init(&c, "shift_mix", shapes[i][0], shapes[i][1], shapes[i][2]);
            c.variant = variant;
            case_in(&c, "x", size_of(&c), 1.0);
            for (int j = 0; j < mixes_of(&c); j++)
                case_in(&c, "mu", (size_t)c.C, 0.5);
            case_in(&c, "state", (size_t)c.seqs.n * (size_t)c.C, 1.0);
            for (int j = 0; j < mixes_of(&c); j++)
                case_out(&c, "y", size_of(&c));
            case_out(&c, "final state", (size_t)c.seqs.n * (size_t)c.C);
            case_keep(&c, (size_t)c.seqs.n * (size_t)c.C);
            c.forward = shift_forward;
            c.backward = shift_backward;
            case_run(&c);
        }
}

/* ---- RWKV-4: in k, v, decay, first, state ----------------------------------------------- */

static void wkv4_forward(wkv_exec *x, op_case *c)
{
    wkv_weight decay = case_vec(&c->in[2]), first = case_vec(&c->in[3]);
    case_slot s;
    case_slot_forward(&s, c, 4, 1);
    x->dev->wkv4(x, c->out[0].v, c->keep, c->in[0].v, c->in[1].v, &decay, &first, &c->seqs,
                 &s.slot);
}

static void wkv4_backward(wkv_exec *x, op_case *c)
{
    wkv_weight decay = case_vec(&c->in[2]), first = case_vec(&c->in[3]);
    case_slot s;
    case_slot_backward(&s, c, 4, 1);
    x->dev->wkv4_bwd(x, c->in[0].d, c->in[1].d, c->out[0].d, c->keep, c->in[0].v, c->in[1].v,
                     &decay, &first, &c->seqs, &s.slot);
}

void check_wkv4(void **state)
{
    static const int shapes[][3] = {{1, 1, 1}, {9, 5, 3}, {60, 40, 2}, {200, 70, 4}};
    for (int i = 0; i < 4; i++) {
        op_case c;
        case_init(&c, "wkv4", shapes[i][0], shapes[i][1], shapes[i][2]);
        case_in(&c, "k", size_of(&c), 2.0);
        case_in(&c, "v", size_of(&c), 1.0);
        case_in(&c, "decay", (size_t)c.C, 1.0);
        case_in(&c, "first", (size_t)c.C, 1.0);
        array *s = case_in(&c, "state", (size_t)c.seqs.n * 3 * (size_t)c.C, 1.0);
        for (size_t j = 0; j < s->n; j++) /* b is a sum of exponentials */
            if (j / (size_t)c.C % 3 == 1)
                s->v[j] = 1 + s->v[j] * s->v[j];
        case_out(&c, "y", size_of(&c));
        case_out(&c, "final state", s->n);
        case_keep(&c, s->n);
        c.forward = wkv4_forward;
        c.backward = wkv4_backward;
        case_run(&c);
    }
}

/* ---- RWKV-7: in r, w, k, v, a, b, state ---------------------------------------------------- */

static wkv_wkv7_in wkv7_in_of(const op_case *c)
{
    return (wkv_wkv7_in){c->in[0].v, c->in[1].v, c->in[2].v, c->in[3].v, c->in[4].v,
                         c->in[5].v, 0,          c->N,       c->C};
}

static void wkv7_forward(wkv_exec *x, op_case *c)
{
    wkv_wkv7_in in = wkv7_in_of(c);
    case_slot s;
    case_slot_forward(&s, c, 6, 1);
    x->dev->wkv7(x, c->out[0].v, c->keep, &in, &c->seqs, &s.slot);
}

static void wkv7_backward(wkv_exec *x, op_case *c)
{
    wkv_wkv7_in in = wkv7_in_of(c);
    wkv_wkv7_grad g = {c->in[0].d, c->in[1].d, c->in[2].d, c->in[3].d, c->in[4].d, c->in[5].d};
    case_slot s;
    case_slot_backward(&s, c, 6, 1);
    x->dev->wkv7_bwd(x, &g, c->out[0].d, c->keep, &in, &c->seqs, &s.slot);
}

void check_wkv7(void **state)
{
    static const int shapes[][4] = {
        {1, 2, 2, 1}, {9, 6, 3, 3}, {60, 40, 20, 2}, {75, 64, 32, 4}, {33, 64, 64, 1}};
    static const char *const names[] = {"r", "w", "k", "v", "a", "b"};
    for (int i = 0; i < 5; i++) {
        op_case c;
        case_init(&c, "wkv7", shapes[i][0], shapes[i][1], shapes[i][3]);
        c.N = shapes[i][2];
        for (int j = 0; j < 6; j++)
            case_in(&c, names[j], size_of(&c), j < 4 ? 1.0 : 0.3);
        for (size_t j = 0; j < c.in[1].n; j++) /* decays lie in (0.545, 1) */
            c.in[1].v[j] = REAL_C(0.55) + REAL_C(0.44) * (real)wkv_rng_uniform(&c.rng);
        size_t state_size = (size_t)c.seqs.n * (size_t)c.C * (size_t)c.N;
        case_in(&c, "state", state_size, 1.0);
        case_out(&c, "y", size_of(&c));
        case_out(&c, "final state", state_size);
        case_keep(&c, wkv_wkv7_keep_size(&c.seqs, c.C / c.N, c.N));
        c.forward = wkv7_forward;
        c.backward = wkv7_backward;
        case_run(&c);
    }
}
