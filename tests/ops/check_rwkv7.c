/* tests/ops/check_rwkv7.c - RWKV-7's fused row-wise parts. */
#include "ops.h"

static size_t size_of(const op_case *c)
{
    return (size_t)c->rows * (size_t)c->C;
}

/* ---- prep: in k v w_raw a_raw w0 a0 k_k k_a, then v_first v_raw v0 in variant 1 ------- */

enum { K, V, W_RAW, A_RAW, W0, A0, K_K, K_A, V_FIRST, V_RAW, V0 };

static wkv_rwkv7_prep prep_of(const op_case *c)
{
    const array *in = c->in;
    bool mixed = c->variant == 1;
    return (wkv_rwkv7_prep){
        .k_in = in[K].v,
        .v_in = in[V].v,
        .v_first = mixed ? in[V_FIRST].v : NULL,
        .w_raw = in[W_RAW].v,
        .a_raw = in[A_RAW].v,
        .v_raw = mixed ? in[V_RAW].v : NULL,
        .w = c->out[0].v,
        .k = c->out[1].v,
        .v = c->out[2].v,
        .a = c->out[3].v,
        .b = c->out[4].v,
    };
}

typedef struct prep_weights {
    wkv_weight w[5];
    wkv_rwkv7_prep_weights p;
} prep_weights;

static void weights_of(prep_weights *p, const op_case *c)
{
    static const int from[5] = {W0, A0, V0, K_K, K_A};
    for (int i = 0; i < 5; i++)
        p->w[i] = from[i] < c->n_in ? case_vec(&c->in[from[i]]) : (wkv_weight){0};
    p->p = (wkv_rwkv7_prep_weights){&p->w[0], &p->w[1], &p->w[2], &p->w[3], &p->w[4]};
}

static void prep_forward(wkv_exec *x, op_case *c)
{
    wkv_rwkv7_prep prep = prep_of(c);
    prep_weights w;
    weights_of(&w, c);
    x->dev->rwkv7_prep(x, &prep, &w.p, c->rows, c->C, c->N);
}

static void prep_backward(wkv_exec *x, op_case *c)
{
    wkv_rwkv7_prep prep = prep_of(c);
    prep_weights w;
    weights_of(&w, c);
    bool mixed = c->variant == 1;
    wkv_rwkv7_prep_grad g = {
        .dw = c->out[0].d,
        .dk = c->out[1].d,
        .dv = c->out[2].d,
        .da = c->out[3].d,
        .db = c->out[4].d,
        .dk_in = c->in[K].d,
        .dv_in = c->in[V].d,
        .dw_raw = c->in[W_RAW].d,
        .da_raw = c->in[A_RAW].d,
        .dv_raw = mixed ? c->in[V_RAW].d : NULL,
        .dv_first = mixed ? c->in[V_FIRST].d : NULL,
    };
    x->dev->rwkv7_prep_bwd(x, &g, &prep, &w.p, c->rows, c->C, c->N);
}

void check_rwkv7_prep(void **state)
{
    static const int shapes[][3] = {
        {1, 1, 1}, {5, 6, 3}, {40, 64, 32}, {90, 60, 20}, {30, 128, 64}};
    static const char *const names[] = {"k",   "v",   "w_raw",   "a_raw", "w0", "a0",
                                        "k_k", "k_a", "v_first", "v_raw", "v0"};
    for (int i = 0; i < 5; i++)
        for (int variant = 0; variant < 2; variant++) {
            op_case c;
            case_init(&c, "rwkv7_prep", shapes[i][0], shapes[i][1], 1);
            c.N = shapes[i][2];
            c.variant = variant;
            for (int j = 0; j < (variant == 1 ? 11 : 8); j++) {
                bool vector = (j >= W0 && j <= K_A) || j == V0;
                case_in(&c, names[j], vector ? (size_t)c.C : size_of(&c), 1.0);
            }
            for (int j = 0; j < 5; j++)
                case_out(&c, "w k v a b", size_of(&c));
            c.forward = prep_forward;
            c.backward = prep_backward;
            case_run(&c);
        }
}

/* ---- out: in y r k v g ln_w ln_b r_k -------------------------------------------------------- */

static wkv_rwkv7_out out_of(const op_case *c)
{
    const array *in = c->in;
    return (wkv_rwkv7_out){.y = in[0].v,
                           .r = in[1].v,
                           .k = in[2].v,
                           .v = in[3].v,
                           .g = in[4].v,
                           .z = c->out[0].v,
                           .stat = c->keep,
                           .eps = REAL_C(64e-5)};
}

static void out_forward(wkv_exec *x, op_case *c)
{
    wkv_rwkv7_out o = out_of(c);
    wkv_weight w[3] = {case_vec(&c->in[5]), case_vec(&c->in[6]), case_vec(&c->in[7])};
    wkv_rwkv7_out_weights ow = {&w[0], &w[1], &w[2]};
    x->dev->rwkv7_out(x, &o, &ow, c->rows, c->C, c->N);
}

static void out_backward(wkv_exec *x, op_case *c)
{
    wkv_rwkv7_out o = out_of(c);
    wkv_weight w[3] = {case_vec(&c->in[5]), case_vec(&c->in[6]), case_vec(&c->in[7])};
    wkv_rwkv7_out_weights ow = {&w[0], &w[1], &w[2]};
    wkv_rwkv7_out_grad g = {.dz = c->out[0].d,
                            .dy = c->in[0].d,
                            .dr = c->in[1].d,
                            .dk = c->in[2].d,
                            .dv = c->in[3].d,
                            .dg = c->in[4].d};
    x->dev->rwkv7_out_bwd(x, &g, &o, &ow, c->rows, c->C, c->N);
}

void check_rwkv7_out(void **state)
{
    static const int shapes[][3] = {
        {1, 2, 2}, {5, 6, 3}, {40, 64, 32}, {90, 60, 20}, {30, 128, 64}};
    static const char *const names[] = {"y", "r", "k", "v", "g", "ln_w", "ln_b", "r_k"};
    for (int i = 0; i < 5; i++) {
        op_case c;
        case_init(&c, "rwkv7_out", shapes[i][0], shapes[i][1], 1);
        c.N = shapes[i][2];
        for (int j = 0; j < 8; j++)
            case_in(&c, names[j], j < 5 ? size_of(&c) : (size_t)c.C, 1.0);
        case_out(&c, "z", size_of(&c));
        case_keep(&c, 2 * (size_t)c.rows * (size_t)(c.C / c.N));
        c.forward = out_forward;
        c.backward = out_backward;
        case_run(&c);
    }
}
