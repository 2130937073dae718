/* kern/simd/loss_tmpl.h - softmax and cross-entropy of one row of logits.
 *
 * Three sweeps: the maximum, the exponentials with their sum (in double: there may be
 * 65,536 of them), the gradient.  The exponentials wait in the row itself. */
#include <math.h>

/* In two interleaved maxima.  A NaN may be lost here; the exponentials bring it back. */
static float row_max(const real *x, size_t n)
{
    vf a = vf_set1(-INFINITY), b = a;
    size_t i = 0;
    for (; i + 2 * VF_N <= n; i += 2 * VF_N) {
        a = vf_max(vf_load(x + i), a);
        b = vf_max(vf_load(x + i + VF_N), b);
    }
    for (; i + VF_N <= n; i += VF_N)
        a = vf_max(vf_load(x + i), a);
    float max = vf_highest(vf_max(a, b));
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

/* The first place of the maximum; 0 when no value equals it. */
static size_t place_of(const real *x, size_t n, float max)
{
    size_t i = 0;
    vf m = vf_set1(max);
    while (i + VF_N <= n && vf_equal_bits(vf_load(x + i), m) == 0)
        i += VF_N;
    for (; i < n; i++)
        if (x[i] == max)
            return i;
    return 0;
}

/* sum of e^{x - max}; the terms go to `terms` unless that is NULL. */
WKV_INLINE double sum_of_exp(real *terms, const real *x, size_t n, float max)
{
    vd sum = vd_zero();
    vf m = vf_set1(max);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) {
        vf e = vf_exp(vf_sub(vf_load(x + i), m));
        sum = vd_add(sum, e);
        if (terms != NULL)
            vf_store(terms + i, e);
    }
    double total = vd_sum(sum);
    if (i < n) {
        real last[VF_N];
        vf_store(last, vf_exp(vf_sub(vf_load_n(x + i, n - i), m)));
        for (size_t j = 0; i + j < n; j++) {
            total += (double)last[j];
            if (terms != NULL)
                terms[i + j] = last[j];
        }
    }
    return total;
}

static double cross_entropy(const real *x, int n, int target)
{
    float max = row_max(x, (size_t)n);
    return log(sum_of_exp(NULL, x, (size_t)n, max)) + (double)max - (double)x[target];
}

static double softmax_ce(real *x, int n, int target, real scale, real l2wrap)
{
    size_t cols = (size_t)n;
    float max = row_max(x, cols), at_target = x[target];
    size_t best = place_of(x, cols, max);
    double sum = sum_of_exp(x, x, cols, max);
    double hit = (double)x[target] / sum;
    vf factor = vf_set1((float)((double)scale / sum));
    for (size_t i = 0; i < cols; i += VF_N)
        store_some(x + i, vf_mul(load_some(x + i, cols - i), factor), cols - i);
    x[target] = (float)((double)scale * (hit - 1));
    x[best] += scale * l2wrap * max;
    return log(sum) + (double)max - (double)at_target;
}

static void set_loss(wkv_kern *k)
{
    k->softmax_ce = softmax_ce;
    k->cross_entropy = cross_entropy;
}
