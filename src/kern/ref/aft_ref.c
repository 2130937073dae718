/* kern/ref/aft_ref.c - the Attention Free Transformer's weighted mean, one channel after the
 * other (docs/math/aft.md).
 *
 * Tokens inside the window are visited one by one; a token that leaves it is added to
 * running sums like RWKV-4's without a decay.  All terms are positive: nothing cancels, and
 * the largest exponent of every mean is taken out before any exp().
 *
 * Backward.  Each pair of a token and one that looks at it belongs to the token looked at;
 * so the part inside the window can be cut by those tokens.  The part outside is carried
 * back through the sums, ex having the meaning that it has in wkv4_ref.c. */
#include <tgmath.h>

#include "kern/kern.h"

/* ---- visiting tokens ----------------------------------------------------------------- */

/* The tokens inside the window of step t are from .. t; the one that leaves is t - window,
 * if there is one. */
static int first_near(const wkv_aft_in *in, int t)
{
    int from = t - in->window + 1;
    return from < -in->position ? -in->position : from;
}

static bool has_leaving(const wkv_aft_in *in, int t)
{
    return in->position + t - in->window >= 0;
}

/* Offset of token j's key in the rows of the state; its value is one row on. */
static size_t kept(const wkv_aft_in *in, size_t ss, int j)
{
    return (3 + 2 * wkv_aft_place(in, j)) * ss;
}

static size_t row(const wkv_aft_in *in, int j)
{
    return (size_t)j * (size_t)in->stride;
}

static real key_of(const wkv_aft_in *in, const real *state, size_t ss, int j, int c)
{
    return j >= 0 ? in->k[row(in, j) + (size_t)c] : state[kept(in, ss, j) + (size_t)c];
}

static real value_of(const wkv_aft_in *in, const real *state, size_t ss, int j, int c)
{
    return j >= 0 ? in->v[row(in, j) + (size_t)c] : state[kept(in, ss, j) + ss + (size_t)c];
}

/* Where row t of the biases has the one of token j. */
static size_t column(const wkv_aft_in *in, int t, int j)
{
    return in->by_place ? wkv_aft_place(in, j) : (size_t)(t - j);
}

static real bias_of(const wkv_aft_in *in, int t, int j)
{
    return in->bias[(size_t)t * (size_t)in->bias_stride + column(in, t, j)];
}

/* ---- forward ------------------------------------------------------------------------- */

typedef struct sums {
    real a, b, p;
} sums;

static sums add_token(sums s, real k, real v)
{
    real max = s.p >= k ? s.p : k, old = exp(s.p - max), add = exp(k - max);
    return (sums){old * s.a + add * v, old * s.b + add, max};
}

/* The last `window` tokens, for the calls that follow. */
static void keep_last(real *state, size_t ss, const wkv_aft_in *in, int c)
{
    int from = in->T > in->window ? in->T - in->window : 0;
    for (int j = from; j < in->T && in->window > 0; j++) {
        state[kept(in, ss, j) + (size_t)c] = in->k[row(in, j) + (size_t)c];
        state[kept(in, ss, j) + ss + (size_t)c] = in->v[row(in, j) + (size_t)c];
    }
}

static void step(real *y, real *keep, sums far, const real *state, size_t ss, const wkv_aft_in *in,
                 int t, int c)
{
    real max = far.p;
    for (int j = first_near(in, t); j <= t; j++) {
        real e = key_of(in, state, ss, j, c) + bias_of(in, t, j);
        max = e > max ? e : max;
    }
    real f = exp(far.p - max);
    double num = (double)(f * far.a), den = (double)(f * far.b);
    for (int j = first_near(in, t); j <= t; j++) {
        real e = exp(key_of(in, state, ss, j, c) + bias_of(in, t, j) - max);
        num += (double)e * (double)value_of(in, state, ss, j, c);
        den += (double)e;
    }
    y[row(in, t) + (size_t)c] = (real)(num / den);
    if (keep == NULL)
        return;
    keep += 2 * row(in, t) + (size_t)c;
    keep[0] = max;
    keep[in->stride] = (real)(1 / den);
}

void wkv_aft_ref(real *y, real *keep, real *state, size_t ss, const wkv_aft_in *in, int n)
{
    for (int c = 0; c < n; c++) {
        sums far = {state[c], state[ss + (size_t)c], state[2 * ss + (size_t)c]};
        for (int t = 0; t < in->T; t++) {
            int j = t - in->window;
            if (has_leaving(in, t))
                far = add_token(far, key_of(in, state, ss, j, c), value_of(in, state, ss, j, c));
            step(y, keep, far, state, ss, in, t, c);
        }
        state[c] = far.a;
        state[ss + (size_t)c] = far.b;
        state[2 * ss + (size_t)c] = far.p;
        keep_last(state, ss, in, c);
    }
}

/* ---- backward ------------------------------------------------------------------------ */

