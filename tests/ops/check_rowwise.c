/* tests/ops/check_rowwise.c - embedding, norms, elementwise ops, loss, optimiser. */
#include <math.h>

#include "device.h"
#include "ops.h"

static size_t size_of(const op_case *c)
{
    return (size_t)c->rows * (size_t)c->C;
}

/* ---- embedding ------------------------------------------------------------------- */

static void embed_forward(wkv_exec *x, op_case *c)
{
    wkv_weight table = case_mat(&c->in[0], 7, c->C, false);
    x->dev->embed(x, c->out[0].v, &table, c->ids, c->rows);
}

static void embed_backward(wkv_exec *x, op_case *c)
{
    wkv_weight table = case_mat(&c->in[0], 7, c->C, false);
    x->dev->embed_bwd(x, c->out[0].d, &table, c->ids, c->rows);
}

void check_embed(void **state)
{
    static const int widths[] = {1, 5, 33, 700};
    for (int i = 0; i < 4; i++) {
        op_case c;
        case_init(&c, "embed", 40, widths[i], 1);
        for (int r = 0; r < c.rows; r++)
            c.ids[r] = (int32_t)(wkv_rng_u64(&c.rng) % 7);
        case_in(&c, "table", 7 * (size_t)c.C, 1.0);
        case_out(&c, "y", size_of(&c));
        c.forward = embed_forward;
        c.backward = embed_backward;
        case_run(&c);
    }
}

/* ---- layer norm ------------------------------------------------------------------------ */

static void layernorm_forward(wkv_exec *x, op_case *c)
{
    wkv_weight w = case_vec(&c->in[1]), b = case_vec(&c->in[2]);
    x->dev->layernorm(x, c->out[0].v, c->keep, c->in[0].v, &w, &b, c->rows, REAL_C(1e-5));
}

static void layernorm_backward(wkv_exec *x, op_case *c)
{
    wkv_weight w = case_vec(&c->in[1]), b = case_vec(&c->in[2]);
    x->dev->layernorm_bwd(x, c->in[0].d, c->out[0].d, c->in[0].v, c->keep, &w, &b, c->rows);
}

void check_layernorm(void **state)
{
    static const int widths[] = {2, 7, 32, 385};
    for (int i = 0; i < 4; i++) {
        op_case c;
        case_init(&c, "layernorm", 37, widths[i], 1);
        case_in(&c, "x", size_of(&c), 2.0);
        case_in(&c, "w", (size_t)c.C, 1.0);
        case_in(&c, "b", (size_t)c.C, 1.0);
        case_out(&c, "y", size_of(&c));
        case_keep(&c, 2 * (size_t)c.rows);
        c.forward = layernorm_forward;
        c.backward = layernorm_backward;
        case_run(&c);
    }
}

/* ---- elementwise -------------------------------------------------------------------------- */

/* variant: the activation; copy, zero and add stand beside it so that they run too. */
static void act_forward(wkv_exec *x, op_case *c)
{
    size_t n = size_of(c);
    x->dev->act(x, c->out[0].v, c->in[0].v, n, (wkv_act_kind)c->variant);
    x->dev->zero(x, c->out[1].v, n);
    x->dev->add(x, c->out[1].v, c->in[0].v, n);
    x->dev->add(x, c->out[1].v, c->in[0].v, n);
    x->dev->copy(x, c->out[2].v, c->in[0].v, n);
}

static void act_backward(wkv_exec *x, op_case *c)
{
    size_t n = size_of(c);
    const real *saved = c->variant == WKV_ACT_RELU2 ? c->in[0].v : c->out[0].v;
    x->dev->act_bwd(x, c->in[0].d, c->out[0].d, saved, n, (wkv_act_kind)c->variant);
    x->dev->add(x, c->in[0].d, c->out[1].d, n);
    x->dev->add(x, c->in[0].d, c->out[1].d, n);
    x->dev->add(x, c->in[0].d, c->out[2].d, n);
}

/* To bf16 and back. */
static void bf16_forward(wkv_exec *x, op_case *c)
{
    uint16_t *h = (uint16_t *)(void *)c->keep;
    x->dev->to_bf16(x, h, c->in[0].v, size_of(c));
    x->dev->from_bf16(x, c->out[0].v, h, size_of(c));
}

/* As floats, which are real again for the output. */
static void f32_forward(wkv_exec *x, op_case *c)
{
    float *f = (float *)(void *)c->keep;
    x->dev->to_f32(x, f, c->in[0].v, size_of(c));
    for (size_t i = 0; i < size_of(c); i++) {
        assert_true(wkv_exec_measuring(x) || f[i] == (float)c->in[0].v[i]);
        c->out[0].v[i] = (real)f[i];
    }
}

