/* kern/ref/rwkv7_ref.c - the row-wise parts around RWKV-7's recurrence: prep makes its
 * inputs from the products, out makes the output product's input (formulas in kern.h).
 *
 * Backward of prep's normalisation, h = q / |q| with q = k_in k_k:
 *   dq = (dh - h (dh . h)) / |q|, and where |q| is below the floor, a constant there,
 *   dq = dh / floor.
 * Rows and heads are independent; all sums run over the N values of one head. */
#include <tgmath.h>

#include "kern/kern.h"
#include "kern/ref/spread.h"

static const double NORM_FLOOR = 1e-12;
static const double DECAY_SCALE = 0.60653065971263342; /* e^{-1/2} */

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

/* |k_in k_k| over one head, not yet held to the floor. */
static double kappa_norm(const real *k_in, const real *k_k, int N)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        double q = (double)k_in[i] * (double)k_k[i];
        sum += q * q;
    }
    return sqrt(sum);
}

/* One head: `at` in the rows, `c` in the parameters. */
static void prep_head(const wkv_rwkv7_prep *p, size_t at, size_t c, int N)
{
    double norm = kappa_norm(p->k_in + at, p->k_k + c, N);
    real scale = (real)(1 / (norm < NORM_FLOOR ? NORM_FLOOR : norm));
    for (int i = 0; i < N; i++, at++, c++) {
        real k = p->k_in[at], v = p->v_in[at];
        real gate = sigmoid(p->a0[c] + p->a_raw[at]);
        real kappa = k * p->k_k[c] * scale;
        if (p->v_first != NULL)
            v += (p->v_first[at] - v) * sigmoid(p->v0[c] + p->v_raw[at]);
        p->w[at] = exp(-(real)DECAY_SCALE * sigmoid(p->w0[c] + p->w_raw[at]));
        p->k[at] = k * (1 + (gate - 1) * p->k_a[c]);
        p->v[at] = v;
        p->a[at] = -kappa;
        p->b[at] = kappa * gate;
    }
}

void wkv_rwkv7_prep_ref(const wkv_rwkv7_prep *p, int rows, int C, int N)
{
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N)
            prep_head(p, (size_t)t * (size_t)C + (size_t)c, (size_t)c, N);
}

/* The decay and the value residual, element by element. */
static void prep_bwd_wv(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, size_t at, size_t c)
{
    real s = sigmoid(p->w0[c] + p->w_raw[at]);
    real w = exp(-(real)DECAY_SCALE * s);
    g->dw_raw[at] = g->dw[at] * w * -(real)DECAY_SCALE * (s * (1 - s));
    if (p->v_first == NULL) {
        g->dv_in[at] = g->dv[at];
        return;
    }
    real m = sigmoid(p->v0[c] + p->v_raw[at]), dv = g->dv[at];
    g->dv_in[at] = dv * (1 - m);
    g->dv_first[at] += dv * m;
    g->dv_raw[at] = dv * (p->v_first[at] - p->v_in[at]) * (m * (1 - m));
}

/* k, a and b: they share the key, the in-context rate and the norm of a head. */
static void prep_bwd_kab(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, size_t at, size_t c,
                         int N)
{
    double norm = kappa_norm(p->k_in + at, p->k_k + c, N);
    bool constant = norm < NORM_FLOOR;
    real scale = (real)(1 / (constant ? NORM_FLOOR : norm));
    double dot = 0; /* dh . h */
    for (int i = 0; i < N && !constant; i++) {
        size_t m = at + (size_t)i, o = c + (size_t)i;
        real gate = sigmoid(p->a0[o] + p->a_raw[m]);
        real h = p->k_in[m] * p->k_k[o] * scale;
        dot += (double)h * (double)(g->db[m] * gate - g->da[m]);
    }
    for (int i = 0; i < N; i++, at++, c++) {
        real k = p->k_in[at], dk = g->dk[at], k_a = p->k_a[c];
        real gate = sigmoid(p->a0[c] + p->a_raw[at]);
        real h = k * p->k_k[c] * scale;
        real dq = (g->db[at] * gate - g->da[at] - h * (real)dot) * scale;
        real dgate = dk * k * k_a + g->db[at] * h;
        g->dk_in[at] = dk * (1 + (gate - 1) * k_a) + dq * p->k_k[c];
        g->da_raw[at] = dgate * (gate * (1 - gate));
        g->k_k_row[at] = dq * k;
        g->k_a_row[at] = dk * k * (gate - 1);
    }
}

