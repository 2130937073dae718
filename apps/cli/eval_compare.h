/* apps/cli/eval_compare.h - how well a model predicts a text, and how far a second model's
 * predictions are from its own: sums over tokens, and the largest divergences. */
#ifndef WKV_APPS_EVAL_COMPARE_H
#define WKV_APPS_EVAL_COMPARE_H

#include <stdint.h>

/* Divergences are counted in bins of equal ratio, so that memory does not grow with the
 * text: a quantile is right to half a percent. */
enum { WKV_EVAL_BINS = 8192 };

typedef struct wkv_eval_sums {
    uint64_t tokens;    /* that were predicted */
    double nll, nll2;   /* negative log-likelihood of them, natural: each model's sum */
    double nll_squares; /* sum of squares of the first, for its standard error */
    double kl;          /* sum of KL(model || second) */
    uint64_t same_top;  /* both think the same token the likeliest */
    uint64_t bin[WKV_EVAL_BINS];
} wkv_eval_sums;

/* ln sum exp of n logits. */
double wkv_eval_log_sum(const float *logits, int32_t n);

/* Adds one predicted token.  second: the other model's logits, or NULL. */
void wkv_eval_add(wkv_eval_sums *s, const float *logits, const float *second, int32_t n,
                  int32_t target);

/* The divergence below which a share q of all tokens lies. */
double wkv_eval_kl_quantile(const wkv_eval_sums *s, double q);

#endif
