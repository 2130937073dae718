/* tests/ops/check_sparse.c - products with rows of mostly zeros, of weights that lie by inputs:
 * the bits of the product that reads all weights, for one row, a few, and a batch, on one
 * thread or several, before and after the weights are in their place.
 *
 * Weights of block types are held against the same ones without the hint, which lie in panels;
 * plain weights against a loop that adds all terms in order. */
#include <tgmath.h>

#include "base/half.h"
#include "device.h"
#include "ops.h"

enum { INPUTS = 512, OUTPUTS = 300, BATCH = 32, THREADS = 3, PLACES = 3 };

typedef struct setup {
    wkv_dtype type;
    wkv_weight sparse, dense;
    void *stored;
    real in[BATCH * INPUTS], before[BATCH * OUTPUTS];
    wkv_rng rng;
} setup;

/* Any quants, finite scales; of plain types any finite number, tiny ones among them. */
static void draw_weights(setup *s)
{
    uint64_t size;
    const size_t n = (size_t)INPUTS * OUTPUTS;
    assert_true(wkv_dtype_bytes(s->type, n, &size));
    unsigned char *p = s->stored = malloc((size_t)size);
    const size_t step = (size_t)wkv_dtype_of(s->type)->bytes;
    const bool has_offset =
        s->type == WKV_DTYPE_Q4_K || s->type == WKV_DTYPE_Q5_K || s->type == WKV_DTYPE_Q5_1;
    for (size_t b = 0; b < size; b++)
        p[b] = (unsigned char)wkv_rng_u64(&s->rng);
    for (size_t b = 0, i = 0; b < size; b += step, i++) {
        const float v = (float)wkv_rng_normal(&s->rng) * (i % 7 == 0 ? 1e-38f : 0.1f);
        const uint16_t scale[2] = {wkv_f32_to_f16((float)wkv_rng_normal(&s->rng) * 0.1f),
                                   wkv_f32_to_f16((float)wkv_rng_normal(&s->rng) * 0.1f)};
        const real r = (real)v;
        if (s->type == WKV_DTYPE_REAL)
            memcpy(p + b, &r, sizeof r);
        else if (s->type == WKV_DTYPE_BF16)
            memcpy(p + b, &(uint16_t){wkv_f32_to_bf16(v)}, 2);
        else if (step == 2)
            memcpy(p + b, &(uint16_t){wkv_f32_to_f16(v)}, 2);
        else
            memcpy(p + b + (s->type == WKV_DTYPE_Q6_K ? 208 : 0), scale, has_offset ? 4 : 2);
    }
}

/* Four of five are zero; a block of 32 has nothing else, a row nothing at all; one NaN. */
static void draw_rows(setup *s)
{
    for (int i = 0; i < BATCH * INPUTS; i++) {
        const bool zero = wkv_rng_u64(&s->rng) % 5 != 0 || i / 32 % 5 == 2 || i / INPUTS == 4;
        const real v = (real)wkv_rng_normal(&s->rng);
        s->in[i] = zero ? (i % 3 == 0 ? -(real)0 : (real)0) : v;
    }
    s->in[2 * INPUTS + 77] = (real)NAN;
    for (int i = 0; i < BATCH * OUTPUTS; i++)
        s->before[i] = (real)wkv_rng_normal(&s->rng);
}

static wkv_weight packed(const setup *s, bool sparse)
{
    wkv_weight W = {
        .data = s->stored, .dtype = s->type, .rows = OUTPUTS, .cols = INPUTS, .sparse_in = sparse};
    pack_weight(&W);
    return W;
}

/* Of a weight at work, without scales. */
static double bytes_of(wkv_dtype t)
{
    if (wkv_dtype_of(t)->block == 1)
        return wkv_dtype_of(t)->bytes;
    return t == WKV_DTYPE_Q4_0 || t == WKV_DTYPE_Q4_K ? 0.5 : 1;
}

static void multiply(const setup *s, const wkv_weight *W, int threads, int rows, bool add, real *y)
{
    wkv_dev *dev = open_dev(threads);
    uint64_t unread = 0;
    const wkv_product p = {y, s->in, W, add};
    memcpy(y, s->before, (size_t)rows * OUTPUTS * sizeof(real));
    run_products((wkv_exec){.dev = dev, .row_by_row = true, .unread = &unread}, &p, 1, rows);
    const bool counts = rows == 1 && W->sparse_in; /* four fifths, and what rounds to zero */
    const double all = (double)INPUTS * OUTPUTS * bytes_of(s->type);
    assert_true(counts ? (double)unread > 0.7 * all && (double)unread < 0.95 * all : unread == 0);
    wkv_dev_close(&dev);
}

/* Every term in order, each added with one rounding. */
static void multiply_plainly(const setup *s, int rows, bool add, real *y)
{
    real wide[INPUTS];
    const size_t row_bytes = INPUTS * (size_t)wkv_dtype_of(s->type)->bytes;
    for (size_t o = 0; o < OUTPUTS; o++) {
        wkv_dtype_to_real(wide, (const unsigned char *)s->stored + o * row_bytes, s->type, INPUTS);
        for (size_t r = 0; r < (size_t)rows; r++) {
            real sum = 0;
            for (size_t i = 0; i < INPUTS; i++)
                sum = fma(wide[i], s->in[r * INPUTS + i], sum);
            sum += 0; /* never -0 */
            y[r * OUTPUTS + o] = add ? s->before[r * OUTPUTS + o] + sum : sum;
        }
    }
}

static bool same_bits(const real *a, const real *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

static void check_rows(const setup *s, int rows, bool add)
{
    static real want[BATCH * OUTPUTS], got[BATCH * OUTPUTS];
    if (wkv_dtype_of(s->type)->block == 1)
        multiply_plainly(s, rows, add, want);
    else
        multiply(s, &s->dense, 1, rows, add, want);
    for (int threads = 1; threads <= THREADS; threads += THREADS - 1) {
        multiply(s, &s->sparse, threads, rows, add, got);
        if (!same_bits(got, want, (size_t)rows * OUTPUTS))
            fail_msg("%s, %d rows, %d threads: zeros left out change the product",
                     wkv_dtype_of(s->type)->name, rows, threads);
    }
}

static void check_type(wkv_dtype type)
{
    static setup s;
    s.type = type;
    wkv_rng_seed(&s.rng, 5);
    draw_weights(&s);
    draw_rows(&s);
    s.dense = packed(&s, false);
    s.sparse = packed(&s, true);
    for (int place = 0; place < PLACES; place++) {
        check_rows(&s, 1, place % 2 == 1);
        check_rows(&s, 3, place % 2 == 0);
        check_rows(&s, BATCH, place % 2 == 1);
    }
    free(s.stored);
    unpack_weight(&s.dense);
    unpack_weight(&s.sparse);
}

void check_sparse(void **state)
{
    (void)state;
    check_type(WKV_DTYPE_REAL);
    check_type(WKV_DTYPE_F16);
    check_type(WKV_DTYPE_BF16);
    check_type(WKV_DTYPE_Q8_0);
    check_type(WKV_DTYPE_Q5_0);
    check_type(WKV_DTYPE_Q5_1);
    check_type(WKV_DTYPE_Q4_0);
    check_type(WKV_DTYPE_Q4_K);
    check_type(WKV_DTYPE_Q5_K);
    check_type(WKV_DTYPE_Q6_K);
}
