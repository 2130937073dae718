/* dev/cpu/aft.c - AFT over a batch.  Channels are independent and cut by blocks inside a
 * head; backward, what comes from inside the window is cut by the tokens looked at
 * instead, so that every bias's gradient is written by one thread. */
#include <math.h>
#include <string.h>

#include "dev/cpu/cpu.h"

enum {
    BLOCK = 64, /* channels */
    TILE = 16,  /* tokens */
    /* A position is kept as a real: at TURN it goes back by whole windows, not below HALF. */
    TURN = 1 << 22,
    HALF = 1 << 21
};

/* ---- positions ----------------------------------------------------------------------- */

/* Whatever a saved state holds becomes a position. */
static int position_of(real kept)
{
    return kept >= 0 && kept <= TURN ? (int)(kept + REAL_C(0.5)) : 0;
}

static int advanced(int position, int n, int window)
{
    int at = position + n;
    if (at < TURN)
        return at;
    return window > 0 ? HALF + (at - HALF) % window : HALF;
}

void wkv_cpu_aft_place(wkv_exec *x, int32_t *start, int32_t *place, int last, int window,
                       const wkv_seqs *q, const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    for (int b = 0; b < q->n; b++) {
        real *kept = slot->state[b] + slot->offset;
        int n = q->start[b + 1] - q->start[b];
        start[b] = position_of(*kept);
        *kept = (real)advanced(start[b], n, window);
        for (int t = 0; t < n && place != NULL; t++)
            place[q->start[b] + t] = start[b] + t < last ? start[b] + t : last;
    }
}

void wkv_cpu_aft_place_bwd(wkv_exec *x, const wkv_seqs *q, const wkv_slot *dslot)
{
    if (wkv_exec_measuring(x) || dslot->state == NULL)
        return;
    for (int b = 0; b < q->n; b++)
        dslot->state[b][dslot->offset] = 0;
}

/* ---- cutting ------------------------------------------------------------------------- */

/* Some channels of one sequence. */
typedef struct task {
    int seq, head, n;
    size_t channel; /* of the first, in (C) */
    size_t at;      /* of its first value, in (rows, C) */
} task;

static size_t blocks_of(const wkv_aft *in)
{
    return (size_t)(in->C / in->H + BLOCK - 1) / BLOCK;
}

/* Task i of sequences * H * blocks; head and block vary fastest. */
static task task_at(size_t i, const wkv_aft *in, const wkv_seqs *q)
{
    size_t blocks = blocks_of(in), of_head = i % blocks * BLOCK, N = (size_t)(in->C / in->H);
    size_t head = i / blocks % (size_t)in->H;
    task t = {.seq = (int)(i / blocks / (size_t)in->H), .head = (int)head};
    t.n = (int)(N - of_head < BLOCK ? N - of_head : BLOCK);
    t.channel = head * N + of_head;
    t.at = (size_t)q->start[t.seq] * (size_t)in->C + t.channel;
    return t;
}

static wkv_aft_in inputs_of(const wkv_aft *in, const wkv_seqs *q, const task *t)
{
    size_t row = (size_t)in->H * (size_t)in->window;
    size_t first = in->bias_rows ? (size_t)q->start[t->seq] * row : 0;
    return (wkv_aft_in){
        .k = in->k + t->at,
        .v = in->v + t->at,
        .bias = in->window > 0 ? in->bias + first + (size_t)t->head * (size_t)in->window : NULL,
        .T = q->start[t->seq + 1] - q->start[t->seq],
        .stride = in->C,
        .bias_stride = in->bias_rows ? (int)row : 0,
        .window = in->window,
        .position = in->start[t->seq],
        .by_place = in->by_place,
    };
}

/* Pairs of a token and one that it looks at, all channels, at most. */
static size_t pairs_of(const wkv_aft *in, const wkv_seqs *q)
{
    return (size_t)wkv_seqs_rows(q) * (size_t)in->C * ((size_t)in->window + 1);
}

static size_t state_size(const wkv_aft *in)
{
    return wkv_aft_rows(in->window) * (size_t)in->C;
}

/* ---- forward ------------------------------------------------------------------------- */

typedef struct forward {
    real *y, *keep;
    const wkv_aft *in;
    const wkv_seqs *q;
    const wkv_slot *slot;
} forward;

static void forward_tasks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const forward *f = ctx;
    const size_t C = (size_t)f->in->C;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        task t = task_at(i, f->in, f->q);
        wkv_aft_in mine = inputs_of(f->in, f->q, &t);
        size_t row = (size_t)f->q->start[t.seq] * C;
        k->aft(f->y + t.at, f->keep != NULL ? f->keep + 2 * row + t.channel : NULL,
               f->slot->state[t.seq] + f->slot->offset + t.channel, C, &mine, t.n);
    }
}

