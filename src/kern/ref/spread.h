/* kern/ref/spread.h - mean and spread of the values that are normed together, a row or a head. */
#ifndef WKV_KERN_SPREAD_H
#define WKV_KERN_SPREAD_H

#include <math.h>
#include <stddef.h>

#include "base/real.h"

typedef struct spread {
    double mean, rstd; /* 1/sqrt(var + eps) */
} spread;

/* Of n values; rounded, it also goes to stat[0] and stat[1] where there is one. */
static inline spread spread_of(const real *x, int n, real eps, real *stat)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i];
    const double mean = sum / n;
    for (int i = 0; i < n; i++) {
        const double d = (double)x[i] - mean;
        squares += d * d;
    }
    const spread s = {mean, 1 / sqrt(squares / n + (double)eps)};
    if (stat != NULL) {
        stat[0] = (real)s.mean;
        stat[1] = (real)s.rstd;
    }
    return s;
}

#endif
