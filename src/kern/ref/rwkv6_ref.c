/* kern/ref/rwkv6_ref.c - the row-wise parts around the recurrence of RWKV-5 and 6: the
 * decay, the norm of each head with its gate, and the token shift whose weights depend on
 * the token (formulas in kern.h and kern.def). */
#include <float.h>
#include <tgmath.h>

#include "kern/kern.h"
#include "kern/ref/spread.h"

void wkv_decay_ref(real *w, const real *raw, const real *base, int rows, int n)
{
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t i = 0; i < (size_t)n; i++)
            w[t * (size_t)n + i] = exp(-exp(base[i] + raw[t * (size_t)n + i]));
}

/* The rate is held finite, so that a decay of 0 has the gradient 0. */
void wkv_decay_bwd_ref(real *draw, const real *dw, const real *w, const real *raw, const real *base,
                       int rows, int n)
{
    for (size_t t = 0; t < (size_t)rows; t++)
        for (size_t i = 0; i < (size_t)n; i++) {
            size_t at = t * (size_t)n + i;
            real rate = fmin(exp(base[i] + raw[at]), (real)FLT_MAX);
            draw[at] = -dw[at] * w[at] * rate;
        }
}

/* ---- group norm and gate ------------------------------------------------------------- */

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

static void gn_gate_head(const wkv_gn_gate *o, real *stat, size_t at, size_t c, int N)
{
    const spread s = spread_of(o->y + at, N, o->eps, stat);
    for (int i = 0; i < N; i++, at++, c++) {
        real h = (real)(((double)o->y[at] - s.mean) * s.rstd);
        real z = h * o->ln_w[c] + o->ln_b[c];
        o->z[at] = o->g != NULL ? z * o->g[at] * sigmoid(o->g[at]) : z;
    }
}

void wkv_gn_gate_ref(const wkv_gn_gate *o, int rows, int C, int N)
{
    real *stat = o->stat;
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N) {
            gn_gate_head(o, stat, (size_t)t * (size_t)C + (size_t)c, (size_t)c, N);
            if (stat != NULL)
                stat += 2;
        }
}

/* The gradient of the normed value before its gate; dg, when there is a gate. */
static real through_gate(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, real normed, size_t at)
{
    if (o->g == NULL)
        return g->dz[at];
    real x = o->g[at], s = sigmoid(x);
    g->dg[at] = g->dz[at] * normed * s * (1 + x * (1 - s));
    return g->dz[at] * x * s;
}

static void gn_gate_bwd_head(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, const real *stat,
                             size_t at, size_t c, int N)
{
    real mean = stat[0], rstd = stat[1];
    double sum = 0, sum_h = 0; /* of dh and dh h */
    for (int i = 0; i < N; i++) {
        size_t m = at + (size_t)i, p = c + (size_t)i;
        real h = (o->y[m] - mean) * rstd;
        real d = through_gate(g, o, h * o->ln_w[p] + o->ln_b[p], m);
        g->ln_w_row[m] = d * h;
        g->ln_b_row[m] = d;
        sum += (double)d * (double)o->ln_w[p];
        sum_h += (double)d * (double)o->ln_w[p] * (double)h;
    }
    for (int i = 0; i < N; i++, at++, c++) {
        real h = (o->y[at] - mean) * rstd, dh = g->ln_b_row[at] * o->ln_w[c];
        g->dy[at] = rstd * (dh - (real)(sum / N) - h * (real)(sum_h / N));
    }
}

void wkv_gn_gate_bwd_ref(const wkv_gn_gate_grad *g, const wkv_gn_gate *o, int rows, int C, int N)
{
    const real *stat = o->stat;
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N, stat += 2)
            gn_gate_bwd_head(g, o, stat, (size_t)t * (size_t)C + (size_t)c, (size_t)c, N);
}

/* ---- token shift by weights of the token's own ------------------------------------------ */

void wkv_shift_lerp_ref(real *const *y, const real *x, const real *prev, const real *const *mu,
                        const real *const *delta, int n_mix, int rows, int n)
{
    for (int t = 0; t < rows; t++) {
        const real *now = x + (size_t)t * (size_t)n;
        const real *before = t == 0 ? prev : now - n;
        for (int j = 0; j < n_mix; j++)
            for (int i = 0; i < n; i++) {
                size_t at = (size_t)t * (size_t)n + (size_t)i;
                y[j][at] = now[i] + (before[i] - now[i]) * (mu[j][i] + delta[j][at]);
            }
    }
}

void wkv_shift_lerp_bwd_ref(real *dx, real *const *ddelta, const real *const *dy, const real *x,
                            const real *prev, const real *const *mu, const real *const *delta,
                            const real *next, int n_mix, int rows, int n)
{
    for (int t = 0; t < rows; t++) {
        bool last = t == rows - 1 && next != NULL;
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)t * (size_t)n + (size_t)i, after = at + (size_t)n;
            real before = t == 0 ? prev[i] : x[at - (size_t)n];
            double sum = last ? (double)next[i] : 0;
            for (int j = 0; j < n_mix; j++) {
                ddelta[j][at] = dy[j][at] * (before - x[at]);
                sum += (double)dy[j][at] * (1 - (double)(mu[j][i] + delta[j][at]));
                if (!last)
                    sum += (double)dy[j][after] * (double)(mu[j][i] + delta[j][after]);
            }
            dx[at] = (real)sum;
        }
    }
}