void wkv_cpu_aft(wkv_exec *x, real *y, real *keep, real *state0, const wkv_aft *in,
                 const wkv_seqs *q, const wkv_slot *slot)
{
    if (wkv_exec_measuring(x))
        return;
    size_t size = state_size(in);
    for (int b = 0; b < q->n && state0 != NULL; b++)
        memcpy(state0 + (size_t)b * size, slot->state[b] + slot->offset, size * sizeof *state0);
    size_t tasks = (size_t)q->n * (size_t)in->H * blocks_of(in);
    const forward f = {y, keep, in, q, slot};
    wkv_cpu_share(x, forward_tasks, &f, tasks, 1, 8 * pairs_of(in, q));
}

/* ---- backward ------------------------------------------------------------------------ */

/* What all parts of one backward pass see. */
typedef struct backward {
    const wkv_aft_grad *g;
    const wkv_aft *in;
    const wkv_seqs *q;
    const real *state0;
    real *const *dstate; /* of each sequence */
    size_t offset;       /* in it */
    real *scratch;       /* each a thread */
    size_t each;
} backward;

static wkv_aft_grad grad_of(const backward *w, const task *t)
{
    const wkv_aft_grad *g = w->g;
    size_t row = (size_t)w->q->start[t->seq];
    size_t window = (size_t)w->in->window, width = (size_t)w->in->H * window;
    return (wkv_aft_grad){
        .y = g->y + t->at,
        .keep = g->keep + 2 * row * (size_t)w->in->C + t->channel,
        .dy = g->dy + t->at,
        .dk = g->dk + t->at,
        .dv = g->dv + t->at,
        .dbias = window > 0 ? g->dbias + row * width + (size_t)t->head * window : NULL,
        .dstate = w->dstate[t->seq] + w->offset + t->channel,
        .dbias_stride = (int)width,
    };
}

static const real *state_of(const backward *w, const task *t)
{
    return w->state0 + (size_t)t->seq * state_size(w->in) + t->channel;
}

static void far_tasks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const backward *w = ctx;
    for (size_t i = s.begin; i < s.begin + s.n; i++) {
        task t = task_at(i, w->in, w->q);
        wkv_aft_in mine = inputs_of(w->in, w->q, &t);
        wkv_aft_grad g = grad_of(w, &t);
        k->aft_far_bwd(&g, state_of(w, &t), (size_t)w->in->C, &mine, t.n,
                       w->scratch + (size_t)s.part * w->each);
    }
}

/* The kept tokens that sequence b starts with. */
static int kept_of(const backward *w, int b)
{
    return w->in->start[b] < w->in->window ? w->in->start[b] : w->in->window;
}

static size_t tiles_of(const backward *w, int b)
{
    int tokens = w->q->start[b + 1] - w->q->start[b] + kept_of(w, b);
    return (size_t)(tokens + TILE - 1) / TILE;
}

/* Tile i of all sequences', one head after the other, all of the head's channels. */
static void near_tile(const wkv_kern *k, const backward *w, size_t i)
{
    size_t blocks = blocks_of(w->in), tile = i / (size_t)w->in->H, head = i % (size_t)w->in->H;
    int b = 0;
    while (tile >= tiles_of(w, b))
        tile -= tiles_of(w, b++);
    int first = (int)tile * TILE - kept_of(w, b), T = w->q->start[b + 1] - w->q->start[b];
    int count = T - first < TILE ? T - first : TILE;
    for (size_t j = 0; j < blocks; j++) {
        task t = task_at(((size_t)b * (size_t)w->in->H + head) * blocks + j, w->in, w->q);
        wkv_aft_in mine = inputs_of(w->in, w->q, &t);
        wkv_aft_grad g = grad_of(w, &t);
        k->aft_near_bwd(&g, state_of(w, &t), (size_t)w->in->C, &mine, first, count, t.n);
    }
}

static void near_tiles(const wkv_kern *k, const void *ctx, wkv_span s)
{
    for (size_t i = s.begin; i < s.begin + s.n; i++)
        near_tile(k, ctx, i);
}