void wkv_rwkv7_prep_bwd_ref(const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p, int rows, int C,
                            int N)
{
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N) {
            size_t at = (size_t)t * (size_t)C + (size_t)c;
            for (size_t i = 0; i < (size_t)N; i++)
                prep_bwd_wv(g, p, at + i, (size_t)c + i);
            prep_bwd_kab(g, p, at, (size_t)c, N);
        }
}

/* sum of r k r_k over one head */
static double bonus_of(const wkv_rwkv7_out *o, size_t at, size_t c, int N)
{
    double sum = 0;
    for (int i = 0; i < N; i++, at++, c++)
        sum += (double)o->r[at] * (double)o->k[at] * (double)o->r_k[c];
    return sum;
}

static void out_head(const wkv_rwkv7_out *o, real *stat, size_t at, size_t c, int N)
{
    const spread s = spread_of(o->y + at, N, o->eps, stat);
    real bonus = (real)bonus_of(o, at, c, N);
    for (int i = 0; i < N; i++, at++, c++) {
        real h = (real)(((double)o->y[at] - s.mean) * s.rstd);
        o->z[at] = (h * o->ln_w[c] + o->ln_b[c] + o->v[at] * bonus) * o->g[at];
    }
}

void wkv_rwkv7_out_ref(const wkv_rwkv7_out *o, int rows, int C, int N)
{
    real *stat = o->stat;
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N) {
            out_head(o, stat, (size_t)t * (size_t)C + (size_t)c, (size_t)c, N);
            if (stat != NULL)
                stat += 2;
        }
}

static void out_bwd_head(const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o, const real *stat,
                         size_t at, size_t c, int N)
{
    real mean = stat[0], rstd = stat[1];
    double sum = 0, sum_h = 0, p = 0; /* of dh, dh h, and the bonus' gradient */
    for (int i = 0; i < N; i++) {
        size_t m = at + (size_t)i;
        double d = (double)g->dz[m] * (double)o->g[m];
        double dh = d * (double)o->ln_w[c + (size_t)i];
        sum += dh;
        sum_h += dh * (double)((o->y[m] - mean) * rstd);
        p += d * (double)o->v[m];
    }
    real mean_dh = (real)(sum / N), mean_dhh = (real)(sum_h / N), dbonus = (real)p;
    real bonus = (real)bonus_of(o, at, c, N);
    for (int i = 0; i < N; i++, at++, c++) {
        real r = o->r[at], k = o->k[at], v = o->v[at], r_k = o->r_k[c];
        real h = (o->y[at] - mean) * rstd, d = g->dz[at] * o->g[at];
        g->dg[at] = g->dz[at] * (h * o->ln_w[c] + o->ln_b[c] + v * bonus);
        g->dy[at] = rstd * (d * o->ln_w[c] - mean_dh - h * mean_dhh);
        g->dr[at] = dbonus * k * r_k;
        g->dk[at] = dbonus * r * r_k;
        g->dv[at] = bonus * d;
        g->ln_w_row[at] = d * h;
        g->ln_b_row[at] = d;
        g->r_k_row[at] = dbonus * r * k;
    }
}

void wkv_rwkv7_out_bwd_ref(const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o, int rows, int C,
                           int N)
{
    const real *stat = o->stat;
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < C; c += N, stat += 2)
            out_bwd_head(g, o, stat, (size_t)t * (size_t)C + (size_t)c, (size_t)c, N);
}