/* Of n columns that go by way of another type. */
static void stored_case(const char *name, int n, void (*forward)(wkv_exec *x, op_case *c))
{
    op_case c;
    case_init(&c, name, 9, n, 1);
    case_in(&c, "x", size_of(&c), 2.0);
    case_out(&c, "y", size_of(&c));
    case_keep(&c, size_of(&c));
    c.forward = forward;
    case_run(&c);
}

static void gate_forward(wkv_exec *x, op_case *c)
{
    x->dev->gate(x, c->out[0].v, c->in[0].v, c->in[1].v, size_of(c));
}

static void gate_backward(wkv_exec *x, op_case *c)
{
    x->dev->gate_bwd(x, c->in[0].d, c->in[1].d, c->out[0].d, c->in[0].v, c->in[1].v, size_of(c));
}

void check_elementwise(void **state)
{
    static const int sizes[] = {1, 13, 64, 4099};
    for (int i = 0; i < 4; i++) {
        op_case c;
        for (int kind = WKV_ACT_TANH; kind <= WKV_ACT_RELU2; kind++) {
            case_init(&c, "act", 9, sizes[i], 1);
            c.variant = kind;
            case_in(&c, "x", size_of(&c), 2.0);
            for (int o = 0; o < 3; o++)
                case_out(&c, "y", size_of(&c));
            c.forward = act_forward;
            c.backward = act_backward;
            case_run(&c);
        }
        stored_case("bf16", sizes[i], bf16_forward);
        stored_case("f32", sizes[i], f32_forward);
        case_init(&c, "gate", 9, sizes[i], 1);
        case_in(&c, "r", size_of(&c), 2.0);
        case_in(&c, "x", size_of(&c), 2.0);
        case_out(&c, "y", size_of(&c));
        c.forward = gate_forward;
        c.backward = gate_backward;
        case_run(&c);
    }
}

/* ---- bias ------------------------------------------------------------------------------------ */

static void bias_forward(wkv_exec *x, op_case *c)
{
    wkv_weight b = case_vec(&c->in[1]);
    x->dev->copy(x, c->out[0].v, c->in[0].v, size_of(c));
    x->dev->bias(x, c->out[0].v, &b, c->rows);
}

static void bias_backward(wkv_exec *x, op_case *c)
{
    wkv_weight b = case_vec(&c->in[1]);
    x->dev->copy(x, c->in[0].d, c->out[0].d, size_of(c));
    x->dev->bias_bwd(x, c->out[0].d, &b, c->rows);
}

void check_bias(void **state)
{
    op_case c;
    case_init(&c, "bias", 50, 401, 1);
    case_in(&c, "x", size_of(&c), 1.0);
    case_in(&c, "b", (size_t)c.C, 1.0);
    case_out(&c, "y", size_of(&c));
    c.forward = bias_forward;
    c.backward = bias_backward;
    case_run(&c);
}

/* ---- loss
 * ---------------------------------------------------------------------------------------- */

/* variant 0: the loss alone, whose gradient the op itself gives; 1: that gradient. */
static void loss_forward(wkv_exec *x, op_case *c)
{
    double loss[8];
    real *logits = c->out[1].v;
    memcpy(logits, c->in[0].v, size_of(c) * sizeof *logits);
    x->dev->softmax_ce(x, loss, logits, c->ids, c->rows, c->C, 0, 0);
    for (int r = 0; r < c->rows; r++)
        c->out[0].v[r] = (real)loss[r];
    memset(logits, 0, size_of(c) * sizeof *logits); /* not an output here */
}

static void loss_backward(wkv_exec *x, op_case *c)
{
    double loss[8];
    for (int r = 0; r < c->rows; r++) {
        real *d = c->in[0].d + (size_t)r * (size_t)c->C;
        memcpy(d, c->in[0].v + (size_t)r * (size_t)c->C, (size_t)c->C * sizeof *d);
        x->dev->softmax_ce(x, loss + r, d, c->ids + r, 1, c->C, c->out[0].d[r], 0);
    }
}

/* L2Wrap adds scale * l2wrap * max at the first maximum and nothing elsewhere. */
static void check_l2wrap(void)
{
    wkv_dev *dev = open_dev(1);
    wkv_arena scratch;
    assert_true(wkv_arena_init(&scratch, 1 << 12));
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    real plain[5] = {1, 3, 2, 3, -1}, wrapped[5] = {1, 3, 2, 3, -1};
    int32_t target = 2;
    double loss;
    dev->softmax_ce(&x, &loss, plain, &target, 1, 5, REAL_C(0.5), 0);
    dev->softmax_ce(&x, &loss, wrapped, &target, 1, 5, REAL_C(0.5), REAL_C(0.25));
    for (int i = 0; i < 5; i++)
        assert_true(fabs((double)(wrapped[i] - plain[i]) - (i == 1 ? 0.5 * 0.25 * 3 : 0)) < 1e-6);
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
}

