/* base/quant_fit.h - the numerical heart of quant.c: integers and a scale (and perhaps an
 * offset) for a few numbers, such that the weighted squared error is small. */
#ifndef WKV_BASE_QUANT_FIT_H
#define WKV_BASE_QUANT_FIT_H

#include <stdbool.h>

/* At most this many values share a scale; n is a multiple of 16.  w: how much the error of each
 * value weighs, none below 0. */
enum { WKV_FIT_MAX = 32 };

/* Added and taken away again it rounds to the nearest integer, ties to even, for no fraction fits
 * beside it: 1.5 * 2^23. */
#define WKV_ROUND 12582912.0f

/* |x| < 2^22 */
static inline float wkv_round(float x)
{
    return (x + WKV_ROUND) - WKV_ROUND;
}

/* q = the integer of [lo, hi] nearest to (x + offset) / scale, 0 for a scale of 0; the weighted
 * squared error of scale q - offset. */
float wkv_fit_round(float *q, const float *x, const float *w, int n, float scale, float offset,
                    float lo, float hi);

/* A scale, of either sign, such that x is nearly scale * q with q in [lo, hi], lo < 0 < hi. */
float wkv_fit_scale(const float *x, const float *w, int n, float lo, float hi);

/* A scale >= 0 and an offset such that x is nearly scale * q - offset with q in [0, hi].  When
 * `positive`, the offset is not negative. */
void wkv_fit_affine(const float *x, const float *w, int n, float hi, bool positive, float *scale,
                    float *offset);

#endif
