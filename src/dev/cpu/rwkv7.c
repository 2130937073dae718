/* dev/cpu/rwkv7.c - RWKV-7's fused row-wise parts, split by rows; the gradients of their
 * parameters are sums over rows that the kernels write beside. */
#include "dev/cpu/cpu.h"
#include "dev/cpu/sums.h"

/* p, offset by `row` rows of C values.  NULL stays NULL. */
#define AT(p) ((p) != NULL ? (p) + row * (size_t)C : NULL)

static wkv_rwkv7_prep prep_at(const wkv_rwkv7_prep *p, const wkv_rwkv7_prep_weights *w, size_t row,
                              int C)
{
    return (wkv_rwkv7_prep){
        .k_in = AT(p->k_in),
        .v_in = AT(p->v_in),
        .v_first = AT(p->v_first),
        .w_raw = AT(p->w_raw),
        .a_raw = AT(p->a_raw),
        .v_raw = AT(p->v_raw),
        .w0 = wkv_vec(w->w0),
        .a0 = wkv_vec(w->a0),
        .v0 = wkv_vec(w->v0),
        .k_k = wkv_vec(w->k_k),
        .k_a = wkv_vec(w->k_a),
        .w = AT(p->w),
        .k = AT(p->k),
        .v = AT(p->v),
        .a = AT(p->a),
        .b = AT(p->b),
    };
}

/* The preparation of all rows, and what its backward pass takes besides. */
typedef struct prep {
    const wkv_rwkv7_prep *p;
    const wkv_rwkv7_prep_weights *w;
    int rows, C, N;
    const wkv_rwkv7_prep_grad *g;
    wkv_sums sums;
    real *beside; /* (PREP_BESIDE, WKV_SUM_ROWS, C), each a thread */
} prep;

static void prep_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const prep *t = ctx;
    wkv_rwkv7_prep mine = prep_at(t->p, t->w, s.begin, t->C);
    k->rwkv7_prep(&mine, (int)s.n, t->C, t->N);
}

void wkv_cpu_rwkv7_prep(wkv_exec *x, const wkv_rwkv7_prep *p, const wkv_rwkv7_prep_weights *w,
                        int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    const prep t = {.p = p, .w = w, .C = C, .N = N};
    wkv_cpu_cut(x, prep_rows, &t, (size_t)rows, 1, 16 * (size_t)rows * (size_t)C);
}

/* Sums of prep's backward pass, and how many of them have terms that a kernel writes beside. */
enum { PREP_K_K, PREP_K_A, PREP_BESIDE, PREP_W0 = PREP_BESIDE, PREP_A0, PREP_V0, PREP_SUMS };

static wkv_rwkv7_prep_grad prep_grad_at(const wkv_rwkv7_prep_grad *g, size_t row, int C,
                                        real *beside)
{
    return (wkv_rwkv7_prep_grad){
        .dw = AT(g->dw),
        .dk = AT(g->dk),
        .dv = AT(g->dv),
        .da = AT(g->da),
        .db = AT(g->db),
        .dk_in = AT(g->dk_in),
        .dv_in = AT(g->dv_in),
        .dw_raw = AT(g->dw_raw),
        .da_raw = AT(g->da_raw),
        .dv_raw = AT(g->dv_raw),
        .dv_first = AT(g->dv_first),
        .k_k_row = beside,
        .k_a_row = beside + WKV_SUM_ROWS * (size_t)C,
    };
}

static void prep_bwd_block(const wkv_kern *k, const prep *t, size_t block, real *beside)
{
    const size_t row = block * WKV_SUM_ROWS;
    const int n = wkv_sums_rows(block, t->rows);
    wkv_rwkv7_prep_grad mine = prep_grad_at(t->g, row, t->C, beside);
    wkv_rwkv7_prep inputs = prep_at(t->p, t->w, row, t->C);
    k->rwkv7_prep_bwd(&mine, &inputs, n, t->C, t->N);
    wkv_sums_set(k, &t->sums, PREP_K_K, block, mine.k_k_row, n);
    wkv_sums_set(k, &t->sums, PREP_K_A, block, mine.k_a_row, n);
    wkv_sums_set(k, &t->sums, PREP_W0, block, mine.dw_raw, n);
    wkv_sums_set(k, &t->sums, PREP_A0, block, mine.da_raw, n);
    if (mine.dv_raw != NULL)
        wkv_sums_set(k, &t->sums, PREP_V0, block, mine.dv_raw, n);
}

static void prep_bwd_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const prep *t = ctx;
    real *beside = t->beside + (size_t)s.part * PREP_BESIDE * WKV_SUM_ROWS * (size_t)t->C;
    for (size_t b = s.begin; b < s.begin + s.n; b++)
        prep_bwd_block(k, t, b, beside);
}

