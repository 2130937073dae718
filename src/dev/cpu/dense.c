/* dev/cpu/dense.c - products of many rows with plain weights, forward: a stored type other than
 * real is widened piece by piece, or as a whole where it is small. */
#include "dev/cpu/dense.h"

#include "dev/cpu/cpu.h"
#include "dev/cpu/gemm.h"
#include "dev/cpu/plain.h"

enum {
    WIDEN_ROWS = 256,   /* weight rows that are widened to reals at a time: half of it where */
    WIDEN_PIECES = 8,   /* there would be fewer pieces than these to share */
    SMALL_OUTPUTS = 512 /* with fewer a weight is widened as a whole */
};

/* A dense product with a W that is stored in another type. */
typedef struct widening {
    const wkv_gemm_args *g;
    const wkv_weight *W;
    size_t piece; /* rows at a time */
    real *wide;   /* a piece each a thread */
    unsigned char *room;
    size_t each;
} widening;

/* Outputs [s.begin, s.begin + s.n): the thread that multiplies rows of W widens them. */
static void widen_and_multiply(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const widening *w = ctx;
    const wkv_weight *W = w->W;
    const size_t cols = (size_t)W->cols, end = s.begin + s.n;
    real *wide = w->wide + (size_t)s.part * w->piece * cols;
    for (size_t o = s.begin; o < end; o += w->piece) {
        const size_t n = end - o < w->piece ? end - o : w->piece;
        wkv_plain_widen(k, wide, (const unsigned char *)W->data + o * wkv_weight_row_bytes(W),
                        W->dtype, n * cols);
        wkv_gemm_args t = *w->g;
        t.C += o;
        t.B = wide;
        t.n = (int)n;
        wkv_gemm(k, &t, w->room + (size_t)s.part * w->each);
    }
}

/* y = in W^T */
static void widened(wkv_exec *x, const wkv_gemm_args *g, const wkv_weight *W)
{
    const size_t rows = (size_t)W->rows, cols = (size_t)W->cols, threads = (size_t)x->dev->threads;
    const size_t mark = wkv_arena_mark(x->scratch);
    widening w = {.g = g,
                  .W = W,
                  .piece = rows < WIDEN_PIECES * WIDEN_ROWS ? WIDEN_ROWS / 2 : WIDEN_ROWS,
                  .each = wkv_gemm_room(x->dev->kern, g)};
    w.wide = wkv_arena_reals(x->scratch, threads * w.piece * cols);
    w.room = wkv_arena_alloc(x->scratch, threads * w.each);
    if (!wkv_exec_measuring(x))
        wkv_cpu_share(x, widen_and_multiply, &w, rows, w.piece, (size_t)g->m * rows * cols / 16);
    wkv_arena_reset(x->scratch, mark);
}

static wkv_gemm_args dense_args(const wkv_product *p, int rows)
{
    const wkv_weight *W = p->W;
    wkv_gemm_args g = {
        .C = p->y,
        .A = p->in,
        .B = W->data,
        .m = rows,
        .n = wkv_weight_outputs(W),
        .k = wkv_weight_inputs(W),
        .ldb = W->cols,
        .trans_b = !W->in_out,
        .accumulate = p->accumulate,
    };
    g.lda = g.k;
    g.ldc = g.n;
    return g;
}

/* Too few outputs to give each thread tiles of them, or not cut by outputs at all. */
static bool is_small(const wkv_weight *W)
{
    return W->in_out || wkv_weight_outputs(W) < SMALL_OUTPUTS;
}

typedef struct copying {
    real *wide;
    const wkv_weight *W;
} copying;

static void widen_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const copying *c = ctx;
    const size_t cols = (size_t)c->W->cols;
    wkv_plain_widen(k, c->wide + s.begin * cols,
                    (const unsigned char *)c->W->data + s.begin * wkv_weight_row_bytes(c->W),
                    c->W->dtype, s.n * cols);
}

/* All of W as reals, in scratch. */
static const real *widened_whole(wkv_exec *x, const wkv_weight *W)
{
    const size_t rows = (size_t)W->rows, cols = (size_t)W->cols;
    const copying c = {wkv_arena_reals(x->scratch, rows * cols), W};
    if (!wkv_exec_measuring(x))
        wkv_cpu_cut(x, widen_rows, &c, rows, 1, rows * cols / 4);
    return c.wide;
}

void wkv_dense_products(wkv_exec *x, const wkv_product *const *p, int n, int rows)
{
    wkv_gemm_args reals[WKV_MAX_PRODUCTS];
    int n_reals = 0;
    const size_t mark = wkv_arena_mark(x->scratch);
    for (int i = 0; i < n; i++) {
        const wkv_weight *W = p[i]->W;
        wkv_gemm_args g = dense_args(p[i], rows);
        if (W->dtype != WKV_DTYPE_REAL && !is_small(W)) {
            widened(x, &g, W);
            continue;
        }
        if (W->dtype != WKV_DTYPE_REAL)
            g.B = widened_whole(x, W);
        reals[n_reals++] = g;
    }
    if (n_reals > 0)
        wkv_gemm_parallel(x, reals, n_reals);
    wkv_arena_reset(x->scratch, mark);
}
