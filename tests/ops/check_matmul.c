/* tests/ops/check_matmul.c - products, both orientations, few rows and many, added or
 * written; with low-rank changes; and weights that are stored in every other type. */
#include <math.h>

#include "base/half.h"
#include "device.h"
#include "ops.h"

/* variant: bit 0 in_out, 1 accumulate, 2 a low-rank change, 3 of a frozen W; in: x, W, what y
 * holds before, and the change's factors. */
enum { IN_OUT = 1, ACCUMULATE = 2, CHANGED = 4, FROZEN = 8 };

static wkv_weight weight_of(op_case *c, wkv_lora *change)
{
    bool in_out = c->variant & IN_OUT;
    wkv_weight W = case_mat(&c->in[1], in_out ? c->C : c->N, in_out ? c->N : c->C, in_out);
    if (c->variant & FROZEN)
        W.grad = NULL;
    if (c->variant & CHANGED) {
        const int rank = (int)c->in[3].n / c->C;
        *change = (wkv_lora){.A = case_mat(&c->in[3], rank, c->C, false),
                             .B = case_mat(&c->in[4], c->N, rank, false),
                             .scale = REAL_C(1.75)};
        W.lora = change;
    }
    return W;
}

static void forward(wkv_exec *x, op_case *c)
{
    wkv_lora change;
    wkv_weight W = weight_of(c, &change);
    memcpy(c->out[0].v, c->in[2].v, c->in[2].n * sizeof(real));
    x->dev->matmul(x, c->out[0].v, c->in[0].v, &W, c->rows, c->variant & ACCUMULATE);
}

static void backward(wkv_exec *x, op_case *c)
{
    wkv_lora change;
    wkv_weight W = weight_of(c, &change);
    x->dev->matmul_bwd(x, c->in[0].d, c->out[0].d, c->in[0].v, &W, c->rows, false);
    if (c->variant & ACCUMULATE)
        memcpy(c->in[2].d, c->out[0].d, c->in[2].n * sizeof(real));
}

static void make_case(op_case *c, int rows, int n_in, int n_out, int variant)
{
    enum { RANK = 3 };
    case_init(c, "matmul", rows, n_in, 1);
    c->N = n_out;
    c->variant = variant;
    case_in(c, "x", (size_t)rows * (size_t)n_in, 1.0);
    case_in(c, "W", (size_t)n_out * (size_t)n_in, 1.0);
    case_in(c, "y before", (size_t)rows * (size_t)n_out, 1.0);
    if (variant & CHANGED) {
        case_in(c, "lora_A", RANK * (size_t)n_in, 1.0);
        case_in(c, "lora_B", (size_t)n_out * RANK, 1.0);
    }
    case_out(c, "y", (size_t)rows * (size_t)n_out);
    c->forward = forward;
    c->backward = backward;
}

static void check_shape(int rows, int n_in, int n_out)
{
    op_case c;
    for (int variant = 0; variant < CHANGED; variant++) {
        make_case(&c, rows, n_in, n_out, variant);
        case_run(&c);
    }
    for (int variant = CHANGED; variant <= (CHANGED | ACCUMULATE); variant += ACCUMULATE) {
        make_case(&c, rows, n_in, n_out, variant);
        case_run(&c);
    }
}

/* What one direction alone computes. */
static void compute(op_case *c, void (*direction)(wkv_exec *x, op_case *c))
{
    wkv_dev *dev = open_dev(2);
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    direction(&x, c);
    assert_true(wkv_arena_init(&scratch, scratch.peak));
    direction(&x, c);
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
}

/* No gradient reaches a frozen matrix, whatever its change gets. */
static void check_frozen(void)
{
    op_case c;
    make_case(&c, 6, 20, 10, CHANGED | FROZEN);
    compute(&c, backward);
    for (size_t i = 0; i < c.in[1].n; i++)
        assert_true(c.in[1].d[i] == 0);
    assert_true(c.in[3].d[0] != 0 && c.in[4].d[0] != 0);
    case_free(&c);
}

