/* train/guard.c - see guard.h. */
#include "train/guard.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LOSS_SPREAD = 0.02, LOG_NORM_SPREAD = 0.5; /* the least that counts */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The value above which the next one is an outlier. */
static double limit_of(const float *ring, int n, double factor, double least_spread)
{
    double v[WKV_GUARD_WINDOW];
    for (int i = 0; i < n; i++)
        v[i] = (double)ring[i];
    double middle = median(v, n);
    for (int i = 0; i < n; i++)
        v[i] = fabs((double)ring[i] - middle);
    return middle + factor * fmax(1.4826 * median(v, n), least_spread);
}

static double log_of(double norm)
{
    return log(fmax(norm, 1e-30));
}

wkv_skip wkv_guard_judge(const wkv_guard *g, double loss, double norm, double factor, double *limit)
{
    int n = g->taken < WKV_GUARD_WINDOW ? (int)g->taken : WKV_GUARD_WINDOW;
    *limit = (double)NAN;
    if (!isfinite(loss) || !isfinite(norm))
        return WKV_SKIP_NUMERIC;
    if (factor == 0 || n < WKV_GUARD_FIRST)
        return WKV_SKIP_NONE;
    *limit = limit_of(g->last[0], n, factor, LOSS_SPREAD);
    if (loss > *limit)
        return WKV_SKIP_LOSS;
    *limit = exp(limit_of(g->last[1], n, factor, LOG_NORM_SPREAD));
    return norm > *limit ? WKV_SKIP_NORM : WKV_SKIP_NONE;
}

void wkv_guard_take(wkv_guard *g, double loss, double norm)
{
    size_t at = (size_t)(g->taken++ % WKV_GUARD_WINDOW);
    g->last[0][at] = (float)loss;
    g->last[1][at] = (float)log_of(norm);
    g->in_row = 0;
}

void wkv_guard_skip(wkv_guard *g)
{
    g->skipped++;
    g->in_row++;
}

/* ---- as text ------------------------------------------------------------------------------- */

void wkv_guard_format(const wkv_guard *g, char text[WKV_GUARD_TEXT])
{
    for (size_t i = 0; i < 2 * (size_t)WKV_GUARD_WINDOW; i++) {
        uint32_t bits;
        memcpy(&bits, &g->last[i / WKV_GUARD_WINDOW][i % WKV_GUARD_WINDOW], sizeof bits);
        snprintf(text + 8 * i, 9, "%08" PRIx32, bits);
    }
}

bool wkv_guard_parse(wkv_guard *g, const char *text)
{
    if (text == NULL || strlen(text) != WKV_GUARD_TEXT - 1 ||
        strspn(text, "0123456789abcdef") != WKV_GUARD_TEXT - 1)
        return false;
    for (size_t i = 0; i < 2 * (size_t)WKV_GUARD_WINDOW; i++) {
        char digits[9] = {0};
        memcpy(digits, text + 8 * i, 8);
        uint32_t bits = (uint32_t)strtoul(digits, NULL, 16);
        memcpy(&g->last[i / WKV_GUARD_WINDOW][i % WKV_GUARD_WINDOW], &bits, sizeof bits);
    }
    return true;
}
