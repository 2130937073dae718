/* kern/ref/wkv4_ref.c - RWKV-4's recurrence, one channel after the other.
 *
 * The state stands for the sums A = a e^p, B = b e^p; p is the running maximum of
 * the exponents, so that no exp() overflows.
 *
 * Backward.  Outputs depend on (a, b, p) through A and B alone, while the final state
 * is handed out as (a, b, p) itself.  Writing the loss as a function of A, B and p,
 *   dp = a da + b db + ex,
 * ex is what p receives beyond its part in A and B.  One step multiplies da, db by the
 * factor of the old state, and ex goes where the maximum came from: p + w, or k. */
#include <tgmath.h>

#include "kern/kern.h"

typedef struct sums {
    real a, b, p;
} sums;

/* Factors of one step: of the old sums and of the new term, for a given maximum. */
typedef struct factors {
    real old, add, max;
} factors;

static factors factors_of(real old_exponent, real new_exponent)
{
    factors f;
    f.max = old_exponent >= new_exponent ? old_exponent : new_exponent;
    f.old = exp(old_exponent - f.max);
    f.add = exp(new_exponent - f.max);
    return f;
}

static sums advance(sums s, real w, real k, real v)
{
    factors f = factors_of(s.p + w, k);
    return (sums){f.old * s.a + f.add * v, f.old * s.b + f.add, f.max};
}

static sums load(const real *state, size_t ss)
{
    return (sums){state[0], state[ss], state[2 * ss]};
}

static void store(real *state, size_t ss, sums s)
{
    state[0] = s.a;
    state[ss] = s.b;
    state[2 * ss] = s.p;
}

void wkv_wkv4_ref(real *y, real *state, size_t ss, const real *decay, const real *u, const real *k,
                  const real *v, int T, int stride, int n)
{
    for (int i = 0; i < n; i++) {
        real w = -exp(decay[i]);
        sums s = load(state + i, ss);
        for (int t = 0; t < T; t++) {
            size_t at = (size_t)t * (size_t)stride + (size_t)i;
            factors f = factors_of(s.p, u[i] + k[at]);
            y[at] = (f.old * s.a + f.add * v[at]) / (f.old * s.b + f.add);
            s = advance(s, w, k[at], v[at]);
        }
        store(state + i, ss, s);
    }
}

/* The gradients one channel carries from step to step. */
typedef struct carried {
    double da, db, ex; /* of the state */
    double dw, du;     /* of the parameters, summed over time */
} carried;

/* One step back: s is the state before it.  Adds to c, writes *dk, *dv. */
static void step_back(carried *c, real *dk, real *dv, sums s, real w, real u, real k, real v,
                      real dy)
{
    factors g = factors_of(s.p + w, k);
    bool from_p = s.p + w >= k;
    double grad_k = (double)g.add * ((double)v * c->da + c->db) + (from_p ? 0 : c->ex);
    double grad_v = (double)g.add * c->da;
    c->dw += (double)g.old * ((double)s.a * c->da + (double)s.b * c->db) + (from_p ? c->ex : 0);
    c->da *= (double)g.old;
    c->db *= (double)g.old;
    if (!from_p)
        c->ex = 0;

    factors f = factors_of(s.p, u + k);
    double den = (double)f.old * (double)s.b + (double)f.add;
    double y = ((double)f.old * (double)s.a + (double)f.add * (double)v) / den;
    double q = (double)dy / den;
    double grad_u = q * (double)f.add * ((double)v - y);
    c->da += q * (double)f.old;
    c->db -= q * y * (double)f.old;
    c->du += grad_u;
    *dk = (real)(grad_k + grad_u);
    *dv = (real)(grad_v + q * (double)f.add);
}

void wkv_wkv4_bwd_ref(real *dk, real *dv, real *ddecay, real *du, real *dstate, const real *dy,
                      const real *state, size_t ss, const real *decay, const real *u, const real *k,
                      const real *v, int T, int stride, int n, real *scratch)
{
    for (int i = 0; i < n; i++) {
        real w = -exp(decay[i]);
        sums s = load(state + i, ss);
        for (int t = 0; t < T; t++) {
            size_t at = (size_t)t * (size_t)stride + (size_t)i;
            store(scratch + 3 * (size_t)t, 1, s);
            s = advance(s, w, k[at], v[at]);
        }
        carried c = {(double)dstate[i], (double)dstate[ss + (size_t)i], 0, 0, 0};
        c.ex = (double)dstate[2 * ss + (size_t)i] - (double)s.a * c.da - (double)s.b * c.db;
        for (int t = T - 1; t >= 0; t--) {
            size_t at = (size_t)t * (size_t)stride + (size_t)i;
            s = load(scratch + 3 * (size_t)t, 1);
            step_back(&c, &dk[at], &dv[at], s, w, u[i], k[at], v[at], dy[at]);
        }
        s = load(state + i, ss);
        double dp = (double)s.a * c.da + (double)s.b * c.db + c.ex;
        store(dstate + i, ss, (sums){(real)c.da, (real)c.db, (real)dp});
        ddecay[i] += (real)(c.dw * (double)w);
        du[i] += (real)c.du;
    }
}