void check_softmax_ce(void **state)
{
    static const int vocabularies[] = {1, 2, 12, 256, 1003};
    for (int i = 0; i < 5; i++) {
        op_case c;
        case_init(&c, "softmax_ce", 8, vocabularies[i], 1);
        for (int r = 0; r < c.rows; r++)
            c.ids[r] = (int32_t)(wkv_rng_u64(&c.rng) % (uint64_t)c.C);
        case_in(&c, "logits", size_of(&c), 3.0);
        case_out(&c, "loss", (size_t)c.rows);
        array *unused = case_out(&c, "logits", size_of(&c));
        memset(unused->d, 0, unused->n * sizeof(real));
        c.forward = loss_forward;
        c.backward = loss_backward;
        case_run(&c);
    }
    check_l2wrap();
}

/* ---- optimiser and norm
 * ------------------------------------------------------------------------------- */

static void adamw_forward(wkv_exec *x, op_case *c)
{
    static const wkv_adamw h = {.lr = REAL_C(0.01),
                                .beta1 = REAL_C(0.9),
                                .beta2 = REAL_C(0.99),
                                .eps = REAL_C(1e-8),
                                .decay = REAL_C(0.1),
                                .correction1 = REAL_C(0.1),
                                .correction2 = REAL_C(0.01),
                                .grad_scale = REAL_C(0.5)};
    for (int i = 0; i < 3; i++)
        memcpy(c->out[i].v, c->in[i].v, size_of(c) * sizeof(real));
    for (size_t i = 0; i < size_of(c); i++)
        c->out[2].v[i] = c->out[2].v[i] < 0 ? -c->out[2].v[i] : c->out[2].v[i];
    x->dev->adamw(x, c->out[0].v, c->out[1].v, c->out[2].v, c->in[3].v, size_of(c), &h);
}

/* One value by hand: p = 1, m = v = 0, g = 2 clipped to 1. */
static void check_adamw_value(void)
{
    wkv_dev *dev = open_dev(1);
    wkv_arena scratch;
    assert_true(wkv_arena_init(&scratch, 64));
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    real p = 1, m = 0, v = 0, g = 2;
    wkv_adamw h = {.lr = REAL_C(0.1),
                   .beta1 = REAL_C(0.5),
                   .beta2 = REAL_C(0.75),
                   .eps = 0,
                   .decay = REAL_C(0.2),
                   .correction1 = REAL_C(0.5),
                   .correction2 = REAL_C(0.25),
                   .grad_scale = REAL_C(0.5)};
    dev->adamw(&x, &p, &m, &v, &g, 1, &h);
    /* m = 0.5, v = 0.25; step = 1 / 1; p = 1 - 0.1 (1 + 0.2) */
    assert_true(fabs((double)p - 0.88) < 1e-6);
    assert_true(fabs((double)m - 0.5) < 1e-6 && fabs((double)v - 0.25) < 1e-6);
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
}

void check_adamw(void **state)
{
    op_case c;
    case_init(&c, "adamw", 3, 20011, 1);
    for (int i = 0; i < 4; i++)
        case_in(&c, "p m v g", size_of(&c), 1.0);
    for (int i = 0; i < 3; i++)
        case_out(&c, "p m v", size_of(&c));
    c.forward = adamw_forward;
    case_run(&c);
    check_adamw_value();
}

static void sumsq_forward(wkv_exec *x, op_case *c)
{
    c->out[0].v[0] = (real)x->dev->sumsq(x, c->in[0].v, size_of(c));
}

void check_sumsq(void **state)
{
    op_case c;
    case_init(&c, "sumsq", 5, 30007, 1);
    array *a = case_in(&c, "x", size_of(&c), 1.0);
    case_out(&c, "y", 1);
    c.forward = sumsq_forward;
    double want = 0.0;
    for (size_t i = 0; i < a->n; i++)
        want += (double)a->v[i] * (double)a->v[i];
    wkv_dev *dev = open_dev(2);
    wkv_arena scratch;
    assert_true(wkv_arena_init(&scratch, 1 << 12));
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    assert_true(fabs(dev->sumsq(&x, a->v, a->n) - want) < 1e-9 * want);
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
    case_run(&c);
}
