/* tests/ops/check_aft.c - AFT's ops: the weighted mean over ragged batches that begin at
 * different positions, the positions themselves, and the kernel of positions. */
#include <math.h>

#include "device.h"
#include "ops.h"

/* ---- the mean: in k, v, bias, state; variant bit 0 biases of rows, bit 1 by place, the rest
 * the window ------------------------------------------------------------------------------ */

static const int32_t starts[MAX_SEQS] = {0, 3, 30, 9};

static wkv_aft inputs_of(const op_case *c)
{
    return (wkv_aft){.k = c->in[0].v,
                     .v = c->in[1].v,
                     .bias = c->in[2].v,
                     .start = starts,
                     .C = c->C,
                     .H = c->C / c->N,
                     .window = c->variant >> 2,
                     .bias_rows = c->variant & 1,
                     .by_place = c->variant & 2};
}

static size_t state_of(const op_case *c)
{
    return (size_t)c->seqs.n * wkv_aft_rows(c->variant >> 2) * (size_t)c->C;
}

static void aft_forward(wkv_exec *x, op_case *c)
{
    wkv_aft in = inputs_of(c);
    case_slot s;
    case_slot_forward(&s, c, 3, 1);
    x->dev->aft(x, c->out[0].v, c->keep, c->keep + 2 * c->in[0].n, &in, &c->seqs, &s.slot);
}

static void aft_backward(wkv_exec *x, op_case *c)
{
    wkv_aft in = inputs_of(c);
    case_slot s;
    case_slot_backward(&s, c, 3, 1);
    size_t width = (size_t)in.H * (size_t)in.window, mark = wkv_arena_mark(x->scratch);
    real *dbias =
        in.bias_rows ? c->in[2].d : wkv_arena_reals(x->scratch, (size_t)c->rows * width + 1);
    wkv_aft_grad g = {c->out[0].v, c->keep, c->out[0].d, c->in[0].d, c->in[1].d, dbias, NULL, 0};
    x->dev->aft_bwd(x, &g, c->keep + 2 * c->in[0].n, &in, &c->seqs, &s.slot);
    if (!in.bias_rows)
        x->dev->colsum(x, c->in[2].d, dbias, c->rows, width);
    wkv_arena_reset(x->scratch, mark);
}

void check_aft(void **state)
{
    static const int shapes[][4] = {{1, 2, 2, 1}, {9, 6, 3, 3}, {60, 40, 20, 2}, {70, 140, 70, 4}};
    static const int windows[] = {0, 1, 6, 20};
    for (int i = 0; i < 16; i++)
        for (int flags = 0; flags < 4; flags++) {
            op_case c;
            case_init(&c, "aft", shapes[i / 4][0], shapes[i / 4][1], shapes[i / 4][3]);
            c.N = shapes[i / 4][2];
            c.variant = windows[i % 4] << 2 | flags;
            size_t size = (size_t)c.rows * (size_t)c.C;
            size_t biases = (size_t)(c.C / c.N) * (size_t)windows[i % 4];
            case_in(&c, "k", size, 2.0);
            case_in(&c, "v", size, 1.0);
            case_in(&c, "bias", flags & 1 ? biases * (size_t)c.rows : biases, 1.0);
            array *s = case_in(&c, "state", state_of(&c), 1.0);
            size_t each = s->n / (size_t)c.seqs.n, C = (size_t)c.C;
            for (size_t j = 0; j < s->n; j++) /* b is a sum of exponentials */
                if (j % each / C == 1)
                    s->v[j] = 1 + s->v[j] * s->v[j];
            case_out(&c, "y", size);
            case_out(&c, "final state", s->n);
            case_keep(&c, 2 * size + s->n);
            c.forward = aft_forward;
            c.backward = aft_backward;
            case_run(&c);
        }
}

/* ---- positions ---------------------------------------------------------------------------- */

enum { WINDOW = 7, LAST = 20 };

/* The number kept, what is read from it, and what follows it after 5 tokens. */
static void check_number(wkv_exec *x, real kept, int32_t want_start, real want_after)
{
    static const int32_t borders[] = {0, 5};
    int32_t start = -1, place[5];
    real *state[1] = {&kept};
    wkv_slot slot = {state, 0};
    const wkv_seqs q = {1, borders};
    x->dev->aft_place(x, &start, place, LAST, WINDOW, &q, &slot);
    assert_int_equal(start, want_start);
    assert_true(kept == want_after);
    for (int t = 0; t < 5; t++)
        assert_int_equal(place[t], start + t < LAST ? start + t : LAST);
    x->dev->aft_place_bwd(x, &q, &slot);
    assert_true(kept == 0);
}

void check_aft_place(void **state)
{
    wkv_dev *dev = open_dev(1);
    wkv_arena scratch;
    assert_true(wkv_arena_init(&scratch, 64));
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    check_number(&x, 0, 0, 5);
    check_number(&x, 18, 18, 23);
    /* Far on, whole windows are taken away: the same place in the window. */
    const int turn = 1 << 22, far = turn - 3;
    real after = (real)((1 << 21) + (far + 5 - (1 << 21)) % WINDOW);
    check_number(&x, (real)far, far, after);
    assert_int_equal((far + 5 - (int)after) % WINDOW, 0);
    /* What no text leaves counts as the start of one. */
    check_number(&x, (real)-4, 0, 5);
    check_number(&x, (real)1e30, 0, 5);
    check_number(&x, (real)NAN, 0, 5);
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
}

/* ---- the kernel of positions: in raw, gain, offset ------------------------------------------ */

static void kernel_forward(wkv_exec *x, op_case *c)
{
    wkv_weight raw = case_vec(&c->in[0]), gain = case_vec(&c->in[1]), offset = case_vec(&c->in[2]);
    x->dev->aft_kernel(x, c->out[0].v, &raw, &gain, &offset);
}

static void kernel_backward(wkv_exec *x, op_case *c)
{
    wkv_weight raw = case_vec(&c->in[0]), gain = case_vec(&c->in[1]), offset = case_vec(&c->in[2]);
    x->dev->aft_kernel_bwd(x, c->out[0].d, &raw, &gain, &offset);
}

void check_aft_kernel(void **state)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 5}, {4, 32}};
    for (int i = 0; i < 3; i++) {
        op_case c;
        size_t heads = shapes[i][0], n = heads * shapes[i][1];
        case_init(&c, "aft_kernel", 1, 1, 1);
        case_in(&c, "raw", n, 1.0);
        case_in(&c, "gain", heads, 1.0);
        case_in(&c, "offset", heads, 1.0);
        case_out(&c, "w", n);
        c.forward = kernel_forward;
        c.backward = kernel_backward;
        case_run(&c);
    }
}
