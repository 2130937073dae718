/* base/exp.h - the exponential function of many numbers. */
#ifndef WKV_BASE_EXP_H
#define WKV_BASE_EXP_H

#include <stddef.h>

/* y = e^x for n numbers up to 709, in the same memory or another: with an error of 2^-52 of it at
 * most for x from -670 on, and 0 for -708 and what is below or no number. */
void wkv_exp(double *y, const double *x, size_t n);

#endif