/* Where the gradients of token j's key and value are. */
typedef struct token_grad {
    real *dk, *dv;
} token_grad;

static token_grad grad_of(const wkv_aft_grad *g, const wkv_aft_in *in, size_t ss, int j, int c)
{
    if (j >= 0)
        return (token_grad){g->dk + row(in, j) + c, g->dv + row(in, j) + c};
    real *at = g->dstate + kept(in, ss, j) + c;
    return (token_grad){at, at + ss};
}

/* What the final state brings to the tokens that it keeps. */
static void start_tokens(const wkv_aft_grad *g, size_t ss, const wkv_aft_in *in, int c)
{
    for (int t = 0; t < in->T; t++) {
        token_grad d = grad_of(g, in, ss, t, c);
        bool is_kept = t >= in->T - in->window;
        real *from = is_kept ? g->dstate + kept(in, ss, t) + c : NULL;
        *d.dk = is_kept ? from[0] : 0;
        *d.dv = is_kept ? from[ss] : 0;
        if (is_kept)
            from[0] = from[ss] = 0; /* what was there before is overwritten */
    }
}

/* The gradients of the sums; ex is what p receives beyond its part in them. */
typedef struct carried {
    double da, db, ex;
} carried;

/* Back over the adding of one token to the sums, p before and after. */
static void leave_back(carried *f, token_grad d, real before, real after, real k, real v)
{
    double add = (double)exp(k - after), old = (double)exp(before - after);
    bool from_p = before >= k;
    *d.dk += (real)(add * ((double)v * f->da + f->db) + (from_p ? 0 : f->ex));
    *d.dv += (real)(add * f->da);
    f->da *= old;
    f->db *= old;
    f->ex = from_p ? f->ex : 0;
}

static void far_bwd_channel(const wkv_aft_grad *g, const real *state, size_t ss,
                            const wkv_aft_in *in, int c, real *after)
{
    const sums first = {state[c], state[ss + (size_t)c], state[2 * ss + (size_t)c]};
    sums s = first;
    for (int t = 0; t < in->T; t++) {
        int j = t - in->window;
        if (has_leaving(in, t))
            s = add_token(s, key_of(in, state, ss, j, c), value_of(in, state, ss, j, c));
        after[t] = s.p;
    }
    start_tokens(g, ss, in, c);
    real *da = g->dstate + c, *db = da + ss, *dp = db + ss;
    carried f = {(double)*da, (double)*db, 0};
    f.ex = (double)*dp - (double)s.a * f.da - (double)s.b * f.db;
    for (int t = in->T - 1; t >= 0; t--) {
        size_t at = row(in, t) + (size_t)c;
        const real *keep = g->keep + 2 * row(in, t) + c;
        double q = (double)g->dy[at] * (double)keep[in->stride] * (double)exp(after[t] - keep[0]);
        f.da += q;
        f.db -= q * (double)g->y[at];
        int j = t - in->window;
        if (has_leaving(in, t))
            leave_back(&f, grad_of(g, in, ss, j, c), t > 0 ? after[t - 1] : first.p, after[t],
                       key_of(in, state, ss, j, c), value_of(in, state, ss, j, c));
    }
    *da = (real)f.da;
    *db = (real)f.db;
    *dp = (real)((double)first.a * f.da + (double)first.b * f.db + f.ex);
}

void wkv_aft_far_bwd_ref(const wkv_aft_grad *g, const real *state, size_t ss, const wkv_aft_in *in,
                         int n, real *scratch)
{
    for (int c = 0; c < n; c++)
        far_bwd_channel(g, state, ss, in, c, scratch);
}

/* The pair of token j and step t, in all channels. */
static void pair_bwd(const wkv_aft_grad *g, const real *state, size_t ss, const wkv_aft_in *in,
                     int t, int j, int n)
{
    double dbias = 0;
    for (int c = 0; c < n; c++) {
        size_t at = row(in, t) + (size_t)c;
        const real *keep = g->keep + 2 * row(in, t) + c;
        real k = key_of(in, state, ss, j, c), v = value_of(in, state, ss, j, c);
        double weight = (double)(exp(k + bias_of(in, t, j) - keep[0]) * keep[in->stride]);
        double dv = weight * (double)g->dy[at], dk = dv * ((double)v - (double)g->y[at]);
        token_grad d = grad_of(g, in, ss, j, c);
        *d.dk += (real)dk;
        *d.dv += (real)dv;
        dbias += dk;
    }
    g->dbias[(size_t)t * (size_t)g->dbias_stride + column(in, t, j)] += (real)dbias;
}

void wkv_aft_near_bwd_ref(const wkv_aft_grad *g, const real *state, size_t ss, const wkv_aft_in *in,
                          int first, int count, int n)
{
    for (int j = first; j < first + count; j++)
        for (int t = j < 0 ? 0 : j; t < in->T && t < j + in->window; t++)
            pair_bwd(g, state, ss, in, t, j, n);
}
