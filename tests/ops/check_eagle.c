/* tests/ops/check_eagle.c - what RWKV-5 and 6 add: their recurrence, decay, gate, parameters of
 * each head, grouped products, and the token shift that depends on the token. */
#include "ops.h"

static size_t size_of(const op_case *c)
{
    return (size_t)c->rows * (size_t)c->C;
}

/* ---- recurrence: in r k v w u state; variant 1: one decay for all rows ---------------- */

static wkv_wkv6_in wkv6_in_of(const op_case *c)
{
    return (wkv_wkv6_in){.r = c->in[0].v,
                         .k = c->in[1].v,
                         .v = c->in[2].v,
                         .w = c->in[3].v,
                         .u = c->in[4].v,
                         .N = c->N,
                         .stride = c->C,
                         .w_stride = c->variant == 1 ? 0 : c->C};
}

static void wkv6_forward(wkv_exec *x, op_case *c)
{
    wkv_wkv6_in in = wkv6_in_of(c);
    case_slot s;
    case_slot_forward(&s, c, 5, 1);
    x->dev->wkv6(x, c->out[0].v, c->keep, &in, &c->seqs, &s.slot);
}

static void wkv6_backward(wkv_exec *x, op_case *c)
{
    wkv_wkv6_in in = wkv6_in_of(c);
    case_slot s;
    case_slot_backward(&s, c, 5, 1);
    size_t mark = wkv_arena_mark(x->scratch);
    real *dw = c->variant == 1 ? wkv_arena_reals(x->scratch, size_of(c)) : c->in[3].d;
    wkv_wkv6_grad g = {c->in[0].d, dw, c->in[1].d, c->in[2].d, c->in[4].d};
    x->dev->wkv6_bwd(x, &g, c->out[0].d, c->keep, &in, &c->seqs, &s.slot);
    if (c->variant == 1)
        x->dev->colsum(x, c->in[3].d, dw, c->rows, (size_t)c->C);
    wkv_arena_reset(x->scratch, mark);
}

void check_wkv6(void **state)
{
    static const int shapes[][4] = {
        {1, 2, 2, 1}, {9, 6, 3, 3}, {60, 40, 20, 2}, {75, 64, 32, 4}, {33, 64, 64, 1}};
    static const char *const names[] = {"r", "k", "v", "w", "u"};
    for (int i = 0; i < 5; i++)
        for (int variant = 0; variant < 2; variant++) {
            op_case c;
            case_init(&c, "wkv6", shapes[i][0], shapes[i][1], shapes[i][3]);
            c.N = shapes[i][2];
            c.variant = variant;
            for (int j = 0; j < 5; j++)
                case_in(&c, names[j], j == 4 || (j == 3 && variant) ? (size_t)c.C : size_of(&c),
                        1.0);
            for (size_t j = 0; j < c.in[3].n; j++) /* decays lie in (0, 1) */
                c.in[3].v[j] = REAL_C(0.1) + REAL_C(0.89) * (real)wkv_rng_uniform(&c.rng);
            size_t state_size = (size_t)c.seqs.n * (size_t)c.C * (size_t)c.N;
            case_in(&c, "state", state_size, 1.0);
            case_out(&c, "y", size_of(&c));
            case_out(&c, "final state", state_size);
            case_keep(&c, wkv_wkv7_keep_size(&c.seqs, c.C / c.N, c.N));
            c.forward = wkv6_forward;
            c.backward = wkv6_backward;
            case_run(&c);
        }
}

/* ---- parameters of each head: N = 5 values a head or one; variant the function ---------- */

static void head_vec_forward(wkv_exec *x, op_case *c)
{
    wkv_weight v = case_vec(&c->in[0]);
    x->dev->head_vec(x, c->out[0].v, &v, c->C / 5, 5, (wkv_head_fn)c->variant);
}

static void head_vec_backward(wkv_exec *x, op_case *c)
{
    wkv_weight v = case_vec(&c->in[0]);
    x->dev->head_vec_bwd(x, c->out[0].d, c->out[0].v, &v, c->C / 5, 5, (wkv_head_fn)c->variant);
}

