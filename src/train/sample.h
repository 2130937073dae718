/* train/sample.h - which tokens a row of a step is made of.
 *
 * Stateless: the answer depends on the step and the row alone, so that a resumed run
 * continues exactly.  A row is ctx + 1 tokens: inputs and, one further, targets. */
#ifndef WKV_TRAIN_SAMPLE_H
#define WKV_TRAIN_SAMPLE_H

#include <wkv/train.h>

typedef struct wkv_sampler_rows {
    wkv_order order;
    uint64_t tokens, ctx, batch, seed;
    uint64_t prime;   /* RANDOM: the reference's magic prime; 0: the fallback */
    uint64_t phi;     /* floor(prime (sqrt 5 - 1) / 2), computed in double as the reference does */
    uint64_t windows; /* SEQUENTIAL: M = floor((tokens - 1) / ctx) */
} wkv_sampler_rows;

/* tokens must be at least ctx + 1. */
void wkv_rows_init(wkv_sampler_rows *r, wkv_order order, uint64_t tokens, uint64_t ctx,
                   uint64_t batch, uint64_t seed);

/* Where row `row` of step `step` (both from 0) starts. */
uint64_t wkv_rows_start(const wkv_sampler_rows *r, uint64_t step, uint64_t row);

/* The largest prime p with p mod 3 = 2 and p <= tokens/ctx - 1; 0 when there is none. */
uint64_t wkv_magic_prime(uint64_t tokens, uint64_t ctx);

#endif
