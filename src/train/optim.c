/* train/optim.c - see optim.h.  Weight decay reaches the matrices and the embedding only,
 * and a few vectors learn at a multiple of the rate: the parameter table says which. */
#include "train/optim.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "os/os.h"

static real *allocate(size_t n)
{
    real *p = n <= SIZE_MAX / sizeof(real) ? wkv_malloc_aligned(n * sizeof(real)) : NULL;
    if (p != NULL)
        wkv_prefer_large_pages(p, n * sizeof(real));
    return p;
}

static wkv_exec context(wkv_optim *o)
{
    return (wkv_exec){.dev = o->dev, .scratch = &o->scratch};
}

/* What one update takes beyond the arrays, found by a run that computes nothing. */
static size_t measure(wkv_optim *o)
{
    wkv_arena_measure(&o->scratch);
    wkv_optim_zero_grad(o);
    wkv_optim_norm(o);
    return o->scratch.peak;
}

wkv_status wkv_optim_init(wkv_optim *o, const wkv_dev *dev, size_t n, wkv_error *err)
{
    real **arrays[] = {&o->param, &o->grad, &o->m, &o->v};
    o->n = n;
    o->dev = dev;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        *arrays[i] = allocate(n);
        if (*arrays[i] == NULL)
            WKV_FAIL(err, WKV_E_MEMORY,
                     "out of memory for weights, gradients and moments of %zu parameters", n);
    }
    if (!wkv_arena_init(&o->scratch, measure(o)))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the optimiser's scratch");
    return WKV_OK;
}

void wkv_optim_clear(wkv_optim *o)
{
    real *arrays[] = {o->param, o->grad, o->m, o->v};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        memset(arrays[i], 0, o->n * sizeof(real));
}

void wkv_optim_deinit(wkv_optim *o)
{
    wkv_free_aligned(o->param);
    wkv_free_aligned(o->grad);
    wkv_free_aligned(o->m);
    wkv_free_aligned(o->v);
    wkv_free(o->groups);
    wkv_arena_deinit(&o->scratch);
    *o = (wkv_optim){0};
}

/* A group ends where the next one starts, the alignment gaps included (they stay zero). */
wkv_status wkv_optim_group(wkv_optim *o, const wkv_trained *trained, wkv_error *err)
{
    o->groups = wkv_calloc(trained->n + 1, sizeof *o->groups);
    if (o->groups == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for %zu optimiser groups", trained->n);
    for (size_t i = 0; i < trained->n; i++) {
        const wkv_trained_tensor *t = &trained->tensor[i];
        const wkv_group *last = o->n_groups > 0 ? &o->groups[o->n_groups - 1] : NULL;
        if (last == NULL || last->lr_scale != t->lr_scale || last->decays != t->decays)
            o->groups[o->n_groups++] =
                (wkv_group){.first = t->at, .lr_scale = t->lr_scale, .decays = t->decays};
    }
    for (size_t i = 0; i < o->n_groups; i++) {
        size_t end = i + 1 < o->n_groups ? o->groups[i + 1].first : o->n;
        o->groups[i].n = end - o->groups[i].first;
    }
    return WKV_OK;
}

void wkv_optim_zero_grad(wkv_optim *o)
{
    wkv_exec x = context(o);
    o->dev->zero(&x, o->grad, o->n);
}

double wkv_optim_norm(wkv_optim *o)
{
    wkv_exec x = context(o);
    return sqrt(o->dev->sumsq(&x, o->grad, o->n));
}

void wkv_optim_update(wkv_optim *o, const wkv_train_opts *opts, int64_t step, double lr,
                      double norm)
{
    wkv_exec x = context(o);
    double scale = opts->clip > 0 && norm > opts->clip ? opts->clip / norm : 1;
    for (size_t i = 0; i < o->n_groups; i++) {
        const wkv_group *s = &o->groups[i];
        wkv_adamw h = {
            .lr = (real)(lr * s->lr_scale),
            .beta1 = (real)opts->beta1,
            .beta2 = (real)opts->beta2,
            .eps = (real)opts->adam_eps,
            .decay = (real)(s->decays ? opts->weight_decay : 0),
            .correction1 = (real)(1 - pow(opts->beta1, (double)step)),
            .correction2 = (real)(1 - pow(opts->beta2, (double)step)),
            .grad_scale = (real)scale,
        };
        o->dev->adamw(&x, o->param + s->first, o->m + s->first, o->v + s->first, o->grad + s->first,
                      s->n, &h);
    }
}