void check_head_vec(void **state)
{
    for (int variant = WKV_HEAD_RAW; variant <= WKV_HEAD_DECAY; variant++)
        for (int each = 1; each <= 5; each += 4) {
            op_case c;
            case_init(&c, "head_vec", 1, 20, 1);
            c.variant = variant;
            case_in(&c, "v", 4 * (size_t)each, 1.0);
            case_out(&c, "y", 20);
            c.forward = head_vec_forward;
            c.backward = head_vec_backward;
            case_run(&c);
        }
}

/* ---- decay: in raw, base ----------------------------------------------------------------------
 */

static void decay_forward(wkv_exec *x, op_case *c)
{
    wkv_weight base = case_vec(&c->in[1]);
    x->dev->decay(x, c->out[0].v, c->in[0].v, &base, c->rows);
}

static void decay_backward(wkv_exec *x, op_case *c)
{
    wkv_weight base = case_vec(&c->in[1]);
    x->dev->decay_bwd(x, c->in[0].d, c->out[0].d, c->out[0].v, c->in[0].v, &base, c->rows);
}

void check_decay(void **state)
{
    static const int widths[] = {1, 33, 700};
    for (int i = 0; i < 3; i++) {
        op_case c;
        case_init(&c, "decay", 50, widths[i], 1);
        case_in(&c, "raw", size_of(&c), 1.0);
        case_in(&c, "base", (size_t)c.C, 1.0);
        case_out(&c, "w", size_of(&c));
        c.forward = decay_forward;
        c.backward = decay_backward;
        case_run(&c);
    }
}

/* ---- norm and gate: in y ln_w ln_b, and g in variant 1 ------------------------------------------
 */

static wkv_gn_gate gate_of(const op_case *c)
{
    return (wkv_gn_gate){.y = c->in[0].v,
                         .g = c->variant ? c->in[3].v : NULL,
                         .z = c->out[0].v,
                         .stat = c->keep,
                         .eps = REAL_C(64e-5)};
}

static void gn_gate_forward(wkv_exec *x, op_case *c)
{
    wkv_gn_gate o = gate_of(c);
    wkv_weight w = case_vec(&c->in[1]), b = case_vec(&c->in[2]);
    x->dev->gn_gate(x, &o, &w, &b, c->rows, c->C, c->N);
}

static void gn_gate_backward(wkv_exec *x, op_case *c)
{
    wkv_gn_gate o = gate_of(c);
    wkv_weight w = case_vec(&c->in[1]), b = case_vec(&c->in[2]);
    wkv_gn_gate_grad g = {
        .dz = c->out[0].d, .dy = c->in[0].d, .dg = c->variant ? c->in[3].d : NULL};
    x->dev->gn_gate_bwd(x, &g, &o, &w, &b, c->rows, c->C, c->N);
}

void check_gn_gate(void **state)
{
    static const int shapes[][3] = {{1, 2, 2}, {5, 6, 3}, {40, 64, 32}, {90, 60, 20}};
    for (int i = 0; i < 4; i++)
        for (int variant = 0; variant < 2; variant++) {
            op_case c;
            case_init(&c, "gn_gate", shapes[i][0], shapes[i][1], 1);
            c.N = shapes[i][2];
            c.variant = variant;
            case_in(&c, "y", size_of(&c), 1.0);
            case_in(&c, "ln_w", (size_t)c.C, 1.0);
            case_in(&c, "ln_b", (size_t)c.C, 1.0);
            if (variant)
                case_in(&c, "g", size_of(&c), 1.0);
            case_out(&c, "z", size_of(&c));
            case_keep(&c, 2 * (size_t)c.rows * (size_t)(c.C / c.N));
            c.forward = gn_gate_forward;
            c.backward = gn_gate_backward;
            case_run(&c);
        }
}

