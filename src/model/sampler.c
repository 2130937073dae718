/* model/sampler.c - choosing the next token from logits.
 *
 * The customary RWKV order, which is not everybody's: penalties on the logits,
 * softmax, top-p, top-k, and only then the temperature, so that a high temperature
 * cannot bring back what top-p has cut.  All sums are in double.  The candidates are
 * a heap from which only as many are taken as will be kept; nothing is sorted whole
 * and nothing is allocated after opening. */
#include <wkv/sampler.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"

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
    int32_t *heap;  /* [V] scratch: candidates, then those kept */
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
    s->heap = wkv_calloc(n, sizeof *s->heap);
    if (!s->seen || !s->drawn || !s->count || !s->logit || !s->weight || !s->heap) {
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
    wkv_free((*s)->heap);
    wkv_free(*s);
    *s = NULL;
}

/* ---- penalties -------------------------------------------------------------------- */

/* Fills s->logit, the largest being 0; returns its lowest index, -1 when none is finite. */
static int32_t penalise(wkv_sampler *s, const float *logits)
{
    for (int32_t i = 0; i < s->vocab; i++)
        s->logit[i] = isfinite(logits[i]) ? (double)logits[i] : -INFINITY;
    double presence = (double)s->opts.presence, frequency = (double)s->opts.frequency;
    for (int32_t k = 0; k < s->n_seen; k++)
        s->logit[s->seen[k]] -= presence + frequency * s->count[s->seen[k]];
    int32_t best = 0;
    for (int32_t i = 1; i < s->vocab; i++)
        if (s->logit[i] > s->logit[best])
            best = i;
    double most = s->logit[best];
    if (!isfinite(most))
        return -1;
    for (int32_t i = 0; i < s->vocab; i++)
        s->logit[i] -= most;
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

/* ---- the heap: heaviest candidate first, the lower index first among equals ----------- */

static bool before(const double *weight, int32_t a, int32_t b)
{
    return weight[a] > weight[b] || (weight[a] == weight[b] && a < b);
}

static void sift_down(int32_t *heap, int32_t n, int32_t at, const double *weight)
{
    int32_t moving = heap[at];
    for (int32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(weight, heap[child + 1], heap[child]))
            child++;
        if (!before(weight, heap[child], moving))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

/* Moves the first of n candidates to heap[n - 1]; the other n - 1 stay a heap. */
static int32_t pop(int32_t *heap, int32_t n, const double *weight)
{
    int32_t first = heap[0];
    heap[0] = heap[n - 1];
    sift_down(heap, n - 1, 0, weight);
    heap[n - 1] = first;
    return first;
}

/* ---- what is kept --------------------------------------------------------------------- */

/* Puts every token that may be kept into the heap array; returns how many.  Those so
 * light that all V of them together could not fill half of what top-p drops are left
 * out: they lie below the cut-off, and leaving them out saves most of the heap. */
static int32_t gather(wkv_sampler *s, double *total)
{
    *total = 0.0;
    for (int32_t i = 0; i < s->vocab; i++) {
        s->weight[i] = exp(s->logit[i]);
        *total += s->weight[i];
    }
    double least = 0.5 * (1.0 - (double)s->opts.top_p) * *total / s->vocab;
    int32_t n = 0;
    for (int32_t i = 0; i < s->vocab; i++)
        if (s->weight[i] >= least && s->logit[i] > -INFINITY)
            s->heap[n++] = i;
    return n;
}

/* Applies top-p and top-k to n candidates.  Returns how many are kept and where in the
 * heap array they begin.  When rounding keeps the sum below top_p, all are kept. */
static int32_t *keep(wkv_sampler *s, int32_t n, double total, int32_t *kept)
{
    int32_t *heap = s->heap, left = n;
    int32_t limit = s->opts.top_k > 0 && s->opts.top_k < n ? s->opts.top_k : n;
    bool cut = s->opts.top_p < 1.0f;
    if (!cut && limit == n) {
        *kept = n;
        return heap;
    }
    for (int32_t at = n / 2 - 1; at >= 0; at--)
        sift_down(heap, n, at, s->weight);
    double sum = 0.0, goal = (double)s->opts.top_p * total, last = INFINITY;
    while (left > 0 && n - left < limit) {
        if (cut && n > left && sum >= goal && s->weight[heap[0]] < last)
            break;
        last = s->weight[pop(heap, left--, s->weight)];
        sum += last;
    }
    *kept = n - left;
    return heap + left;
}

static int32_t draw(wkv_sampler *s, const int32_t *kept, int32_t n)
{
    double sum = 0.0, temperature = (double)s->opts.temperature;
    for (int32_t k = 0; k < n; k++) {
        double w = exp(s->logit[kept[k]] / temperature);
        s->weight[kept[k]] = w;
        sum += w;
    }
    double goal = wkv_rng_uniform(&s->rng) * sum;
    int32_t chosen = kept[0];
    for (int32_t k = 0; k < n; k++) {
        double w = s->weight[kept[k]];
        if (w == 0.0)
            continue;
        chosen = kept[k]; /* rounding may leave goal just above the last: then it is this */
        goal -= w;
        if (goal < 0.0)
            break;
    }
    return chosen;
}

int32_t wkv_sampler_next(wkv_sampler *s, const float *logits)
{
    int32_t best = penalise(s, logits);
    if (best < 0)
        return -1;
    if (s->opts.temperature == 0.0f)
        return take(s, best);
    double total;
    int32_t n = gather(s, &total), kept;
    const int32_t *first = keep(s, n, total, &kept);
    return take(s, draw(s, first, kept));
}
