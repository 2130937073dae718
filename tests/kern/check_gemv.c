/* tests/kern/check_gemv.c - matrix times vector, against the error bound of a sum: the
 * reference run on absolute values gives what the terms add up to. */
#include <math.h>

#include "base/half.h"
#include "checkkern.h"

/* Partial sums of a row of n terms are rounded a few times each; 8 + sqrt(n) covers
 * the random walk of one long chain as well. */
static double factor(size_t n)
{
    return 8 + sqrt((double)n);
}

void check_gemv(check *c)
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 11), n = (int)c->n;
    size_t out = (size_t)rows, all = out * c->n;
    const real *W = input(c, all), *x = input_of(c, c->n, NORMAL);
    real *want = output(c, out), *got = output(c, out), *magnitude = output(c, out);
    wkv_gemv_ref(want, W, x, rows, n);
    wkv_gemv_ref(magnitude, absolute(c, W, all), absolute(c, x, c->n), rows, n);
    c->k->gemv(got, W, x, rows, n);
    within_sum("y", got, want, magnitude, out, factor(c->n));
    real *alone = output(c, 1);
    c->k->gemv(alone, W + all - c->n, x, 1, n);
    same("a row alone", alone, got + out - 1, 1);
}

typedef void (*half_gemv)(real *y, const uint16_t *W, const real *x, int rows, int n);

static void check_half(check *c, half_gemv f, half_gemv ref, uint16_t (*from)(float))
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 11), n = (int)c->n;
    size_t out = (size_t)rows, all = out * c->n;
    const real *values = input(c, all), *x = input_of(c, c->n, NORMAL);
    uint16_t *W = halves(c, all), *positive = halves(c, all);
    for (size_t i = 0; i < all; i++) {
        W[i] = from((float)values[i]);
        positive[i] = W[i] & 0x7fff;
    }
    real *want = output(c, out), *got = output(c, out), *magnitude = output(c, out);
    ref(want, W, x, rows, n);
    ref(magnitude, positive, absolute(c, x, c->n), rows, n);
    f(got, W, x, rows, n);
    within_sum("y", got, want, magnitude, out, factor(c->n));
    real *alone = output(c, 1);
    f(alone, W + all - c->n, x, 1, n);
    same("a row alone", alone, got + out - 1, 1);
}

void check_gemv_f16(check *c)
{
    check_half(c, c->k->gemv_f16, wkv_gemv_f16_ref, wkv_f32_to_f16);
}

void check_gemv_bf16(check *c)
{
    check_half(c, c->k->gemv_bf16, wkv_gemv_bf16_ref, wkv_f32_to_bf16);
}

void check_gemv_t(check *c)
{
    if (c->kind == EXTREME)
        return;
    int rows = pick(c, 1, 200), n = (int)c->n, stride = n + pick(c, 0, 3);
    size_t all = (size_t)rows * (size_t)stride;
    const real *M = input(c, all), *x = input_of(c, (size_t)rows, NORMAL);
    real *want = output(c, c->n), *got = output(c, c->n), *magnitude = output(c, c->n);
    wkv_gemv_t_ref(want, M, x, rows, stride, n);
    wkv_gemv_t_ref(magnitude, absolute(c, M, all), absolute(c, x, (size_t)rows), rows, stride, n);
    c->k->gemv_t(got, M, x, rows, stride, n);
    within_sum("y", got, want, magnitude, c->n, factor((size_t)rows));
    real *alone = output(c, 1);
    c->k->gemv_t(alone, M + c->n - 1, x, rows, stride, 1);
    same("a column alone", alone, got + c->n - 1, 1);
}

/* ---- several vectors: the bits that each has alone, garbage between rows left as it is ----- */

enum { GAP = 3, MOST_VECTORS = 21 };

static void check_rows(const real *got, const real *alone, int vectors, int rows)
{
    for (int v = 0; v < vectors; v++)
        same("a vector alone", got + v * (rows + GAP), alone + v * (rows + GAP), (size_t)rows);
}

void check_gemv_rows(check *c)
{
    const int vectors = pick(c, 1, MOST_VECTORS), rows = pick(c, 1, 7), n = (int)c->n,
              ld = rows + GAP;
    const real *W = input(c, (size_t)rows * c->n), *x = input(c, (size_t)vectors * c->n);
    real *got = output(c, (size_t)(vectors * ld)), *alone = output(c, (size_t)(vectors * ld));
    c->k->gemv_rows(got, ld, W, x, vectors, rows, n);
    for (int v = 0; v < vectors; v++)
        c->k->gemv(alone + v * ld, W, x + (size_t)v * c->n, rows, n);
    check_rows(got, alone, vectors, rows);
}

