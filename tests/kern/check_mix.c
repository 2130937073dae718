/* tests/kern/check_mix.c - token shift, both modes, any number of mixes, with the rows
 * in one call and in two. */
#include "checkkern.h"

enum { MIXES = 3 };

static const wkv_shift_mode modes[] = {WKV_SHIFT_PREVIOUS, WKV_SHIFT_CURRENT};

void check_shift_mix(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n, mixes = pick(c, 1, MIXES);
    size_t cols = c->n, all = (size_t)rows * cols;
    if (c->kind == EXTREME)
        return;
    const real *x = input(c, all), *prev = input(c, cols), *mu[MIXES];
    real *want[MIXES], *got[MIXES];
    for (int j = 0; j < mixes; j++) {
        mu[j] = input_of(c, cols, NORMAL);
        want[j] = output(c, all);
        got[j] = output(c, all);
    }
    for (int m = 0; m < 2; m++) {
        wkv_shift_mix_ref(want, x, prev, mu, mixes, rows, n, modes[m]);
        c->k->shift_mix(got, x, prev, mu, mixes, rows, n, modes[m]);
        for (int j = 0; j < mixes; j++)
            within_scale("y", got[j], want[j], all, 4 * EPS);
    }
}

void check_shift_mix_bwd(check *c)
{
    int rows = pick(c, 1, 4), n = (int)c->n, mixes = pick(c, 1, MIXES);
    size_t cols = c->n, all = (size_t)rows * cols;
    if (c->kind == EXTREME)
        return;
    const real *dy[MIXES], *mu[MIXES], *next = input(c, cols);
    for (int j = 0; j < mixes; j++) {
        dy[j] = input(c, all + cols);
        mu[j] = input_of(c, cols, NORMAL);
    }
    real *want = output(c, all), *got = output(c, all);
    for (int m = 0; m < 4; m++) {
        const real *after = m < 2 ? next : NULL;
        wkv_shift_mix_bwd_ref(want, dy, mu, after, mixes, rows, n, modes[m % 2]);
        c->k->shift_mix_bwd(got, dy, mu, after, mixes, rows, n, modes[m % 2]);
        within_scale("dx", got, want, all, 32 * EPS);
    }
}

void check_shift_mix_bwd_mu(check *c)
{
    int rows = pick(c, 1, 80), n = (int)c->n, mixes = pick(c, 1, MIXES), stride = n + pick(c, 0, 3);
    size_t cols = c->n, all = (size_t)rows * (size_t)stride;
    if (c->kind == EXTREME)
        return;
    const real *dy[MIXES], *x = input_of(c, all, NORMAL), *prev = input_of(c, cols, NORMAL);
    real *got[MIXES], *want[MIXES], *alone[MIXES];
    const real *last[MIXES];
    for (int j = 0; j < mixes; j++) {
        const real *start = input(c, cols);
        dy[j] = input(c, all);
        last[j] = dy[j] + cols - 1;
        got[j] = inout(c, start, cols);
        want[j] = inout(c, start, cols);
        alone[j] = inout(c, start + cols - 1, 1);
    }
    wkv_shift_mode mode = modes[pick(c, 0, 1)];
    wkv_shift_mix_bwd_mu_ref(want, dy, x, prev, mixes, rows, stride, n, mode);
    c->k->shift_mix_bwd_mu(got, dy, x, prev, mixes, rows, stride, n, mode);
    c->k->shift_mix_bwd_mu(alone, last, x + cols - 1, prev + cols - 1, mixes, rows, stride, 1,
                           mode);
    for (int j = 0; j < mixes; j++) {
        within_scale("dmu", got[j], want[j], cols, 1e-5);
        same("dmu of a column alone", alone[j], got[j] + cols - 1, 1);
    }
}
