/* dev/cpu/rowwise.c - operations on rows: embedding, norms, biases, the loss.  Split by rows;
 * gradients of parameters sum over rows, by blocks of rows (sums.h) or by columns, each in row
 * order. */
#include <string.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/plain.h"
#include "dev/cpu/sums.h"

/* ---- embedding ------------------------------------------------------------------ */

typedef struct embedding {
    real *y;        /* forward */
    const real *dy; /* backward */
    const wkv_weight *table;
    const int32_t *ids;
    size_t rows;
} embedding;

static void read_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const embedding *e = ctx;
    const wkv_weight *t = e->table;
    const size_t cols = (size_t)t->cols, bytes = wkv_weight_row_bytes(t);
    for (size_t r = s.begin; r < s.begin + s.n; r++)
        wkv_plain_widen(k, e->y + r * cols,
                        (const unsigned char *)t->data + (size_t)e->ids[r] * bytes, t->dtype, cols);
}

void wkv_cpu_embed(wkv_exec *x, real *y, const wkv_weight *table, const int32_t *ids, int rows)
{
    if (wkv_exec_measuring(x))
        return;
    const embedding e = {.y = y, .table = table, .ids = ids};
    wkv_cpu_cut(x, read_rows, &e, (size_t)rows, 1, (size_t)rows * (size_t)table->cols);
}

static void add_columns(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const embedding *e = ctx;
    const size_t C = (size_t)e->table->cols;
    for (size_t r = 0; r < e->rows; r++)
        k->add(e->table->grad + (size_t)e->ids[r] * C + s.begin, e->dy + r * C + s.begin, s.n);
}

void wkv_cpu_embed_bwd(wkv_exec *x, const real *dy, const wkv_weight *table, const int32_t *ids,
                       int rows)
{
    if (wkv_exec_measuring(x) || table->grad == NULL)
        return;
    const embedding e = {.dy = dy, .table = table, .ids = ids, .rows = (size_t)rows};
    const size_t C = (size_t)table->cols;
    wkv_cpu_cut(x, add_columns, &e, C, WKV_COLUMN_GRAIN, e.rows * C);
}

/* ---- layer norm --------------------------------------------------------------------- */

typedef struct norm {
    real *y, *stat;
    const real *in;
    const wkv_weight *w, *b;
    real eps;
} norm;

static void norm_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const norm *n = ctx;
    const size_t C = (size_t)n->w->cols;
    k->layernorm(n->y + s.begin * C, n->stat != NULL ? n->stat + 2 * s.begin : NULL,
                 n->in + s.begin * C, wkv_vec(n->w), wkv_vec(n->b), (int)s.n, (int)C, n->eps);
}

void wkv_cpu_layernorm(wkv_exec *x, real *y, real *stat, const real *in, const wkv_weight *w,
                       const wkv_weight *b, int rows, real eps)
{
    if (wkv_exec_measuring(x))
        return;
    const norm n = {y, stat, in, w, b, eps};
    wkv_cpu_cut(x, norm_rows, &n, (size_t)rows, 1, 2 * (size_t)rows * (size_t)w->cols);
}

enum { NORM_W, NORM_B, NORM_SUMS };

typedef struct norm_grad {
    real *din;
    const real *dy, *in, *stat;
    const wkv_weight *w;
    int rows;
    bool live; /* not frozen */
    wkv_sums sums;
} norm_grad;

static void layernorm_bwd_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const norm_grad *g = ctx;
    const size_t C = (size_t)g->w->cols;
    for (size_t block = s.begin; block < s.begin + s.n; block++) {
        const size_t row = block * WKV_SUM_ROWS, at = row * C;
        const int n = wkv_sums_rows(block, g->rows);
        if (g->live)
            k->layernorm_bwd_param(wkv_sums_begin(&g->sums, NORM_W, block),
                                   wkv_sums_begin(&g->sums, NORM_B, block), g->dy + at, g->in + at,
                                   g->stat + 2 * row, n, (int)C, (int)C);
        k->layernorm_bwd(g->din + at, g->dy + at, g->in + at, g->stat + 2 * row, wkv_vec(g->w), n,
                         (int)C);
    }
}