typedef void (*half_gemv_rows)(real *y, int ldy, const uint16_t *W, const real *x, int x_rows,
                               int rows, int n);

static void check_half_rows(check *c, half_gemv_rows f, half_gemv one, uint16_t (*from)(float))
{
    const int vectors = pick(c, 1, MOST_VECTORS), rows = pick(c, 1, 7), n = (int)c->n,
              ld = rows + GAP;
    const size_t all = (size_t)rows * c->n;
    const real *values = input(c, all), *x = input(c, (size_t)vectors * c->n);
    uint16_t *W = halves(c, all);
    for (size_t i = 0; i < all; i++)
        W[i] = from((float)values[i]);
    real *got = output(c, (size_t)(vectors * ld)), *alone = output(c, (size_t)(vectors * ld));
    f(got, ld, W, x, vectors, rows, n);
    for (int v = 0; v < vectors; v++)
        one(alone + v * ld, W, x + (size_t)v * c->n, rows, n);
    check_rows(got, alone, vectors, rows);
}

void check_gemv_rows_f16(check *c)
{
    check_half_rows(c, c->k->gemv_rows_f16, c->k->gemv_f16, wkv_f32_to_f16);
}

void check_gemv_rows_bf16(check *c)
{
    check_half_rows(c, c->k->gemv_rows_bf16, c->k->gemv_bf16, wkv_f32_to_bf16);
}

/* One alone and a whole group's columns go ways of their own. */
static int any_vectors(check *c)
{
    return pick(c, 0, 3) == 0 ? 1 : pick(c, 1, MOST_VECTORS);
}

static int any_columns(check *c)
{
    return pick(c, 0, 2) == 0 ? WKV_COLUMNS : (int)c->n;
}

void check_gemv_rows_t(check *c)
{
    const int vectors = any_vectors(c), rows = pick(c, 1, 150), n = any_columns(c);
    const int stride = n + pick(c, 0, 3), ld = n + GAP;
    const real *M = input(c, (size_t)rows * (size_t)stride);
    const real *x = input(c, (size_t)vectors * (size_t)rows);
    real *got = output(c, (size_t)(vectors * ld)), *alone = output(c, (size_t)(vectors * ld));
    c->k->gemv_rows_t(got, ld, M, x, vectors, rows, stride, n);
    for (int v = 0; v < vectors; v++)
        c->k->gemv_t(alone + v * ld, M, x + v * rows, rows, stride, n);
    check_rows(got, alone, vectors, n);
}

typedef void (*half_gemv_rows_t)(real *y, int ldy, const uint16_t *M, const real *x, int x_rows,
                                 int rows, int stride, int n);

/* The bits of the same weights as reals. */
static void check_half_rows_t(check *c, half_gemv_rows_t f, uint16_t (*from)(float),
                              float (*to)(uint16_t))
{
    const int vectors = any_vectors(c), rows = pick(c, 1, 150), n = any_columns(c);
    const int stride = n + pick(c, 0, 3), ld = n + GAP;
    const size_t all = (size_t)rows * (size_t)stride;
    real *M = input(c, all);
    const real *x = input(c, (size_t)vectors * (size_t)rows);
    uint16_t *H = halves(c, all);
    for (size_t i = 0; i < all; i++) {
        H[i] = from((float)M[i]);
        M[i] = (real)to(H[i]);
    }
    real *got = output(c, (size_t)(vectors * ld)), *want = output(c, (size_t)(vectors * ld));
    f(got, ld, H, x, vectors, rows, stride, n);
    c->k->gemv_rows_t(want, ld, M, x, vectors, rows, stride, n);
    check_rows(got, want, vectors, n);
}

void check_gemv_rows_t_f16(check *c)
{
    check_half_rows_t(c, c->k->gemv_rows_t_f16, wkv_f32_to_f16, wkv_f16_to_f32);
}

void check_gemv_rows_t_bf16(check *c)
{
    check_half_rows_t(c, c->k->gemv_rows_t_bf16, wkv_f32_to_bf16, wkv_bf16_to_f32);
}

