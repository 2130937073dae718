/* base/exp.c - see exp.h.
 *
 * e^x = 2^k e^r, where |r| is at most half of ln 2: of its Taylor series, what follows the 13th
 * power no longer changes a double.  There is nothing in the loops that compilers could not make
 * vectors of, even for processors of which nothing is known. */
#include "base/exp.h"

#include <stdint.h>
#include <string.h>

#define LOWEST (-708.0) /* e^x would soon be no normal number */
#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa2p-1 /* short enough for k times it to be exact */
#define LN2_LOW 0x1.9ef35793c7673p-41
#define NO_FRACTION 0x1.8p52 /* what is added to it is rounded to an integer, its lowest bits */

/* e^r. */
static inline double series(double r)
{
    static const double over[] = {6227020800, 479001600, 39916800, 3628800, 362880, 40320, 5040,
                                  720,        120,       24,       6,       2,      1,     1};
    double sum = 0.0;
    for (size_t k = 0; k < sizeof over / sizeof over[0]; k++) /* the constants are inverted once */
        sum = sum * r + 1.0 / over[k];
    return sum;
}

/* 2^k, where `shifted` is NO_FRACTION + k. */
static inline double power(double shifted)
{
    uint64_t bits;
    double two_to_k;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&two_to_k, &bits, sizeof bits);
    return two_to_k;
}

/* e^x for x from LOWEST on. */
static inline double exp_of(double x)
{
    const double shifted = x * LOG2_E + NO_FRACTION, k = shifted - NO_FRACTION;
    return series(x - k * LN2_HIGH - k * LN2_LOW) * power(shifted);
}

void wkv_exp(double *y, const double *x, size_t n)
{
    const double least = exp_of(LOWEST); /* becomes 0; what is not near it stays as it is */
    for (size_t i = 0; i < n; i++)       /* in one loop GCC makes vectors of neither */
        y[i] = x[i] > LOWEST ? x[i] : LOWEST;
    for (size_t i = 0; i < n; i++)
        y[i] = exp_of(y[i]) - least;
}
