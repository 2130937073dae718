/* kern/ref/loss_ref.c - softmax and cross-entropy of one row of logits.
 *
 * The maximum is taken out before exp(), so nothing overflows; the loss is
 * log(sum e^{x - max}) + max - x[target]. */
#include <tgmath.h>

#include "kern/kern.h"

static int first_max(const real *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static double sum_of_exp(const real *x, int n, real max)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)max);
    return sum;
}

double wkv_cross_entropy_ref(const real *x, int n, int target)
{
    real max = x[first_max(x, n)];
    return log(sum_of_exp(x, n, max)) + (double)max - (double)x[target];
}

double wkv_softmax_ce_ref(real *x, int n, int target, real scale, real l2wrap)
{
    int best = first_max(x, n);
    real max = x[best];
    double sum = sum_of_exp(x, n, max);
    double loss = log(sum) + (double)max - (double)x[target];
    for (int i = 0; i < n; i++) {
        double p = exp((double)x[i] - (double)max) / sum;
        x[i] = (real)((double)scale * (i == target ? p - 1 : p));
    }
    x[best] += scale * l2wrap * max;
    return loss;
}
