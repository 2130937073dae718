/* tests/kern/check_loss.c - cross-entropy and its gradient. */
#include <math.h>

#include "checkkern.h"

/* Logits of the call's kind, some of them -inf as a mask makes them. */
static const real *logits(check *c)
{
    real *x = input_of(c, c->n, c->kind == EXTREME ? NORMAL : c->kind);
    for (size_t i = 0; i < c->n; i++)
        x[i] *= 5;
    for (size_t i = 0; c->kind == EXTREME && i + 1 < c->n; i += 3)
        x[i] = (real)-INFINITY;
    return x;
}

void check_softmax_ce(check *c)
{
    int n = (int)c->n, target = pick(c, 0, n - 1);
    const real *x = logits(c);
    real *want = inout(c, x, c->n), *got = inout(c, x, c->n);
    real scale = (real)0.25, l2wrap = pick(c, 0, 1) ? (real)1e-4 : 0;
    double loss = c->k->softmax_ce(got, n, target, scale, l2wrap);
    double want_loss = wkv_softmax_ce_ref(want, n, target, scale, l2wrap);
    close_to("loss", loss, want_loss, 2e-6 * fmax(1, fabs(want_loss)));
    for (size_t i = 0; i < c->n; i++) /* probabilities have their own scale: relative, then 1 */
        close_to("gradient", (double)got[i], (double)want[i],
                 0.25 * 4 * EPS + 1e-5 * fabs((double)want[i]));
}

void check_cross_entropy(check *c)
{
    int n = (int)c->n, target = pick(c, 0, n - 1);
    const real *x = logits(c);
    double want = wkv_cross_entropy_ref(x, n, target);
    close_to("loss", c->k->cross_entropy(x, n, target), want, 2e-6 * fmax(1, fabs(want)));
}
