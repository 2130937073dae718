/* base/quant_fit.c - see quant_fit.h.
 *
 * For given integers the best scale is a least-squares solution, for a given scale the best
 * integers are the nearest: from several starts, which differ in how much of the range the
 * integers cover, one such step each, and the best of all is taken. */
#include "base/quant_fit.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"

/* Four values at a time, which every processor has. */
enum { LANES = 4 };
typedef wkv_f32x4 lanes;
typedef wkv_i32x4 mask;

static inline lanes load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline lanes choose(mask m, lanes yes, lanes no)
{
    return (lanes)((m & (mask)yes) | (~m & (mask)no));
}

static inline lanes clamp(lanes v, lanes lo, lanes hi)
{
    v = choose(v < lo, lo, v);
    return choose(v > hi, hi, v);
}

static inline lanes rounded(lanes v)
{
    return (v + WKV_ROUND) - WKV_ROUND;
}

static inline float total(lanes v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

/* Weighted sums over integers and values: w q, w q q, w q x; and the weighted squared error. */
typedef struct sums {
    float q, qq, qx, error;
} sums;

/* wkv_fit_round, and what the next scale is found by. */
static inline sums round_all(float *q, const float *x, const float *w, int n, float scale,
                             float offset, float lo, float hi)
{
    const float inverse = scale != 0 ? 1 / scale : 0;
    const lanes none = {0}, least = none + lo, most = none + hi;
    lanes s = none, ss = none, sx = none, error = none;
    for (int i = 0; i < n; i += LANES) {
        const lanes xi = load(x + i), wi = load(w + i), there = xi + offset;
        const lanes v = rounded(clamp(there * inverse, least, most));
        const lanes e = there - scale * v, wv = wi * v;
        memcpy(q + i, &v, sizeof v);
        s += wv;
        ss += wv * v;
        sx += wv * xi;
        error += wi * e * e;
    }
    return (sums){total(s), total(ss), total(sx), total(error)};
}

float wkv_fit_round(float *q, const float *x, const float *w, int n, float scale, float offset,
                    float lo, float hi)
{
    return round_all(q, x, w, n, scale, offset, lo, hi).error;
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
    /* The extreme value at the longer end of the range, a little beyond, or short of it; then
     * at the other end. */
    enum { STEPS = 5 };
    const float m = extreme(x, n), step = 0.15f;
    const int sides = hi < 16 ? 2 : 1; /* with more integers the other end makes no difference */
    float q[WKV_FIT_MAX], best = 0, least = INFINITY;
    if (m == 0)
        return 0;
    for (int i = -STEPS; i <= STEPS; i++) {
        for (int side = 0; side < sides; side++) {
            float scale =
                m / ((side == 0 ? lo : hi) + (side == 0 ? -1.0f : 1.0f) * step * (float)i);
            for (int pass = 0; pass < 2; pass++) {
                const sums s = round_all(q, x, w, n, scale, 0, lo, hi);
                if (s.error < least) {
                    least = s.error;
                    best = scale;
                }
                if (pass > 0 || s.qq <= 0)
                    break;
                scale = s.qx / s.qq;
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

/* The least-squares scale and offset for the integers that s sums up; w and wx are the sums of
 * the weights and of the weighted values.  False when they say nothing. */
static bool solve(sums s, float w, float wx, bool positive, float *scale, float *offset)
{
    const float determinant = w * s.qq - s.q * s.q;
    if (!(determinant > 0) || s.qq <= 0)
        return false;
    *scale = (w * s.qx - wx * s.q) / determinant;
    *offset = (s.q * s.qx - s.qq * wx) / determinant;
    if (positive && *offset < 0) {
        *offset = 0;
        *scale = s.qx / s.qq;
    }
    return *scale > 0;
}

void wkv_fit_affine(const float *x, const float *w, int n, float hi, bool positive, float *scale,
                    float *offset)
{
    enum { STEPS = 5, PASSES = 4 };
    float q[WKV_FIT_MAX], lo, top, all = 0, all_x = 0;
    range(x, n, &lo, &top);
    if (positive && lo > 0)
        lo = 0;
    *scale = 0;
    *offset = -lo;
    if (top <= lo)
        return;
    for (int i = 0; i < n; i++) {
        all += w[i];
        all_x += w[i] * x[i];
    }
    float least = INFINITY;
    for (int i = -1; i <= STEPS; i++) {
        float s = (top - lo) / (hi + 0.24f * (float)i), o = -lo;
        for (int pass = 0; pass <= PASSES; pass++) {
            const sums t = round_all(q, x, w, n, s, o, 0, hi);
            if (t.error < least) {
                least = t.error;
                *scale = s;
                *offset = o;
            }
            if (pass == PASSES || !solve(t, all, all_x, positive, &s, &o))
                break;
        }
    }
}
