/* model/sampler.c - choosing the next token from logits.
 *
 * The customary RWKV order, which is not everybody's: penalties on the logits,
 * softmax, top-p, top-k, and only then the temperature, so that a high temperature
 * cannot bring back what top-p has cut.  All sums are in double.  All of it takes time linear in
 * the vocabulary, however flat the logits are (cut_off.h), and nothing is allocated after
 * opening. */
#include <wkv/sampler.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/exp.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/cut_off.h"

struct wkv_sampler {
    wkv_sampler_opts opts;
    const wkv_tokenizer *tokenizer; /* or NULL */
    wkv_rng rng;
    int32_t vocab;
    int32_t n_seen;
    int32_t *seen;  /* [V] every token drawn so far, once */
    uint8_t *drawn; /* [V] 1: in seen */
    double *count;  /* [V] decayed occurrences */
    double *logit;  /* [V] scratch: with penalties, less the largest; -INFINITY: never drawn */
    double *weight; /* [V] scratch: exp(logit), before the temperature */
    int32_t *token; /* [V] scratch: candidates, then those kept */
    double *some;   /* [V] scratch: weights of some tokens */
};

void wkv_sampler_opts_init(wkv_sampler_opts *o)
{
    *o = (wkv_sampler_opts){.temperature = 1.0f,
                            .top_p = 0.85f,
                            .presence = 0.2f,
                            .frequency = 0.2f,
                            .penalty_decay = 0.996f};
}

static wkv_status check(int32_t vocab, const wkv_sampler_opts *o, wkv_error *err)
{
    if (vocab < 1)
        WKV_FAIL(err, WKV_E_ARGUMENT, "vocab: expected at least 1, found %d", (int)vocab);
    if (!(o->temperature >= 0.0f) || isinf(o->temperature))
        WKV_FAIL(err, WKV_E_ARGUMENT, "temperature: expected a number from 0 on, found %g",
                 (double)o->temperature);
    if (!(o->top_p >= 0.0f && o->top_p <= 1.0f))
        WKV_FAIL(err, WKV_E_ARGUMENT, "top_p: expected a number from 0 to 1, found %g",
                 (double)o->top_p);
    if (o->top_k < 0)
        WKV_FAIL(err, WKV_E_ARGUMENT, "top_k: expected 0 or more, found %d", (int)o->top_k);
    if (!isfinite(o->presence))
        WKV_FAIL(err, WKV_E_ARGUMENT, "presence: expected a finite number, found %g",
                 (double)o->presence);
    if (!isfinite(o->frequency))
        WKV_FAIL(err, WKV_E_ARGUMENT, "frequency: expected a finite number, found %g",
                 (double)o->frequency);
    if (!(o->penalty_decay >= 0.0f && o->penalty_decay <= 1.0f))
        WKV_FAIL(err, WKV_E_ARGUMENT, "penalty_decay: expected a number from 0 to 1, found %g",
                 (double)o->penalty_decay);
    return WKV_OK;
}

wkv_status wkv_sampler_open(wkv_sampler **out, int32_t vocab, const wkv_sampler_opts *o,
                            const wkv_tokenizer *t, wkv_error *err)
{
    *out = NULL;
    wkv_sampler_opts defaults;
    wkv_sampler_opts_init(&defaults);
    if (o == NULL)
        o = &defaults;
    WKV_TRY(check(vocab, o, err));
    wkv_sampler *s = wkv_calloc(1, sizeof *s);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "sampler: out of memory");
    size_t n = (size_t)vocab;
    s->opts = *o;
    s->tokenizer = t;
    s->vocab = vocab;
    s->seen = wkv_calloc(n, sizeof *s->seen);
    s->drawn = wkv_calloc(n, sizeof *s->drawn);
    s->count = wkv_calloc(n, sizeof *s->count);
    s->logit = wkv_calloc(n, sizeof *s->logit);
    s->weight = wkv_calloc(n, sizeof *s->weight);
    s->token = wkv_calloc(n, sizeof *s->token);
    s->some = wkv_calloc(n, sizeof *s->some);
    if (!s->seen || !s->drawn || !s->count || !s->logit || !s->weight || !s->token || !s->some) {
        wkv_sampler_close(&s);
        WKV_FAIL(err, WKV_E_MEMORY, "sampler: out of memory");
    }
    wkv_rng_seed(&s->rng, o->seed);
    *out = s;
    return WKV_OK;
}

void wkv_sampler_close(wkv_sampler **s)
{
    if (*s == NULL)
        return;
    wkv_free((*s)->seen);
    wkv_free((*s)->drawn);
    wkv_free((*s)->count);
    wkv_free((*s)->logit);
    wkv_free((*s)->weight);
    wkv_free((*s)->token);
    wkv_free((*s)->some);
    wkv_free(*s);
    *s = NULL;
}

/* ---- all of a list --------------------------------------------------------------- */

/* So many at a time, so that nothing waits for what comes before it. */
enum { LANES = 4 };

static double largest(const double *x, int32_t n)
{
    double most[LANES];
    for (int k = 0; k < LANES; k++)
        most[k] = -INFINITY;
    int32_t i = 0;
    for (; i <= n - LANES; i += LANES)
        for (int k = 0; k < LANES; k++)
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
    for (; i < n; i++)
        most[0] = x[i] > most[0] ? x[i] : most[0];
    return fmax(fmax(most[0], most[1]), fmax(most[2], most[3]));
}

