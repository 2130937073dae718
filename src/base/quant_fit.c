/* base/quant_fit.c - see quant_fit.h.
 *
 * For given integers the best scale is a least-squares solution, for a given scale the best
 * integers are the nearest: from several starts, which differ in how much of the range the
 * integers cover, one such step each, and the best of all is taken. */
#include "base/quant_fit.h"

#include <math.h>

float wkv_fit_round(float *q, const float *x, const float *w, int n, float scale, float offset,
                    float lo, float hi)
{
    const float inverse = scale != 0 ? 1 / scale : 0;
    float sum[16] = {0}; /* lanes, so that the compiler may use vectors */
    for (int i = 0; i < n; i += 16) {
        for (int l = 0; l < 16; l++) {
            float v = (x[i + l] + offset) * inverse;
            v = v < lo ? lo : v;
            v = wkv_round(v > hi ? hi : v);
            q[i + l] = v;
            const float e = x[i + l] + offset - scale * v;
            sum[l] += w[i + l] * e * e;
        }
    }
    float total = 0;
    for (int l = 0; l < 16; l++)
        total += sum[l];
    return total;
}

/* sum a b c */
static float triple(const float *a, const float *b, const float *c, int n)
{
    float sum[16] = {0}, total = 0;
    for (int i = 0; i < n; i += 16)
        for (int l = 0; l < 16; l++)
            sum[l] += a[i + l] * b[i + l] * c[i + l];
    for (int l = 0; l < 16; l++)
        total += sum[l];
    return total;
}

/* The value whose magnitude is the largest. */
static float extreme(const float *x, int n)
{
    float best = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(best))
            best = x[i];
    return best;
}

float wkv_fit_scale(const float *x, const float *w, int n, float lo, float hi)
{
    /* The extreme value at the longer end of the range, a little beyond, or short of it; and
     * at the other end. */
    enum { STEPS = 7 };
    const float m = extreme(x, n), step = 0.1f;
    float q[WKV_FIT_MAX], best = 0, least = INFINITY;
    if (m == 0)
        return 0;
    for (int i = -STEPS; i <= STEPS; i++) {
        for (int side = 0; side < 2; side++) {
            float scale =
                m / ((side == 0 ? lo : hi) + (side == 0 ? -1.0f : 1.0f) * step * (float)i);
            for (int pass = 0; pass < 2; pass++) {
                const float e = wkv_fit_round(q, x, w, n, scale, 0, lo, hi);
                if (e < least) {
                    least = e;
                    best = scale;
                }
                const float qq = triple(w, q, q, n);
                if (pass > 0 || qq <= 0)
                    break;
                scale = triple(w, q, x, n) / qq;
            }
        }
    }
    return best;
}

static void range(const float *x, int n, float *least, float *most)
{
    *least = *most = x[0];
    for (int i = 1; i < n; i++) {
        *least = x[i] < *least ? x[i] : *least;
        *most = x[i] > *most ? x[i] : *most;
    }
}

/* Weighted sums that do not depend on the integers. */
typedef struct sums {
    float w, x;
} sums;

/* The least-squares scale and offset for the integers q.  False when they say nothing. */
static int solve(const float *q, const float *x, const float *w, int n, const float *ones, sums s,
                 int positive, float *scale, float *offset)
{
    const float qw = triple(w, q, ones, n), qq = triple(w, q, q, n), qx = triple(w, q, x, n);
    const float determinant = s.w * qq - qw * qw;
    if (!(determinant > 0) || qq <= 0)
        return 0;
    *scale = (s.w * qx - s.x * qw) / determinant;
    *offset = (qw * qx - qq * s.x) / determinant;
    if (positive && *offset < 0) {
        *offset = 0;
        *scale = qx / qq;
    }
    return *scale > 0;
}

void wkv_fit_affine(const float *x, const float *w, int n, float hi, int positive, float *scale,
                    float *offset)
{
    enum { STEPS = 12 };
    float q[WKV_FIT_MAX], ones[WKV_FIT_MAX], lo, top;
    range(x, n, &lo, &top);
    if (positive && lo > 0)
        lo = 0;
    *scale = 0;
    *offset = -lo;
    if (top <= lo)
        return;
    for (int i = 0; i < n; i++)
        ones[i] = 1;
    const sums all = {triple(w, ones, ones, n), triple(w, x, ones, n)};
    float least = INFINITY;
    for (int i = -2; i <= STEPS; i++) {
        float s = (top - lo) / (hi + 0.1f * (float)i), o = -lo;
        for (int pass = 0; pass < 3; pass++) {
            const float e = wkv_fit_round(q, x, w, n, s, o, 0, hi);
            if (e < least) {
                least = e;
                *scale = s;
                *offset = o;
            }
            if (pass == 2 || !solve(q, x, w, n, ones, all, positive, &s, &o))
                break;
        }
    }
}
