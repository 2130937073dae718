/* tests/arch/net.c - see net.h. */
#include "net.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static real *reals(size_t n)
{
    real *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64 + 64);
    assert(p != NULL);
    memset(p, 0, n * sizeof *p);
    return p;
}

static void randomise(real *p, size_t n, wkv_rng *rng, double scale)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (real)(scale * wkv_rng_normal(rng));
}

/* Every tensor gets some noise: nothing stays zero, every path matters. */
static void disturb(net *n, wkv_rng *rng)
{
    for (int i = 0; i < wkv_params_count(&n->cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&n->weights, &n->cfg, i);
        if (w->data == NULL)
            continue;
        real *values = n->flat + ((const real *)w->data - n->flat);
        double scale = w->rows > 1 ? 0.5 / sqrt((double)w->cols) : 0.1;
        for (int j = 0; j < w->rows * w->cols; j++)
            values[j] += (real)(scale * wkv_rng_normal(rng));
    }
}

static void make_weights(net *n, bool optional, wkv_rng *rng)
{
    int count = wkv_params_count(&n->cfg), layer;
    n->present = calloc((size_t)count, sizeof *n->present);
    wkv_params_present(n->present, &n->cfg, NULL);
    for (int i = 0; i < count && optional; i++) {
        const wkv_param *p = wkv_params_at(&n->cfg, i, &layer);
        if (p->need == WKV_OPTIONAL || p->need == WKV_RARE)
            n->present[i] = p->need == WKV_RARE;
    }
    n->n_params = wkv_weights_flat_size(&n->cfg, n->present);
    n->flat = reals(n->n_params);
    n->grad = reals(n->n_params);
    wkv_error err;
    if (wkv_weights_flat(&n->weights, &n->cfg, n->present, n->flat, n->grad, &err) != WKV_OK ||
        wkv_weights_create(&n->weights, &n->cfg, n->dev, 7, 0.1, &err) != WKV_OK)
        abort();
    disturb(n, rng);
}

static wkv_pass pass_of(net *n, bool train)
{
    return (wkv_pass){
        .exec = {.dev = n->dev, .scratch = &n->scratch},
        .cfg = &n->cfg,
        .weights = &n->weights,
        .seqs = n->seqs,
        .ids = n->ids,
        .state = n->state,
        .tape = train ? &n->tape : NULL,
        .wide = train && n->bf16 ? &n->wide : NULL,
        .saved = train ? n->saved : NULL,
        .recompute = n->recompute,
    };
}

/* The forward (and backward) over arenas that only measure, then over real ones. */
static void run(net *n, bool train, bool backward)
{
    int rows = wkv_seqs_rows(&n->seqs), V = n->cfg.dim[WKV_DIM_V];
    size_t C = (size_t)n->cfg.dim[WKV_DIM_C];
    wkv_pass p = pass_of(n, train);
    p.hidden = wkv_arena_reals(train ? &n->tape : &n->scratch, (size_t)rows * C);
    wkv_forward(&p);
    wkv_head(&p.exec, &n->weights, n->logits, p.hidden, rows);
    if (!backward)
        return;
    real *dhidden = wkv_arena_reals(&n->scratch, (size_t)rows * C);
    real *dlogits = wkv_arena_reals(&n->scratch, (size_t)rows * (size_t)V);
    if (!wkv_exec_measuring(&p.exec))
        memcpy(dlogits, n->out_weight, (size_t)rows * (size_t)V * sizeof *dlogits);
    wkv_head_bwd(&p.exec, &n->weights, dhidden, dlogits, p.hidden, rows);
    p.dhidden = dhidden;
    p.dstate = n->dstate;
    wkv_backward(&p);
}