static double sum_of(const double *x, int32_t n)
{
    double sum[LANES] = {0};
    int32_t i = 0;
    for (; i <= n - LANES; i += LANES)
        for (int k = 0; k < LANES; k++)
            sum[k] += x[i + k];
    for (; i < n; i++)
        sum[0] += x[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* ---- penalties -------------------------------------------------------------------- */

/* Fills s->logit, the largest being 0; false when none is finite. */
static bool penalise(wkv_sampler *s, const float *logits)
{
    for (int32_t i = 0; i < s->vocab; i++) {
        const double x = (double)logits[i];
        s->logit[i] = fabs(x) <= DBL_MAX ? x : -INFINITY;
    }
    const double presence = (double)s->opts.presence, frequency = (double)s->opts.frequency;
    for (int32_t k = 0; k < s->n_seen; k++)
        s->logit[s->seen[k]] -= presence + frequency * s->count[s->seen[k]];
    const double most = largest(s->logit, s->vocab);
    for (int32_t i = 0; i < s->vocab; i++)
        s->logit[i] -= most;
    return isfinite(most);
}

/* The lowest of the most likely. */
static int32_t likeliest(const wkv_sampler *s)
{
    int32_t best = 0;
    while (s->logit[best] != 0.0)
        best++;
    return best;
}

/* White space within a line and digits repeat in any text and are not held against it. */
static bool counts(const wkv_tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *bytes = t != NULL ? wkv_tokenizer_token(t, id, &n) : NULL;
    if (bytes == NULL)
        return true;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != ' ' && bytes[i] != '\t' && (bytes[i] < '0' || bytes[i] > '9'))
            return true;
    return false;
}

static int32_t take(wkv_sampler *s, int32_t id)
{
    for (int32_t k = 0; k < s->n_seen; k++)
        s->count[s->seen[k]] *= (double)s->opts.penalty_decay;
    if (!s->drawn[id]) {
        s->drawn[id] = 1;
        s->seen[s->n_seen++] = id;
    }
    if (counts(s->tokenizer, id))
        s->count[id] += 1.0;
    return id;
}

/* ---- what is kept --------------------------------------------------------------------- */

/* Gathers every token that may be kept, in ascending order; returns how many.  Those so
 * light that all V of them together could not fill half of what top-p drops are left
 * out: they lie below the cut-off. */
static int32_t gather(wkv_sampler *s, double *total)
{
    wkv_exp(s->weight, s->logit, (size_t)s->vocab);
    *total = sum_of(s->weight, s->vocab);
    const double least = 0.5 * (1.0 - (double)s->opts.top_p) * *total / s->vocab;
    int32_t n = 0;
    for (int32_t i = 0; i < s->vocab; i++) { /* no branch: nobody foresees it */
        s->token[n] = i;
        n += (s->weight[i] >= least) & (s->logit[i] > -INFINITY);
    }
    return n;
}

/* Applies top-p and top-k to the n candidates; returns how many are kept, in ascending order.
 * Top-p does not part equals; when rounding keeps the sum below it, all are kept. */
static int32_t keep(wkv_sampler *s, int32_t n, double total)
{
    const int32_t limit = s->opts.top_k > 0 && s->opts.top_k < n ? s->opts.top_k : n;
    const double goal = s->opts.top_p < 1.0f ? (double)s->opts.top_p * total : INFINITY;
    if (isinf(goal) && limit == n)
        return n;
    const double least = wkv_cut_off(s->some, s->weight, s->token, n, goal, limit);
    int32_t heavier = 0, kept = 0;
    for (int32_t k = 0; k < n; k++)
        heavier += s->weight[s->token[k]] > least;
    for (int32_t k = 0, equals = limit - heavier; k < n && kept < limit; k++) {
        const double w = s->weight[s->token[k]];
        if (w > least || (w == least && equals-- > 0))
            s->token[kept++] = s->token[k];
    }
    return kept;
}

static int32_t draw(wkv_sampler *s, int32_t n)
{
    const int32_t *kept = s->token;
    const double temperature = (double)s->opts.temperature;
    double *weight = s->some;
    for (int32_t k = 0; k < n; k++)
        weight[k] = temperature == 1.0 ? s->weight[kept[k]] : s->logit[kept[k]] / temperature;
    if (temperature != 1.0)
        wkv_exp(weight, weight, (size_t)n);
    double goal = wkv_rng_uniform(&s->rng) * sum_of(weight, n);
    int32_t chosen = kept[0];
    for (int32_t k = 0; k < n; k++) {
        if (weight[k] == 0.0)
            continue;
        chosen = kept[k]; /* rounding may leave goal just above the last: then it is this */
        goal -= weight[k];
        if (goal < 0.0)
            break;
    }
    return chosen;
}

int32_t wkv_sampler_next(wkv_sampler *s, const float *logits)
{
    if (!penalise(s, logits))
        return -1;
    if (s->opts.temperature == 0.0f)
        return take(s, likeliest(s));
    double total;
    const int32_t n = gather(s, &total);
    return take(s, draw(s, keep(s, n, total)));
}
