/* arch/layers.c - the loop over the layers, forward and backward, and what is computed twice.
 *
 * A backward pass needs what forward made, layer by layer from the last.  All of it may lie on
 * the tape; or what is costly alone, where the cheap rest is made again in scratch; or the
 * layers' inputs alone, where each layer runs forward once more just before it runs backward.
 * It is the same code on the same numbers, so that all three give the same bits.
 *
 * Or what is kept waits as bf16, which changes gradients a little.  Then a layer runs in p->wide,
 * from the start of that on: first its input, then what it keeps.  Afterwards all of it is
 * rounded, and before the layer runs backward it is widened to where it was; so a version's record
 * points at reals whenever it is looked at. */
#include "arch/blocks.h"

static wkv_layer_saved *saved_at(const wkv_pass *p, int l)
{
    return wkv_saved_at(p, l);
}

/* Reals of one layer's part of a sequence's state. */
static size_t state_part(const wkv_pass *p)
{
    return p->cfg->arch->state_size(p->cfg) / (size_t)p->cfg->layers;
}

/* A copy of all sequences' states of layer l, and back from it. */
static real *keep_states(wkv_pass *p, int l)
{
    size_t part = state_part(p);
    real *kept = wkv_arena_reals(p->tape, (size_t)p->seqs.n * part);
    for (int b = 0; b < p->seqs.n && !wkv_exec_measuring(&p->exec); b++)
        p->exec.dev->copy(&p->exec, kept + (size_t)b * part, p->state[b] + (size_t)l * part, part);
    return kept;
}

static void restore_states(wkv_pass *p, int l, const real *kept)
{
    size_t part = state_part(p);
    for (int b = 0; b < p->seqs.n && !wkv_exec_measuring(&p->exec); b++)
        p->exec.dev->copy(&p->exec, p->state[b] + (size_t)l * part, kept + (size_t)b * part, part);
}

/* The last layer goes backward next: making it smaller would gain nothing. */
static bool waits(const wkv_pass *p, int l)
{
    return l < p->cfg->layers - 1;
}

/* Forward through layer l, which leaves no more on the tape than its output. */
static real *forward_briefly(wkv_pass *p, int l, real *x)
{
    saved_at(p, l)->state = keep_states(p, l);
    real *out = wkv_keep(p, WKV_DIM_C);
    size_t mark = wkv_arena_mark(p->tape);
    p->exec.dev->copy(&p->exec, out, p->cfg->arch->forward(p, l, x), wkv_pass_size(p, WKV_DIM_C));
    wkv_arena_reset(p->tape, mark);
    return out;
}

/* The place of every layer's input, with nothing behind it. */
static real *wide_input(wkv_pass *p)
{
    wkv_arena_reset(p->wide, 0);
    return wkv_keep(p, WKV_DIM_C);
}

/* Forward through layer l, all of which is then on the tape as bf16, its input included. */
static real *forward_rounded(wkv_pass *p, int l, real *x)
{
    const wkv_dev *d = p->exec.dev;
    wkv_layer_saved *s = saved_at(p, l);
    const real *out = p->cfg->arch->forward(p, l, x);
    s->n = wkv_arena_mark(p->wide) / sizeof *x;
    s->rounded = wkv_arena_alloc(p->tape, s->n * sizeof *s->rounded);
    d->to_bf16(&p->exec, s->rounded, wkv_arena_whole(p->wide), s->n);
    d->copy(&p->exec, x, out, wkv_pass_size(p, WKV_DIM_C));
    return wide_input(p);
}

/* Forward through layer l, of which everything is left that it needs to go backward. */
static real *forward_kept(wkv_pass *p, int l, real *x)
{
    *saved_at(p, l) = (wkv_layer_saved){.x = x, .mark = wkv_arena_mark(p->tape)};
    if (!waits(p, l))
        return p->cfg->arch->forward(p, l, x);
    if (p->recompute == WKV_RECOMPUTE_FULL)
        return forward_briefly(p, l, x);
    return p->wide != NULL ? forward_rounded(p, l, x) : p->cfg->arch->forward(p, l, x);
}

