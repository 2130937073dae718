/* tests/ops/check_products.c - several products in one go, of plain and of packed weights:
 * the bits of one product after the other, of the file's weights where these are plain, and
 * of the same rows alone, on one thread or several.  Where many rows of packed weights are
 * multiplied as bf16, a row alone is only near. */
#include <math.h>

#include "base/half.h"
#include "device.h"
#include "ops.h"

enum { PRODUCTS = 4, INPUTS = 256, THREADS = 3 };

typedef struct setup {
    wkv_weight W[PRODUCTS];
    void *stored[PRODUCTS];
    real *in, *before; /* (rows, INPUTS), and what y holds, at most (rows, 200) */
    int rows;
    wkv_rng rng;
} setup;

/* A matrix of random blocks of type t, packed where the device wants it. */
static void add_weight(setup *s, int i, wkv_dtype t, int outputs)
{
    uint64_t size;
    const size_t n = (size_t)outputs * INPUTS;
    assert_true(wkv_dtype_bytes(t, n, &size));
    unsigned char *p = malloc((size_t)size);
    for (size_t b = 0; b < size; b++)
        p[b] = (unsigned char)wkv_rng_u64(&s->rng);
    const size_t step = (size_t)wkv_dtype_of(t)->bytes, at = t == WKV_DTYPE_Q6_K ? 208 : 0;
    for (size_t b = 0; b < size; b += step) {
        uint16_t scale[2] = {wkv_f32_to_f16(0.01f * (float)wkv_rng_normal(&s->rng)),
                             wkv_f32_to_f16(0.01f * (float)wkv_rng_normal(&s->rng))};
        float plain = (float)wkv_rng_normal(&s->rng);
        memcpy(p + b + at, t == WKV_DTYPE_F32 ? (void *)&plain : (void *)scale,
               step < 4                                     ? step
               : t == WKV_DTYPE_Q8_0 || t == WKV_DTYPE_Q6_K ? 2
                                                            : 4);
    }
    s->stored[i] = p;
    s->W[i] = (wkv_weight){.data = p, .dtype = t, .rows = outputs, .cols = INPUTS};
    s->W[i].sparse_in = i == 0; /* by inputs, where the type has such a layout */
    pack_weight(&s->W[i]);
    assert_int_equal(s->W[i].packed != NULL, wkv_dtype_of(t)->block > 1);
}

static void run(const setup *s, int threads, int first, int n, const real *in, int rows,
                real *const *y)
{
    wkv_dev *dev = open_dev(threads);
    wkv_product p[PRODUCTS];
    for (int i = 0; i < n; i++) {
        const wkv_weight *W = &s->W[first + i];
        memcpy(y[i], s->before, (size_t)rows * (size_t)W->rows * sizeof(real));
        p[i] = (wkv_product){y[i], in, W, (first + i) % 2 == 1};
    }
    run_products((wkv_exec){.dev = dev}, p, n, rows);
    wkv_dev_close(&dev);
}

static real *outputs(const setup *s)
{
    return malloc((size_t)s->rows * 200 * sizeof(real));
}

/* Some units of packed weights are again as if nobody had met them. */
static void forget_some(setup *s)
{
    wkv_dev *dev = open_dev(1);
    for (int i = 0; i < PRODUCTS; i++)
        for (size_t u = 0; u < (s->W[i].packed != NULL ? dev->packed_units(&s->W[i]) : 0); u += 3)
            atomic_store(&s->W[i].marks[u], 0);
    wkv_dev_close(&dev);
}

static bool as_tiles(int rows)
{
    const int least = wkv_kern_for(wkv_cpu_detect())->tile_least;
    return least > 0 && rows >= least;
}

/* Rounding to 8 bits leaves some 0.6 %, to bf16 a quarter of that. */
static void near_row(const real *a, const real *b, size_t n)
{
    double square = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)a[i] * (double)a[i];
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    assert_true(off <= 0.02 * 0.02 * square);
}

static void check_setup(setup *s)
{
    real *together[PRODUCTS], *one = outputs(s), *row = outputs(s);
    for (int i = 0; i < PRODUCTS; i++)
        together[i] = outputs(s);
    for (int threads = 1; threads <= THREADS; threads++) {
        run(s, threads, 0, PRODUCTS, s->in, s->rows, together); /* the first time: not in place */
        for (int i = 0; i < PRODUCTS; i++) {
            const size_t n = (size_t)s->W[i].rows, last = (size_t)s->rows - 1;
            run(s, 1, i, 1, s->in, s->rows, &one);
            assert_memory_equal(together[i], one, (size_t)s->rows * n * sizeof(real));
            if (s->W[i].layout == WKV_LAYOUT_NONE || i % 2 == 1)
                continue;
            run(s, threads, i, 1, s->in + last * INPUTS, 1, &row);
            if (as_tiles(s->rows))
                near_row(row, one + last * n, n);
            else
                assert_memory_equal(row, one + last * n, n * sizeof(real));
        }
        forget_some(s);
    }
    for (int i = 0; i < PRODUCTS; i++)
        free(together[i]);
    free(one);
    free(row);
}

static void check_types(const wkv_dtype t[PRODUCTS], int rows)
{
    static const int sizes[PRODUCTS] = {200, 16, 33, 130};
    setup s = {.rows = rows};
    wkv_rng_seed(&s.rng, 11);
    for (int i = 0; i < PRODUCTS; i++)
        add_weight(&s, i, t[i], sizes[i]);
    s.in = malloc((size_t)rows * INPUTS * sizeof(real));
    s.before = malloc((size_t)rows * 200 * sizeof(real));
    for (int i = 0; i < rows * INPUTS; i++)
        s.in[i] = i % 3 == 1 ? 0 : (real)wkv_rng_normal(&s.rng);
    for (int i = 0; i < rows * 200; i++)
        s.before[i] = (real)wkv_rng_normal(&s.rng);
    check_setup(&s);
    for (int i = 0; i < PRODUCTS; i++) {
        free(s.stored[i]);
        unpack_weight(&s.W[i]);
    }
    free(s.in);
    free(s.before);
}

void check_products(void **state)
{
    static const wkv_dtype types[][PRODUCTS] = {
        {WKV_DTYPE_Q8_0, WKV_DTYPE_Q4_0, WKV_DTYPE_Q4_K, WKV_DTYPE_Q6_K},
        {WKV_DTYPE_F32, WKV_DTYPE_Q8_0, WKV_DTYPE_F16, WKV_DTYPE_Q5_1},
        {WKV_DTYPE_Q6_K, WKV_DTYPE_BF16, WKV_DTYPE_Q5_K, WKV_DTYPE_F32},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        check_types(types[i], 1);
        check_types(types[i], 3);
        check_types(types[i], 21);
        check_types(types[i], 75);
    }
}
