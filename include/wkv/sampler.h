/* wkv/sampler.h - choosing the next token from logits.
 *
 * The customary RWKV order: penalties, softmax, top-p, top-k, then the temperature,
 * then the draw.  Reproducible: the same seed and logits give the same tokens. */
#ifndef WKV_SAMPLER_H
#define WKV_SAMPLER_H

#include <wkv/tokenizer.h>

WKV_BEGIN

typedef struct wkv_sampler wkv_sampler;

typedef struct wkv_sampler_opts {
    float temperature;   /* >= 0; 0 takes the most likely token */
    float top_p;         /* in [0, 1] */
    int32_t top_k;       /* 0: no limit */
    float presence;      /* taken once from the logit of every token already produced */
    float frequency;     /* taken once per (decayed) occurrence */
    float penalty_decay; /* occurrences are multiplied by this after each token */
    uint64_t seed;
    uint64_t reserved[4];
} wkv_sampler_opts;

/* temperature 1, top_p 0.85, top_k 0, presence 0.2, frequency 0.2, decay 0.996, seed 0. */
WKV_API void wkv_sampler_opts_init(wkv_sampler_opts *o);

/* t may be NULL; it is used to know white space and digits, which are not counted as
 * occurrences, and must then outlive the sampler.  E_ARGUMENT names the option that is
 * out of range.  The caller owns *out. */
WKV_API wkv_status wkv_sampler_open(wkv_sampler **out, int32_t vocab, const wkv_sampler_opts *o,
                                    const wkv_tokenizer *t, wkv_error *err);
WKV_API void wkv_sampler_close(wkv_sampler **s);

/* Draws the next token from vocab logits (unchanged) and counts it.  Allocates nothing.
 * -1 when no logit is finite. */
WKV_API int32_t wkv_sampler_next(wkv_sampler *s, const float *logits);

WKV_END
#endif