static void run_backward(const wkv_exec *x, const backward *w)
{
    const wkv_aft *in = w->in;
    size_t tasks = (size_t)w->q->n * (size_t)in->H * blocks_of(in), tiles = 0;
    wkv_cpu_cut(x, far_tasks, w, tasks, 1, 32 * (size_t)wkv_seqs_rows(w->q) * (size_t)in->C);
    if (in->window == 0)
        return;
    size_t row = (size_t)in->H * (size_t)in->window;
    memset(w->g->dbias, 0, (size_t)wkv_seqs_rows(w->q) * row * sizeof *w->g->dbias);
    for (int b = 0; b < w->q->n; b++)
        tiles += tiles_of(w, b) * (size_t)in->H;
    wkv_cpu_share(x, near_tiles, w, tiles, 1, 16 * pairs_of(in, w->q));
}

void wkv_cpu_aft_bwd(wkv_exec *x, const wkv_aft_grad *g, const real *state0, const wkv_aft *in,
                     const wkv_seqs *q, const wkv_slot *dslot)
{
    size_t longest = 0, size = state_size(in), n = (size_t)q->n;
    for (int b = 0; b < q->n; b++) {
        size_t T = (size_t)(q->start[b + 1] - q->start[b]);
        longest = T > longest ? T : longest;
    }
    size_t mark = wkv_arena_mark(x->scratch);
    real *scratch = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * longest * BLOCK);
    /* Where no gradient of the state comes in, one that starts from nothing. */
    bool own = dslot->state == NULL;
    real *zeros = own ? wkv_arena_reals(x->scratch, n * size) : NULL;
    real **at = wkv_arena_alloc(x->scratch, n * sizeof *at);
    if (!wkv_exec_measuring(x)) {
        if (own)
            memset(zeros, 0, n * size * sizeof *zeros);
        for (size_t b = 0; b < n && own; b++)
            at[b] = zeros + b * size;
        const backward w = {
            .g = g,
            .in = in,
            .q = q,
            .state0 = state0,
            .dstate = own ? at : dslot->state,
            .offset = own ? 0 : dslot->offset,
            .scratch = scratch,
            .each = longest * BLOCK,
        };
        run_backward(x, &w);
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- the kernel of positions ----------------------------------------------------------- */

static const double kernel_eps = 1e-5;

/* Of one row: its mean and 1 / sqrt(var + eps). */
typedef struct moments {
    double mean, scale;
} moments;

static moments moments_of(const real *row, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += (double)row[i];
    for (int i = 0; i < n; i++)
        squares += ((double)row[i] - sum / n) * ((double)row[i] - sum / n);
    return (moments){sum / n, 1 / sqrt(squares / n + kernel_eps)};
}

void wkv_cpu_aft_kernel(wkv_exec *x, real *w, const wkv_weight *raw, const wkv_weight *gain,
                        const wkv_weight *offset)
{
    if (wkv_exec_measuring(x))
        return;
    int H = gain->cols, n = raw->cols / H;
    for (int h = 0; h < H; h++) {
        const real *row = wkv_vec(raw) + (size_t)h * (size_t)n;
        moments m = moments_of(row, n);
        for (int i = 0; i < n; i++)
            w[(size_t)h * (size_t)n + (size_t)i] =
                (real)((double)wkv_vec(gain)[h] * ((double)row[i] - m.mean) * m.scale +
                       (double)wkv_vec(offset)[h]);
    }
}

/* Adds to a frozen parameter's gradient nothing. */
static void add_grad(const wkv_weight *w, size_t i, double value)
{
    if (w->grad != NULL)
        w->grad[i] += (real)value;
}

void wkv_cpu_aft_kernel_bwd(wkv_exec *x, const real *dw, const wkv_weight *raw,
                            const wkv_weight *gain, const wkv_weight *offset)
{
    if (wkv_exec_measuring(x))
        return;
    int H = gain->cols, n = raw->cols / H;
    for (int h = 0; h < H; h++) {
        size_t at = (size_t)h * (size_t)n;
        const real *row = wkv_vec(raw) + at, *d = dw + at;
        moments m = moments_of(row, n);
        double sum = 0, along = 0; /* of dw, and of dw times the normed row */
        for (int i = 0; i < n; i++) {
            sum += (double)d[i];
            along += (double)d[i] * ((double)row[i] - m.mean) * m.scale;
        }
        add_grad(gain, (size_t)h, along);
        add_grad(offset, (size_t)h, sum);
        for (int i = 0; i < n; i++) {
            double normed = ((double)row[i] - m.mean) * m.scale;
            double slope = (double)d[i] - sum / n - normed * along / n;
            add_grad(raw, at + (size_t)i, (double)wkv_vec(gain)[h] * m.scale * slope);
        }
    }
}