void wkv_cpu_layernorm_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const real *stat,
                           const wkv_weight *w, const wkv_weight *b, int rows)
{
    const size_t mark = wkv_arena_mark(x->scratch), C = (size_t)w->cols;
    const bool live = w->grad != NULL || b->grad != NULL;
    const norm_grad g = {din, dy, in, stat, w, rows, live, wkv_sums_alloc(x, NORM_SUMS, rows, C)};
    if (!wkv_exec_measuring(x)) {
        wkv_cpu_cut(x, layernorm_bwd_blocks, &g, g.sums.blocks, 1, 4 * (size_t)rows * C);
        if (live) {
            wkv_sums_finish(x, &g.sums, NORM_W, w);
            wkv_sums_finish(x, &g.sums, NORM_B, b);
        }
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- bias ------------------------------------------------------------------------------------ */

void wkv_cpu_bias(wkv_exec *x, real *y, const wkv_weight *b, int rows)
{
    if (wkv_exec_measuring(x) || b->data == NULL)
        return;
    size_t n = (size_t)b->cols;
    for (size_t r = 0; r < (size_t)rows; r++)
        x->dev->kern->add(y + r * n, wkv_vec(b), n);
}

void wkv_cpu_bias_bwd(wkv_exec *x, const real *dy, const wkv_weight *b, int rows)
{
    if (b->grad != NULL)
        wkv_cpu_colsum(x, b->grad, dy, rows, (size_t)b->cols);
}

typedef struct sum {
    real *y;
    const real *in;
    int rows, n;
} sum;

static void sum_columns(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const sum *c = ctx;
    k->colsum(c->y + s.begin, c->in + s.begin, c->rows, c->n, (int)s.n);
}

void wkv_cpu_colsum(wkv_exec *x, real *y, const real *in, int rows, size_t n)
{
    if (wkv_exec_measuring(x))
        return;
    const sum c = {y, in, rows, (int)n};
    wkv_cpu_cut(x, sum_columns, &c, n, WKV_COLUMN_GRAIN, (size_t)rows * n);
}

/* ---- loss and norm ----------------------------------------------------------------------- */

typedef struct entropy {
    double *loss;
    real *logits;
    const int32_t *target;
    int V;
    real scale, l2wrap;
} entropy;

static void entropy_of_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const entropy *e = ctx;
    const bool backward = e->scale != 0;
    for (size_t r = s.begin; r < s.begin + s.n; r++) {
        real *row = e->logits + r * (size_t)e->V;
        if (e->target[r] < 0) { /* nothing to learn here */
            e->loss[r] = 0;
            memset(row, 0, backward ? (size_t)e->V * sizeof *row : 0);
            continue;
        }
        e->loss[r] = backward ? k->softmax_ce(row, e->V, e->target[r], e->scale, e->l2wrap)
                              : k->cross_entropy(row, e->V, e->target[r]);
    }
}

void wkv_cpu_softmax_ce(wkv_exec *x, double *loss, real *logits, const int32_t *target, int rows,
                        int V, real scale, real l2wrap)
{
    if (wkv_exec_measuring(x))
        return;
    const entropy e = {loss, logits, target, V, scale, l2wrap};
    wkv_cpu_cut(x, entropy_of_rows, &e, (size_t)rows, 1, 8 * (size_t)rows * (size_t)V);
}

/* Blocks of fixed size, their sums added in order: the same whatever the team. */
enum { SQUARES = 1 << 15 };

typedef struct squares {
    const real *v;
    size_t n;
    double *sum;
} squares;

static void sum_squares(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const squares *q = ctx;
    for (size_t j = s.begin; j < s.begin + s.n; j++) {
        const size_t begin = j * SQUARES, left = q->n - begin;
        q->sum[j] = k->sumsq(q->v + begin, left < SQUARES ? left : SQUARES);
    }
}

double wkv_cpu_sumsq(wkv_exec *x, const real *v, size_t n)
{
    const size_t blocks = (n + SQUARES - 1) / SQUARES, mark = wkv_arena_mark(x->scratch);
    const squares q = {v, n, wkv_arena_alloc(x->scratch, blocks * sizeof *q.sum)};
    double total = 0.0;
    if (!wkv_exec_measuring(x)) {
        wkv_cpu_cut(x, sum_squares, &q, blocks, 1, n);
        for (size_t j = 0; j < blocks; j++)
            total += q.sum[j];
    }
    wkv_arena_reset(x->scratch, mark);
    return total;
}