static void run_measured(net *n, bool train, bool backward)
{
    wkv_arena_measure(&n->tape);
    wkv_arena_measure(&n->wide);
    wkv_arena_measure(&n->scratch);
    run(n, train, backward);
    n->tape_size = n->tape.peak;
    n->wide_size = n->wide.peak;
    n->scratch_size = n->scratch.peak;
    if (!wkv_arena_init(&n->tape, n->tape_size) || !wkv_arena_init(&n->wide, n->wide_size) ||
        !wkv_arena_init(&n->scratch, n->scratch_size))
        abort();
    for (int b = 0; b < n->seqs.n; b++)
        if (n->fresh)
            wkv_state_start(&n->cfg, &n->weights, n->state[b]);
        else
            memcpy(n->state[b], n->state0[b], n->state_size * sizeof(real));
    run(n, train, backward);
    wkv_arena_deinit(&n->tape);
    wkv_arena_deinit(&n->wide);
    wkv_arena_deinit(&n->scratch);
}

/* States as they come about: those after the batch's own tokens in reverse order, shaken a
 * little so that no exponent ties with another.  (Plain random numbers would not do:
 * RWKV-4's b is a sum of exponentials and must be positive.) */
static void warm_up(net *n, wkv_rng *rng)
{
    int rows = wkv_seqs_rows(&n->seqs);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < rows / 2; i++) {
            int32_t id = n->ids[i];
            n->ids[i] = n->ids[rows - 1 - i];
            n->ids[rows - 1 - i] = id;
        }
        if (turn == 0)
            net_forward(n, false);
    }
    for (int b = 0; b < n->seqs.n; b++)
        for (size_t i = 0; i < n->state_size; i++)
            n->state0[b][i] = n->state[b][i] * (real)(0.9 + 0.2 * wkv_rng_uniform(rng));
}

/* The exponent of a sum that is still empty at the end, -1e30, would drown all else. */
static void ignore_empty(net *n, int b)
{
    for (size_t i = 0; i < n->state_size; i++)
        if (n->state[b][i] < REAL_C(-1e29))
            n->state_weight[b][i] = 0;
}

static int longest_of(const int *lengths, int n)
{
    int longest = 1;
    for (int b = 0; b < n; b++)
        longest = lengths[b] > longest ? lengths[b] : longest;
    return longest;
}

void net_init(net *n, const wkv_arch *arch, int layers, int width, int head_size, int vocab,
              const int *lengths, int n_seqs, bool optional, bool random_state, int threads)
{
    memset(n, 0, sizeof *n);
    wkv_error err;
    const wkv_sizes sizes = {.layers = layers,
                             .width = width,
                             .head_size = head_size,
                             .vocab = vocab,
                             .window = 7,
                             .length = longest_of(lengths, n_seqs),
                             .token_shift = optional};
    if (wkv_config_new(&n->cfg, arch, &sizes, &err) || wkv_dev_open_cpu(&n->dev, threads, &err))
        abort();
    wkv_rng rng;
    wkv_rng_seed(&rng, 42);
    make_weights(n, optional, &rng);
    for (int b = 0; b < n_seqs; b++)
        n->start[b + 1] = n->start[b] + lengths[b];
    n->seqs = (wkv_seqs){n_seqs, n->start};
    size_t rows = (size_t)wkv_seqs_rows(&n->seqs);
    n->ids = calloc(rows, sizeof *n->ids);
    for (size_t i = 0; i < rows; i++)
        n->ids[i] = (int32_t)(wkv_rng_u64(&rng) % (uint64_t)vocab);
    n->state_size = n->cfg.arch->state_size(&n->cfg);
    for (int b = 0; b < n_seqs; b++) {
        n->state0[b] = reals(n->state_size);
        n->state[b] = reals(n->state_size);
        n->dstate[b] = reals(n->state_size);
        n->state_weight[b] = reals(n->state_size);
        wkv_state_start(&n->cfg, &n->weights, n->state0[b]);
        randomise(n->state_weight[b], n->state_size, &rng, 0.1);
    }
    n->logits = reals(rows * (size_t)vocab);
    n->out_weight = reals(rows * (size_t)vocab);
    randomise(n->out_weight, rows * (size_t)vocab, &rng, 1.0);
    n->saved = calloc(1, n->cfg.arch->saved_once + (size_t)layers * n->cfg.arch->saved_layer);
    n->fresh = !random_state;
    if (random_state)
        warm_up(n, &rng);
    net_forward(n, false);
    for (int b = 0; b < n_seqs; b++)
        ignore_empty(n, b);
}