void wkv_cpu_rwkv7_prep_bwd(wkv_exec *x, const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p,
                            const wkv_rwkv7_prep_weights *w, int rows, int C, int N)
{
    const size_t mark = wkv_arena_mark(x->scratch), each = PREP_BESIDE * WKV_SUM_ROWS * (size_t)C;
    prep t = {.p = p, .w = w, .rows = rows, .C = C, .N = N, .g = g};
    t.sums = wkv_sums_alloc(x, PREP_SUMS, rows, (size_t)C);
    t.beside = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        wkv_cpu_cut(x, prep_bwd_blocks, &t, t.sums.blocks, 1, 32 * (size_t)rows * (size_t)C);
        wkv_sums_finish(x, &t.sums, PREP_K_K, w->k_k);
        wkv_sums_finish(x, &t.sums, PREP_K_A, w->k_a);
        wkv_sums_finish(x, &t.sums, PREP_W0, w->w0);
        wkv_sums_finish(x, &t.sums, PREP_A0, w->a0);
        if (g->dv_raw != NULL)
            wkv_sums_finish(x, &t.sums, PREP_V0, w->v0);
    }
    wkv_arena_reset(x->scratch, mark);
}

static wkv_rwkv7_out out_at(const wkv_rwkv7_out *o, const wkv_rwkv7_out_weights *w, size_t row,
                            int C, int N)
{
    return (wkv_rwkv7_out){
        .y = AT(o->y),
        .r = AT(o->r),
        .k = AT(o->k),
        .v = AT(o->v),
        .g = AT(o->g),
        .ln_w = wkv_vec(w->ln_w),
        .ln_b = wkv_vec(w->ln_b),
        .r_k = wkv_vec(w->r_k),
        .z = AT(o->z),
        .stat = o->stat != NULL ? o->stat + row * 2 * (size_t)(C / N) : NULL,
        .eps = o->eps,
    };
}

/* The output of all rows, and what its backward pass takes besides. */
typedef struct output {
    const wkv_rwkv7_out *o;
    const wkv_rwkv7_out_weights *w;
    int rows, C, N;
    const wkv_rwkv7_out_grad *g;
    wkv_sums sums;
    real *beside; /* (OUT_SUMS, WKV_SUM_ROWS, C), each a thread */
} output;

static void out_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const output *t = ctx;
    wkv_rwkv7_out mine = out_at(t->o, t->w, s.begin, t->C, t->N);
    k->rwkv7_out(&mine, (int)s.n, t->C, t->N);
}

void wkv_cpu_rwkv7_out(wkv_exec *x, const wkv_rwkv7_out *o, const wkv_rwkv7_out_weights *w,
                       int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    const output t = {.o = o, .w = w, .C = C, .N = N};
    wkv_cpu_cut(x, out_rows, &t, (size_t)rows, 1, 8 * (size_t)rows * (size_t)C);
}

enum { OUT_LN_W, OUT_LN_B, OUT_R_K, OUT_SUMS };

static wkv_rwkv7_out_grad out_grad_at(const wkv_rwkv7_out_grad *g, size_t row, int C, real *beside)
{
    const size_t size = WKV_SUM_ROWS * (size_t)C;
    return (wkv_rwkv7_out_grad){
        .dz = AT(g->dz),
        .dy = AT(g->dy),
        .dr = AT(g->dr),
        .dk = AT(g->dk),
        .dv = AT(g->dv),
        .dg = AT(g->dg),
        .ln_w_row = beside + OUT_LN_W * size,
        .ln_b_row = beside + OUT_LN_B * size,
        .r_k_row = beside + OUT_R_K * size,
    };
}

static void out_bwd_block(const wkv_kern *k, const output *t, size_t block, real *beside)
{
    const size_t row = block * WKV_SUM_ROWS;
    const int n = wkv_sums_rows(block, t->rows);
    wkv_rwkv7_out_grad mine = out_grad_at(t->g, row, t->C, beside);
    wkv_rwkv7_out inputs = out_at(t->o, t->w, row, t->C, t->N);
    k->rwkv7_out_bwd(&mine, &inputs, n, t->C, t->N);
    wkv_sums_set(k, &t->sums, OUT_LN_W, block, mine.ln_w_row, n);
    wkv_sums_set(k, &t->sums, OUT_LN_B, block, mine.ln_b_row, n);
    wkv_sums_set(k, &t->sums, OUT_R_K, block, mine.r_k_row, n);
}

static void out_bwd_blocks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const output *t = ctx;
    real *beside = t->beside + (size_t)s.part * OUT_SUMS * WKV_SUM_ROWS * (size_t)t->C;
    for (size_t b = s.begin; b < s.begin + s.n; b++)
        out_bwd_block(k, t, b, beside);
}

void wkv_cpu_rwkv7_out_bwd(wkv_exec *x, const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o,
                           const wkv_rwkv7_out_weights *w, int rows, int C, int N)
{
    const size_t mark = wkv_arena_mark(x->scratch), each = OUT_SUMS * WKV_SUM_ROWS * (size_t)C;
    output t = {.o = o, .w = w, .rows = rows, .C = C, .N = N, .g = g};
    t.sums = wkv_sums_alloc(x, OUT_SUMS, rows, (size_t)C);
    t.beside = wkv_arena_reals(x->scratch, (size_t)x->dev->threads * each);
    if (!wkv_exec_measuring(x)) {
        wkv_cpu_cut(x, out_bwd_blocks, &t, t.sums.blocks, 1, 16 * (size_t)rows * (size_t)C);
        wkv_sums_finish(x, &t.sums, OUT_LN_W, w->ln_w);
        wkv_sums_finish(x, &t.sums, OUT_LN_B, w->ln_b);
        wkv_sums_finish(x, &t.sums, OUT_R_K, w->r_k);
    }
    wkv_arena_reset(x->scratch, mark);
}