/* ---- some inputs alone: all of them, zeros included, and those that are not zero give the same
 * bits, those of a chain of additions in their order ----------------------------------------------
 */

typedef void (*gemv_at)(real *y, const void *W, const real *x, const uint32_t *at, int n_at,
                        int n_out, bool add);

static void check_at(check *c, gemv_at f, gemv_at ref, const void *W)
{
    const int n = (int)c->n, n_out = pick(c, 1, WKV_COLUMNS), keep = pick(c, 0, 4);
    const size_t out = (size_t)n_out;
    real *x = input_of(c, c->n, pick(c, 0, 9) == 0 ? WITH_NAN : NORMAL);
    uint32_t *all = bytes(c, c->n * sizeof *all), *some = bytes(c, c->n * sizeof *some);
    int n_some = 0;
    for (int i = 0; i < n; i++) {
        if (pick(c, 0, 4) > keep)
            x[i] = pick(c, 0, 1) == 0 ? REAL_C(0.0) : REAL_C(-0.0);
        all[i] = (uint32_t)i;
        if (x[i] != 0)
            some[n_some++] = (uint32_t)i;
    }
    const real *before = input_of(c, out, NORMAL);
    for (int add = 0; add < 2; add++) {
        real *want = inout(c, before, out), *dense = inout(c, before, out);
        real *got = inout(c, before, out);
        ref(want, W, x, all, n, n_out, add == 1);
        f(dense, W, x, all, n, n_out, add == 1);
        f(got, W, x, some, n_some, n_out, add == 1);
        same("y of all inputs", dense, want, out);
        same("y of what is not zero", got, want, out);
        for (size_t i = 0; i < out && add == 0; i++)
            assert_true(got[i] != 0 || !signbit(got[i]));
    }
}

/* Weights as they come, tiny ones whose products underflow to -0 among them. */
static const real *columns_at(check *c)
{
    const size_t all = c->n * WKV_COLUMNS;
    real *W = input_of(c, all, NORMAL);
    for (size_t i = 0; i < all; i++)
        if (i % 7 == 0)
            W[i] *= REAL_C(1e-44);
    return W;
}

#define CHECK_AT(name, type) \
    static void at##name(real *y, const void *W, const real *x, const uint32_t *at, int n_at, \
                         int n_out, bool add) \
    { \
        under_test->gemv_at##name(y, (const type *)W, x, at, n_at, n_out, add); \
    } \
    static void ref_at##name(real *y, const void *W, const real *x, const uint32_t *at, int n_at, \
                             int n_out, bool add) \
    { \
        wkv_gemv_at##name##_ref(y, (const type *)W, x, at, n_at, n_out, add); \
    }

static const wkv_kern *under_test;
CHECK_AT(, real)
CHECK_AT(_f16, uint16_t)
CHECK_AT(_bf16, uint16_t)

/* Packed from rows, of which some may be missing. */
static const uint16_t *halves_at(check *c, uint16_t (*from)(float))
{
    const real *values = columns_at(c);
    const int n_rows =
        pick(c, 0, 1) == 0 ? 8 * pick(c, 1, WKV_COLUMNS / 8) : pick(c, 1, WKV_COLUMNS);
    const size_t n = c->n, some = (size_t)n_rows;
    uint16_t *rows = halves(c, some * n), *W = halves(c, n * WKV_COLUMNS);
    for (size_t i = 0; i < some * n; i++)
        rows[i] = from((float)values[i % n * WKV_COLUMNS + i / n]);
    wkv_pack_columns((unsigned char *)W, rows, n_rows, n, sizeof *W);
    for (size_t i = 0; i < n * WKV_COLUMNS; i++) {
        const size_t input = i / WKV_COLUMNS, o = i % WKV_COLUMNS;
        assert_int_equal(W[i], o < some ? rows[o * n + input] : 0);
    }
    return W;
}

void check_gemv_at(check *c)
{
    under_test = c->k;
    check_at(c, at, ref_at, columns_at(c));
}

void check_gemv_at_f16(check *c)
{
    under_test = c->k;
    check_at(c, at_f16, ref_at_f16, halves_at(c, wkv_f32_to_f16));
}

void check_gemv_at_bf16(check *c)
{
    under_test = c->k;
    check_at(c, at_bf16, ref_at_bf16, halves_at(c, wkv_f32_to_bf16));
}