/* ---- grouped product: in x (rows, 3 N), W (3 N, C)
 * ------------------------------------------------- */

enum { GROUPS = 3 };

static void grouped_forward(wkv_exec *x, op_case *c)
{
    wkv_weight W = case_mat(&c->in[1], GROUPS * c->N, c->C, true);
    real *y[GROUPS] = {c->out[0].v, c->out[1].v, c->out[2].v};
    x->dev->matmul_grouped(x, y, c->in[0].v, &W, GROUPS, c->rows);
}

static void grouped_backward(wkv_exec *x, op_case *c)
{
    wkv_weight W = case_mat(&c->in[1], GROUPS * c->N, c->C, true);
    const real *const dy[GROUPS] = {c->out[0].d, c->out[1].d, c->out[2].d};
    x->dev->matmul_grouped_bwd(x, c->in[0].d, dy, c->in[0].v, &W, GROUPS, c->rows);
}

void check_matmul_grouped(void **state)
{
    static const int shapes[][3] = {{1, 5, 2}, {3, 64, 32}, {40, 33, 8}};
    for (int i = 0; i < 3; i++) {
        op_case c;
        case_init(&c, "matmul_grouped", shapes[i][0], shapes[i][1], 1);
        c.N = shapes[i][2];
        case_in(&c, "x", (size_t)c.rows * GROUPS * (size_t)c.N, 1.0);
        case_in(&c, "W", GROUPS * (size_t)c.N * (size_t)c.C, 1.0);
        for (int j = 0; j < GROUPS; j++)
            case_out(&c, "y", size_of(&c));
        c.forward = grouped_forward;
        c.backward = grouped_backward;
        case_run(&c);
    }
}

/* ---- shift by the token's own weights: in x prev, then mu and delta of each mix
 * --------------------- */

enum { MIXES = 2 };

typedef struct lerp {
    wkv_weight w[MIXES];
    const wkv_weight *mu[MIXES];
    const real *delta[MIXES];
} lerp;

static void lerp_of(lerp *m, const op_case *c)
{
    for (int j = 0; j < MIXES; j++) {
        m->w[j] = case_vec(&c->in[2 + 2 * j]);
        m->mu[j] = &m->w[j];
        m->delta[j] = c->in[3 + 2 * j].v;
    }
}

static void lerp_forward(wkv_exec *x, op_case *c)
{
    lerp m;
    lerp_of(&m, c);
    real *y[MIXES] = {c->out[0].v, c->out[1].v};
    x->dev->shift_lerp(x, y, c->in[1].v, c->in[0].v, m.mu, m.delta, MIXES, &c->seqs);
}

static void lerp_backward(wkv_exec *x, op_case *c)
{
    lerp m;
    lerp_of(&m, c);
    const real *const dy[MIXES] = {c->out[0].d, c->out[1].d};
    real *ddelta[MIXES] = {c->in[3].d, c->in[5].d};
    x->dev->shift_lerp_bwd(x, c->in[0].d, c->in[1].d, ddelta, dy, c->in[1].v, c->in[0].v, m.mu,
                           m.delta, MIXES, &c->seqs);
}

void check_shift_lerp(void **state)
{
    static const int shapes[][3] = {{1, 1, 1}, {7, 5, 3}, {90, 33, 4}};
    for (int i = 0; i < 3; i++) {
        op_case c;
        case_init(&c, "shift_lerp", shapes[i][0], shapes[i][1], shapes[i][2]);
        case_in(&c, "x", size_of(&c), 1.0);
        case_in(&c, "prev", (size_t)c.seqs.n * (size_t)c.C, 1.0);
        for (int j = 0; j < MIXES; j++) {
            case_in(&c, "mu", (size_t)c.C, 0.5);
            case_in(&c, "delta", size_of(&c), 0.5);
        }
        for (int j = 0; j < MIXES; j++)
            case_out(&c, "y", size_of(&c));
        c.forward = lerp_forward;
        c.backward = lerp_backward;
        case_run(&c);
    }
}
