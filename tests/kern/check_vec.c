/* tests/kern/check_vec.c - elementwise kernels.  Those of sums and products alone are
 * exact; those with an exponential are a few ulp away, and may flush what is no normal
 * number.  Each also runs in place. */
#include <float.h>
#include <math.h>

#include "base/half.h"
#include "checkkern.h"

typedef void (*unary)(real *y, const real *x, size_t n);
typedef void (*binary)(real *y, const real *a, const real *b, size_t n);

/* ulps 0: exact */
static void compare(const char *what, const real *got, const real *want, size_t n, int ulps)
{
    if (ulps == 0)
        same(what, got, want, n);
    else
        within_ulps(what, got, want, n, ulps, FLT_MIN);
}

static void check_unary(check *c, unary f, unary ref, const real *x, int ulps)
{
    real *want = output(c, c->n), *got = output(c, c->n), *in_place = inout(c, x, c->n);
    ref(want, x, c->n);
    f(got, x, c->n);
    f(in_place, in_place, c->n);
    compare("y", got, want, c->n, ulps);
    compare("y in place", in_place, want, c->n, ulps);
}

static void check_binary(check *c, binary f, binary ref, const real *a, const real *b, int ulps)
{
    real *want = output(c, c->n), *got = output(c, c->n), *in_place = inout(c, a, c->n);
    ref(want, a, b, c->n);
    f(got, a, b, c->n);
    f(in_place, in_place, b, c->n);
    compare("y", got, want, c->n, ulps);
    compare("y in place", in_place, want, c->n, ulps);
}

void check_add(check *c)
{
    const real *x = input(c, c->n), *y = input(c, c->n);
    real *want = inout(c, y, c->n), *got = inout(c, y, c->n);
    wkv_add_ref(want, x, c->n);
    c->k->add(got, x, c->n);
    same("y", got, want, c->n);
}

/* All of the argument's range, where the result is a number. */
void check_exp(check *c)
{
    check_unary(c, c->k->exp, wkv_exp_ref, input(c, c->n), 2);
    check_unary(c, c->k->exp, wkv_exp_ref, between(c, c->n, -105, 89), 2);
}

void check_tanh(check *c)
{
    check_unary(c, c->k->tanh, wkv_tanh_ref, input(c, c->n), 4);
    check_unary(c, c->k->tanh, wkv_tanh_ref, between(c, c->n, -1, 1), 4);
    check_unary(c, c->k->tanh, wkv_tanh_ref, between(c, c->n, -11, 11), 4);
}

void check_tanh_bwd(check *c)
{
    check_binary(c, c->k->tanh_bwd, wkv_tanh_bwd_ref, input(c, c->n), input(c, c->n), 0);
}

void check_sigmoid(check *c)
{
    check_unary(c, c->k->sigmoid, wkv_sigmoid_ref, input(c, c->n), 4);
    check_unary(c, c->k->sigmoid, wkv_sigmoid_ref, between(c, c->n, -105, 89), 4);
}

void check_sigmoid_bwd(check *c)
{
    check_binary(c, c->k->sigmoid_bwd, wkv_sigmoid_bwd_ref, input(c, c->n), input(c, c->n), 0);
}

void check_relu2(check *c)
{
    check_unary(c, c->k->relu2, wkv_relu2_ref, input(c, c->n), 0);
}

void check_relu2_bwd(check *c)
{
    check_binary(c, c->k->relu2_bwd, wkv_relu2_bwd_ref, input(c, c->n), input(c, c->n), 0);
}

/* Multiplying by a value that may be flushed needs a bounded other factor. */
static const real *factor(check *c)
{
    return c->kind == EXTREME ? between(c, c->n, -2, 2) : input(c, c->n);
}

void check_gate(check *c)
{
    check_binary(c, c->k->gate, wkv_gate_ref, input(c, c->n), factor(c), 5);
}

void check_gate_bwd(check *c)
{
    size_t n = c->n;
    const real *r = input(c, n), *x = factor(c), *dy = factor(c);
    real *dr = output(c, n), *dx = output(c, n), *want_dr = output(c, n), *want_dx = output(c, n);
    real *magnitude = output(c, n);
    wkv_gate_bwd_ref(want_dr, want_dx, dy, r, x, n);
    c->k->gate_bwd(dr, dx, dy, r, x, n);
    for (size_t i = 0; i < n; i++) /* 1 - sigmoid cancels: an error relative to its terms */
        magnitude[i] = (real)fabs((double)dy[i] * (double)x[i]);
    within_sum("dr", dr, want_dr, magnitude, n, 8);
    within_ulps("dx", dx, want_dx, n, 5, FLT_MIN);
    c->k->gate_bwd(dr, dx, dy, r, x, n);
    real *in_r = inout(c, r, n), *in_x = inout(c, x, n);
    c->k->gate_bwd(in_r, in_x, dy, in_r, in_x, n);
    same("dr in place", in_r, dr, n);
    same("dx in place", in_x, dx, n);
}

/* ---- bf16 ----------------------------------------------------------------------------------- */

/* Any number of bits' making; every fourth lies halfway between two bf16. */
static real *any_numbers(check *c, size_t n)
{
    real *x = input(c, n);
    for (size_t i = 0; i < n && c->kind == NORMAL; i++) {
        uint32_t bits = (uint32_t)wkv_rng_u64(&c->rng);
        x[i] = wkv_f32_from_bits(pick(c, 0, 3) == 0 ? (bits & 0xffff0000u) | 0x8000u : bits);
    }
    return x;
}

void check_to_bf16(check *c)
{
    const real *x = any_numbers(c, c->n);
    const size_t size = c->n * sizeof(uint16_t);
    uint16_t *want = bytes(c, size), *got = bytes(c, size);
    wkv_to_bf16_ref(want, x, c->n);
    c->k->to_bf16(got, x, c->n);
    assert_memory_equal(got, want, size);
}

/* All bits that there are, but quiet where it is no number. */
void check_from_f16(check *c)
{
    uint16_t *x = halves(c, c->n);
    real *want = output(c, c->n), *got = output(c, c->n);
    for (size_t i = 0; i < c->n; i++) {
        x[i] = (uint16_t)wkv_rng_u64(&c->rng);
        x[i] |= (x[i] & 0x7fff) > 0x7c00 ? 0x200 : 0;
    }
    wkv_from_f16_ref(want, x, c->n);
    c->k->from_f16(got, x, c->n);
    same("y", got, want, c->n);
}

void check_from_bf16(check *c)
{
    uint16_t *x = halves(c, c->n);
    real *want = output(c, c->n), *got = output(c, c->n);
    for (size_t i = 0; i < c->n; i++)
        x[i] = (uint16_t)wkv_rng_u64(&c->rng);
    wkv_from_bf16_ref(want, x, c->n);
    c->k->from_bf16(got, x, c->n);
    same("y", got, want, c->n);
}