/* The product with a change is that with the changed matrix. */
static void check_merged(int rows)
{
    op_case c;
    make_case(&c, rows, 40, 30, CHANGED);
    compute(&c, forward);
    const int rank = (int)c.in[3].n / c.C;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < c.N; o++) {
            double want = 0;
            for (int i = 0; i < c.C; i++) {
                double w = (double)c.in[1].v[o * c.C + i];
                for (int k = 0; k < rank; k++)
                    w += 1.75 * (double)c.in[4].v[o * rank + k] * (double)c.in[3].v[k * c.C + i];
                want += w * (double)c.in[0].v[r * c.C + i];
            }
            assert_true(fabs((double)c.out[0].v[r * c.N + o] - want) < 1e-3);
        }
    case_free(&c);
}

/* ---- stored types ----------------------------------------------------------------- */

/* Random bytes as weights: finite scales, any quants. */
static void fill_blocks(unsigned char *p, size_t bytes, wkv_dtype t, wkv_rng *rng)
{
    const wkv_dtype_info *d = wkv_dtype_of(t);
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)wkv_rng_u64(rng);
    for (size_t at = 0; at < bytes; at += (size_t)d->bytes) {
        uint16_t scale = t == WKV_DTYPE_BF16 ? wkv_f32_to_bf16((float)wkv_rng_normal(rng))
                                             : wkv_f32_to_f16(0.05f * (float)wkv_rng_normal(rng));
        memcpy(p + at, &scale, 2);
        if (t == WKV_DTYPE_Q4_1 || t == WKV_DTYPE_Q5_1)
            memcpy(p + at + 2, &scale, 2);
    }
}

static void check_stored(wkv_dtype t, int rows, int n_in, int n_out)
{
    uint64_t bytes;
    assert_true(wkv_dtype_bytes(t, (uint64_t)n_in * (uint64_t)n_out, &bytes));
    wkv_rng rng;
    wkv_rng_seed(&rng, 5);
    unsigned char *stored = malloc((size_t)bytes);
    double *w = malloc((size_t)n_in * (size_t)n_out * sizeof *w);
    real *x = malloc((size_t)rows * (size_t)n_in * sizeof *x);
    real *y = malloc((size_t)rows * (size_t)n_out * sizeof *y);
    fill_blocks(stored, (size_t)bytes, t, &rng);
    wkv_dtype_to_f64(w, stored, t, (size_t)n_in * (size_t)n_out);
    for (int i = 0; i < rows * n_in; i++)
        x[i] = (real)wkv_rng_normal(&rng);

    wkv_dev *dev = open_dev(2);
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    wkv_exec e = {.dev = dev, .scratch = &scratch};
    wkv_weight W = {.data = stored, .dtype = t, .rows = n_out, .cols = n_in};
    dev->matmul(&e, y, x, &W, rows, false);
    assert_true(wkv_arena_init(&scratch, scratch.peak));
    dev->matmul(&e, y, x, &W, rows, false);
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < n_out; o++) {
            double want = 0.0, size = 0.0;
            for (int i = 0; i < n_in; i++) {
                double term = w[o * n_in + i] * (double)x[r * n_in + i];
                want += term;
                size += fabs(term);
            }
            assert_true(fabs((double)y[r * n_out + o] - want) <= 1e-6 * size + 1e-30);
        }
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
    free(stored);
    free(w);
    free(x);
    free(y);
}

void check_matmul(void **state)
{
    static const int shapes[][3] = {{1, 1, 1},   {1, 33, 50},   {3, 64, 16},  {4, 100, 7},
                                    {5, 7, 100}, {40, 130, 65}, {70, 16, 300}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_shape(shapes[i][0], shapes[i][1], shapes[i][2]);
    check_frozen();
    check_merged(1);
    check_merged(9);
    static const wkv_dtype stored[] = {WKV_DTYPE_F16,  WKV_DTYPE_BF16, WKV_DTYPE_Q4_0,
                                       WKV_DTYPE_Q4_1, WKV_DTYPE_Q5_0, WKV_DTYPE_Q5_1,
                                       WKV_DTYPE_Q8_0};
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++) {
        check_stored(stored[i], 1, 96, 50);
        check_stored(stored[i], 3, 32, 7);
        check_stored(stored[i], 20, 128, 130);
    }
}
