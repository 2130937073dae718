/* kern/ref/wkv7_ref.c - RWKV-7's recurrence for one head, S[key][value].
 *
 * A column of S (one value channel) never looks at another, so the forward pass goes
 * column by column and needs no memory beyond S.
 *
 * Backward, D = dL/dS_t, later steps included:
 *   D += r dy^T;  dr = S_t dy;  dk = D v;  dv = D^T k;  db = D s;  ds = D^T b;
 *   dw = rowsum(D * S_{t-1});   da = S_{t-1} ds;   D <- diag(w) D + a ds^T.
 * S_{t-1} is not recovered by dividing by w, which loses accuracy step by step: the
 * states inside a chunk are computed anew from the one kept at its start. */
#include <string.h>

#include "kern/kern.h"

static size_t row(const wkv_wkv7_in *in, int t)
{
    return (size_t)t * (size_t)in->stride;
}

/* One step: S_out from S (which may be the same array); s and y (N) unless NULL. */
static void step(real *S_out, real *s, real *y, const real *S, const wkv_wkv7_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    for (size_t j = 0; j < N; j++) {
        double dot = 0, out = 0;
        for (size_t i = 0; i < N; i++)
            dot += (double)S[i * N + j] * (double)in->a[at + i];
        real sj = (real)dot;
        for (size_t i = 0; i < N; i++) {
            real next =
                in->w[at + i] * S[i * N + j] + in->b[at + i] * sj + in->k[at + i] * in->v[at + j];
            S_out[i * N + j] = next;
            out += (double)next * (double)in->r[at + i];
        }
        if (s != NULL)
            s[j] = sj;
        if (y != NULL)
            y[j] = (real)out;
    }
}

void wkv_wkv7_ref(real *y, real *S, real *keep, const wkv_wkv7_in *in)
{
    size_t NN = (size_t)in->N * (size_t)in->N;
    for (int t = 0; t < in->T; t++) {
        if (keep != NULL && t % WKV_WKV7_CHUNK == 0)
            memcpy(keep + (size_t)(t / WKV_WKV7_CHUNK) * NN, S, NN * sizeof *S);
        step(S, NULL, y + row(in, t), S, in, t);
    }
}

/* D += r dy^T, then everything that sums D over keys: dv, and ds into ds. */
static void columns_back(real *ds, real *D, const wkv_wkv7_grad *grad, const real *dy,
                         const wkv_wkv7_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    for (size_t j = 0; j < N; j++) {
        double dv = 0, sum = 0;
        for (size_t i = 0; i < N; i++) {
            D[i * N + j] += in->r[at + i] * dy[at + j];
            dv += (double)D[i * N + j] * (double)in->k[at + i];
            sum += (double)D[i * N + j] * (double)in->b[at + i];
        }
        grad->dv[at + j] = (real)dv;
        ds[j] = (real)sum;
    }
}

/* Everything that sums over values, and D one step back. */
static void rows_back(real *D, const wkv_wkv7_grad *grad, const real *before, const real *after,
                      const real *s, const real *ds, const real *dy, const wkv_wkv7_in *in, int t)
{
    size_t N = (size_t)in->N, at = row(in, t);
    for (size_t i = 0; i < N; i++) {
        double dr = 0, dk = 0, db = 0, dw = 0, da = 0;
        real w = in->w[at + i], a = in->a[at + i];
        for (size_t j = 0; j < N; j++) {
            double d = (double)D[i * N + j];
            dr += (double)after[i * N + j] * (double)dy[at + j];
            dk += d * (double)in->v[at + j];
            db += d * (double)s[j];
            dw += d * (double)before[i * N + j];
            da += (double)before[i * N + j] * (double)ds[j];
            D[i * N + j] = w * D[i * N + j] + a * ds[j];
        }
        grad->dr[at + i] = (real)dr;
        grad->dk[at + i] = (real)dk;
        grad->db[at + i] = (real)db;
        grad->dw[at + i] = (real)dw;
        grad->da[at + i] = (real)da;
    }
}

void wkv_wkv7_bwd_ref(const wkv_wkv7_grad *grad, real *dS, const real *dy, const real *keep,
                      const wkv_wkv7_in *in, real *scratch)
{
    size_t N = (size_t)in->N, NN = N * N;
    real *states = scratch; /* before step 0, 1, ... of the chunk, and after its last */
    real *s = states + (WKV_WKV7_CHUNK + 1) * NN;
    real *ds = s + WKV_WKV7_CHUNK * N;
    for (int chunk = (in->T - 1) / WKV_WKV7_CHUNK; in->T > 0 && chunk >= 0; chunk--) {
        int first = chunk * WKV_WKV7_CHUNK;
        int left = in->T - first;
        size_t len = (size_t)(left < WKV_WKV7_CHUNK ? left : WKV_WKV7_CHUNK);
        memcpy(states, keep + (size_t)chunk * NN, NN * sizeof *states);
        for (size_t i = 0; i < len; i++)
            step(states + (i + 1) * NN, s + i * N, NULL, states + i * NN, in, first + (int)i);
        for (size_t i = len; i-- > 0;) {
            columns_back(ds, dS, grad, dy, in, first + (int)i);
            rows_back(dS, grad, states + i * NN, states + (i + 1) * NN, s + i * N, ds, dy, in,
                      first + (int)i);
        }
    }
}
