/* tests/kern/check_gradients_aft.c - AFT's backward kernels against differences, and its
 * forward against the formula, where the exponents are large. */
#include <math.h>

#include "gradcheck.h"

enum { N = 3 };

typedef struct mean {
    wkv_aft_in in;
    real *state, *y, *end;
    const real *weight, *weight_end;
    size_t all, state_size;
} mean;

static double mean_loss(const void *ctx)
{
    const mean *m = ctx;
    memcpy(m->end, m->state, m->state_size * sizeof *m->end);
    wkv_aft_ref(m->y, NULL, m->end, N, &m->in, N);
    return dot(m->y, m->weight, m->all) + dot(m->end, m->weight_end, m->state_size);
}

static void check_mean(int T, int window, int position, bool by_place)
{
    const size_t all = (size_t)(T * N), size = wkv_aft_rows(window) * N;
    const size_t biases = (size_t)(T * window);
    real *k = normals(all, 2), *v = normals(all, 1), *bias = normals(biases + 1, 1);
    mean m = {.in = {.k = k,
                     .v = v,
                     .bias = bias,
                     .T = T,
                     .stride = N,
                     .bias_stride = window,
                     .window = window,
                     .position = position,
                     .by_place = by_place},
              .state = normals(size, 1),
              .y = zeros(all),
              .end = zeros(size),
              .weight = normals(all, 1),
              .weight_end = normals(size, 1),
              .all = all,
              .state_size = size};
    for (int c = 0; c < N; c++) /* b > 0 */
        m.state[N + c] = 0.5 + fabs(m.state[N + c]);
    real *keep = zeros(2 * all), *dk = zeros(all), *dv = zeros(all), *dbias = zeros(biases + 1);
    real *dstate = copy_of(m.weight_end, size), *end = copy_of(m.state, size), *y = zeros(all);
    wkv_aft_ref(y, keep, end, N, &m.in, N);
    wkv_aft_grad g = {y, keep, m.weight, dk, dv, dbias, dstate, window};
    int kept = position < window ? position : window;
    wkv_aft_far_bwd_ref(&g, m.state, N, &m.in, N, zeros((size_t)T));
    for (int j = -kept; j < T; j += 3) /* in pieces, as the device cuts them */
        wkv_aft_near_bwd_ref(&g, m.state, N, &m.in, j, T - j < 3 ? T - j : 3, N);
    var vars[] = {{"k", k, dk, all},
                  {"v", v, dv, all},
                  {"state", m.state, dstate, size},
                  {"bias", bias, dbias, biases}};
    check_grad(mean_loss, &m, vars, window > 0 ? 4 : 3);
}

static void test_mean(void **state)
{
    static const int windows[] = {0, 1, 4, 9};
    for (int i = 0; i < 4; i++)
        for (int position = 0; position < 14; position += 3) {
            check_mean(1, windows[i], position, false);
            check_mean(7, windows[i], position, true);
            check_mean(17, windows[i], position, false);
        }
}

/* Keys and biases of hundreds, which no exponential can hold: the means are as the formula
 * has them, with each exponent taken relative to the mean's own largest. */
static void test_large(void **state)
{
    enum { T = 40, WINDOW = 8 };
    real k[T], v[T], bias[WINDOW], y[T], kept[3 + 2 * WINDOW] = {0, 0, -1e30};
    for (int t = 0; t < T; t++) {
        k[t] = 800.0 * sin(1.7 * t);
        v[t] = cos(0.3 * t);
    }
    for (int d = 0; d < WINDOW; d++)
        bias[d] = 500.0 * sin(2.9 * d + 1);
    const wkv_aft_in in = {.k = k, .v = v, .bias = bias, .T = T, .stride = 1, .window = WINDOW};
    wkv_aft_ref(y, NULL, kept, 1, &in, 1);
    for (int t = 0; t < T; t++) {
        double max = -1e300, num = 0, den = 0;
        for (int i = 0; i <= t; i++)
            max = fmax(max, k[i] + (t - i < WINDOW ? bias[t - i] : 0));
        for (int i = 0; i <= t; i++) {
            double e = exp(k[i] + (t - i < WINDOW ? bias[t - i] : 0) - max);
            num += e * v[i];
            den += e;
        }
        assert_true(fabs(y[t] - num / den) < 1e-13);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mean, fresh_pool),
        cmocka_unit_test_setup(test_large, fresh_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