/* What the frame made, as the first layer's input. */
static real *begin_wide(wkv_pass *p, const real *x)
{
    real *in = wide_input(p);
    p->exec.dev->copy(&p->exec, in, x, wkv_pass_size(p, WKV_DIM_C));
    return in;
}

/* True when products with both take the same scratch. */
static bool alike(const wkv_weight *a, const wkv_weight *b)
{
    return (a->data == NULL) == (b->data == NULL) && a->dtype == b->dtype &&
           a->layout == b->layout && a->in_out == b->in_out && a->sparse_in == b->sparse_in &&
           a->rows == b->rows && a->cols == b->cols && a->lora == NULL && b->lora == NULL;
}

/* A layer of the shapes and types of the one before needs no more scratch: measuring leaves it
 * out, or opening a session would take longer than a token. */
static bool is_measured(const wkv_pass *p, int l)
{
    const int n = p->cfg->arch->n_layer;
    if (!wkv_exec_measuring(&p->exec) || p->tape != NULL || l < 2)
        return false;
    const wkv_weight *one = p->weights->layer + (size_t)l * (size_t)n, *before = one - n;
    int same = 0;
    while (same < n && alike(&one[same], &before[same]))
        same++;
    return same == n;
}

void wkv_forward(wkv_pass *p)
{
    const wkv_arch *a = p->cfg->arch;
    if (a->first != WKV_DIM_1)
        p->first = wkv_pass_keep_exact(p, wkv_pass_size(p, a->first));
    real *x = wkv_frame_in(p);
    if (p->wide != NULL)
        x = begin_wide(p, x);
    for (int l = 0; l < p->cfg->layers; l++) {
        if (is_measured(p, l))
            continue;
        size_t mark = wkv_arena_mark(p->exec.scratch);
        x = p->tape != NULL ? forward_kept(p, l, x) : a->forward(p, l, x);
        wkv_arena_reset(p->exec.scratch, mark);
    }
    wkv_frame_out(p, x);
}

static void widen(wkv_pass *p, const wkv_layer_saved *s)
{
    wkv_arena_reset(p->wide, 0);
    p->exec.dev->from_bf16(&p->exec, wkv_arena_reals(p->wide, s->n), s->rounded, s->n);
}

/* Makes what layer l did not keep.  Forward allocates in one order, so that what it did keep
 * is found where it lies. */
static void forward_again(wkv_pass *p, int l)
{
    const wkv_layer_saved *s = saved_at(p, l);
    if (s->rounded != NULL)
        widen(p, s);
    if (p->recompute == WKV_RECOMPUTE_FULL && waits(p, l)) {
        restore_states(p, l, s->state);
        p->cfg->arch->forward(p, l, s->x);
    } else if (p->recompute == WKV_RECOMPUTE_LIGHT) {
        const wkv_dev *d = p->exec.dev;
        const wkv_dev again = wkv_dev_again(d);
        wkv_arena_reset(p->tape, s->mark);
        if (p->wide != NULL)
            wide_input(p);
        p->exec.dev = &again;
        p->again = true;
        p->cfg->arch->forward(p, l, s->x);
        p->again = false;
        p->exec.dev = d;
    }
}

void wkv_backward(wkv_pass *p)
{
    const wkv_arch *a = p->cfg->arch;
    if (a->first != WKV_DIM_1) {
        p->dfirst = wkv_temp(p, a->first);
        p->exec.dev->zero(&p->exec, p->dfirst, wkv_pass_size(p, a->first));
    }
    real *dx = wkv_frame_out_bwd(p);
    for (int l = p->cfg->layers - 1; l >= 0; l--) {
        size_t mark = wkv_arena_mark(p->exec.scratch);
        forward_again(p, l);
        a->backward(p, l, dx);
        wkv_arena_reset(p->exec.scratch, mark);
        wkv_arena_reset(p->tape, saved_at(p, l)->mark); /* nobody needs it any more */
    }
    wkv_frame_in_bwd(p, dx);
}
