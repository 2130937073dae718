/* kern/ref/wkv6_ref.c - the recurrence of RWKV-5 and 6 for one head, S[key][value]; the two
 * differ only in whether the decay changes from step to step.
 *
 * Backward, S the state before step t, D = dL/dS after it:
 *   vg = v . dy;  dr = S dy + u k vg;  du += r k vg;  dk = u r vg + D v;
 *   dv = D^T k + (sum u r k) dy;  dw = rowsum(D * S);  D <- diag(w) D + r dy^T. */
#include <string.h>

#include "kern/kern.h"

static size_t row(const wkv_wkv6_in *in, int t)
{
    return (size_t)t * (size_t)in->stride;
}

static const real *decay_at(const wkv_wkv6_in *in, int t)
{
    return in->w + (size_t)t * (size_t)in->w_stride;
}

/* S_out from S (which may be the same array). */
static void advance(real *S_out, const real *S, const wkv_wkv6_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    const real *w = decay_at(in, t);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            S_out[i * N + j] = w[i] * S[i * N + j] + in->k[at + i] * in->v[at + j];
}

static void output(real *y, const real *S, const wkv_wkv6_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    for (size_t j = 0; j < N; j++) {
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            real now = in->u[i] * in->k[at + i] * in->v[at + j];
            sum += (double)in->r[at + i] * (double)(S[i * N + j] + now);
        }
        y[j] = (real)sum;
    }
}

void wkv_wkv6_ref(real *y, real *S, real *keep, const wkv_wkv6_in *in)
{
    size_t NN = (size_t)in->N * (size_t)in->N;
    for (int t = 0; t < in->T; t++) {
        if (keep != NULL && t % WKV_WKV7_CHUNK == 0)
            memcpy(keep + (size_t)(t / WKV_WKV7_CHUNK) * NN, S, NN * sizeof *S);
        output(y + row(in, t), S, in, t);
        advance(S, S, in, t);
    }
}

/* Sums over values, and D one step back. */
static void rows_back(real *D, const wkv_wkv6_grad *grad, const real *S, double vg, const real *dy,
                      const wkv_wkv6_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    const real *w = decay_at(in, t);
    for (size_t i = 0; i < N; i++) {
        double dr = 0, dk = 0, dw = 0;
        real r = in->r[at + i], k = in->k[at + i], u = in->u[i];
        for (size_t j = 0; j < N; j++) {
            double d = (double)D[i * N + j];
            dr += (double)S[i * N + j] * (double)dy[at + j];
            dk += d * (double)in->v[at + j];
            dw += d * (double)S[i * N + j];
            D[i * N + j] = w[i] * D[i * N + j] + r * dy[at + j];
        }
        grad->dr[at + i] = (real)(dr + (double)u * (double)k * vg);
        grad->dk[at + i] = (real)(dk + (double)u * (double)r * vg);
        grad->dw[at + i] = (real)dw;
        grad->du[i] += (real)((double)r * (double)k * vg);
    }
}

/* dv, which sums over keys; and v . dy, returned. */
static double columns_back(const real *D, const wkv_wkv6_grad *grad, const real *dy,
                           const wkv_wkv6_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    double bonus = 0, vg = 0;
    for (size_t i = 0; i < N; i++) {
        bonus += (double)in->u[i] * (double)in->r[at + i] * (double)in->k[at + i];
        vg += (double)in->v[at + i] * (double)dy[at + i];
    }
    for (size_t j = 0; j < N; j++) {
        double dv = bonus * (double)dy[at + j];
        for (size_t i = 0; i < N; i++)
            dv += (double)D[i * N + j] * (double)in->k[at + i];
        grad->dv[at + j] = (real)dv;
    }
    return vg;
}

void wkv_wkv6_bwd_ref(const wkv_wkv6_grad *grad, real *dS, const real *dy, const real *keep,
                      const wkv_wkv6_in *in, real *scratch)
{
    size_t N = (size_t)in->N, NN = N * N;
    memset(grad->du, 0, N * sizeof *grad->du);
    for (int chunk = (in->T - 1) / WKV_WKV7_CHUNK; in->T > 0 && chunk >= 0; chunk--) {
        int first = chunk * WKV_WKV7_CHUNK, left = in->T - first;
        int len = left < WKV_WKV7_CHUNK ? left : WKV_WKV7_CHUNK;
        memcpy(scratch, keep + (size_t)chunk * NN, NN * sizeof *scratch);
        for (int i = 0; i + 1 < len; i++)
            advance(scratch + (size_t)(i + 1) * NN, scratch + (size_t)i * NN, in, first + i);
        for (int i = len - 1; i >= 0; i--) {
            double vg = columns_back(dS, grad, dy, in, first + i);
            rows_back(dS, grad, scratch + (size_t)i * NN, vg, dy, in, first + i);
        }
    }
}
