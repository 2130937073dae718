/* apps/cli/eval_compare.c - see eval_compare.h. */
#include "cli/eval_compare.h"

#include <math.h>
#include <stddef.h>

/* Bins run from 1e-12 to 1e4 nats; those below count as the first. */
static const double least = 1e-12, most = 1e4;

double wkv_eval_log_sum(const float *logits, int32_t n)
{
    double top = (double)logits[0], sum = 0;
    for (int32_t i = 1; i < n; i++)
        top = (double)logits[i] > top ? (double)logits[i] : top;
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    return top + log(sum);
}

static int32_t likeliest(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* sum p ln(p/q); rounding can leave a little less than nothing. */
static double divergence(const float *p, double p_sum, const float *q, double q_sum, int32_t n)
{
    double kl = 0;
    for (int32_t i = 0; i < n; i++) {
        const double lp = (double)p[i] - p_sum;
        kl += exp(lp) * (lp - ((double)q[i] - q_sum));
    }
    return kl > 0 ? kl : 0;
}

static int bin_of(double kl)
{
    if (!(kl > least))
        return 0;
    const double at = log(kl / least) / log(most / least) * WKV_EVAL_BINS;
    return at < WKV_EVAL_BINS - 1 ? (int)at : WKV_EVAL_BINS - 1;
}

void wkv_eval_add(wkv_eval_sums *s, const float *logits, const float *second, int32_t n,
                  int32_t target)
{
    const double sum = wkv_eval_log_sum(logits, n), nll = sum - (double)logits[target];
    s->tokens++;
    s->nll += nll;
    s->nll_squares += nll * nll;
    if (second == NULL)
        return;
    const double sum2 = wkv_eval_log_sum(second, n);
    const double kl = divergence(logits, sum, second, sum2, n);
    s->nll2 += sum2 - (double)second[target];
    s->kl += kl;
    s->same_top += likeliest(logits, n) == likeliest(second, n);
    s->bin[bin_of(kl)]++;
}

double wkv_eval_kl_quantile(const wkv_eval_sums *s, double q)
{
    uint64_t seen = 0;
    int i = 0;
    while (i < WKV_EVAL_BINS - 1 && (double)(seen += s->bin[i]) < q * (double)s->tokens)
        i++;
    return i == 0 ? 0 : least * exp((i + 0.5) / WKV_EVAL_BINS * log(most / least));
}