static size_t place(net *n, wkv_weight *w, size_t at, wkv_rng *rng)
{
    const size_t count = (size_t)w->rows * (size_t)w->cols;
    w->data = n->flat + at;
    w->grad = n->grad + at;
    w->dtype = WKV_DTYPE_REAL;
    randomise(n->flat + at, count, rng, 1 / sqrt((double)w->cols));
    return at + wkv_flat_room(count);
}

void net_add_changes(net *n, int rank)
{
    const int count = wkv_params_count(&n->cfg);
    size_t size = n->n_params, at = size;
    wkv_rng rng;
    wkv_rng_seed(&rng, 77);
    n->changes = calloc((size_t)count, sizeof *n->changes);
    for (int i = 0; i < count; i++) {
        const wkv_weight *W = wkv_weights_at(&n->weights, &n->cfg, i);
        size += wkv_flat_room((size_t)(rank * W->rows)) + wkv_flat_room((size_t)(rank * W->cols));
    }
    real *flat = reals(size), *old = n->flat;
    memcpy(flat, old, n->n_params * sizeof *flat);
    free(n->grad);
    n->flat = flat;
    n->grad = reals(size);
    for (int i = 0; i < count; i++) {
        int layer;
        wkv_weight *W = wkv_weights_at(&n->weights, &n->cfg, i);
        if (W->data == NULL)
            continue;
        const size_t offset = (size_t)((const real *)W->data - old);
        W->data = flat + offset;
        W->grad = n->grad + offset;
        if (wkv_params_at(&n->cfg, i, &layer)->kind != WKV_MAT)
            continue;
        n->changes[i] = (wkv_lora){.A = {.rows = rank, .cols = W->cols},
                                   .B = {.rows = W->rows, .cols = rank},
                                   .scale = REAL_C(0.5)};
        at = place(n, &n->changes[i].A, at, &rng);
        at = place(n, &n->changes[i].B, at, &rng);
        W->lora = &n->changes[i];
        W->grad = NULL;
    }
    n->n_params = at;
    free(old);
}

void net_deinit(net *n)
{
    free(n->changes);
    for (int b = 0; b < n->seqs.n; b++) {
        free(n->state0[b]);
        free(n->state[b]);
        free(n->dstate[b]);
        free(n->state_weight[b]);
    }
    wkv_weights_deinit(&n->weights);
    wkv_dev_close(&n->dev);
    free(n->present);
    free(n->flat);
    free(n->grad);
    free(n->ids);
    free(n->logits);
    free(n->out_weight);
    free(n->saved);
}

void net_forward(net *n, bool train)
{
    run_measured(n, train, false);
}

void net_backward(net *n)
{
    memset(n->grad, 0, n->n_params * sizeof *n->grad);
    for (int b = 0; b < n->seqs.n; b++)
        memcpy(n->dstate[b], n->state_weight[b], n->state_size * sizeof(real));
    run_measured(n, true, true);
    for (int b = 0; b < n->seqs.n && n->fresh; b++)
        wkv_state_start_bwd(&n->cfg, &n->weights, n->dstate[b]);
}

double net_sum(const net *n)
{
    size_t count = (size_t)wkv_seqs_rows(&n->seqs) * (size_t)n->cfg.dim[WKV_DIM_V];
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)n->logits[i] * (double)n->out_weight[i];
    for (int b = 0; b < n->seqs.n; b++)
        for (size_t i = 0; i < n->state_size; i++)
            sum += (double)n->state[b][i] * (double)n->state_weight[b][i];
    return sum;
}
