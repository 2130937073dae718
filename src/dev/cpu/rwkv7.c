/* dev/cpu/rwkv7.c - RWKV-7's fused row-wise parts, split by rows; the gradients of their
 * parameters are column sums of rows that the kernels write beside. */
#include "dev/cpu/cpu.h"

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

void wkv_cpu_rwkv7_prep(wkv_exec *x, const wkv_rwkv7_prep *p, const wkv_rwkv7_prep_weights *w,
                        int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    int parts = wkv_cpu_parts(x, (size_t)rows, 16 * (size_t)rows * (size_t)C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        wkv_rwkv7_prep mine = prep_at(p, w, s.begin, C);
        x->dev->kern->rwkv7_prep(&mine, (int)s.n, C, N);
    }
}

static wkv_rwkv7_prep_grad prep_grad_at(const wkv_rwkv7_prep_grad *g, size_t row, int C)
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
        .k_k_row = AT(g->k_k_row),
        .k_a_row = AT(g->k_a_row),
    };
}

/* w.grad += column sums of rows, when there are rows and w is not frozen. */
static void sum_into(wkv_exec *x, const wkv_weight *w, const real *in, int rows, int C)
{
    if (in != NULL && w->grad != NULL)
        wkv_cpu_colsum(x, w->grad, in, rows, (size_t)C);
}

void wkv_cpu_rwkv7_prep_bwd(wkv_exec *x, const wkv_rwkv7_prep_grad *g, const wkv_rwkv7_prep *p,
                            const wkv_rwkv7_prep_weights *w, int rows, int C, int N)
{
    size_t mark = wkv_arena_mark(x->scratch);
    wkv_rwkv7_prep_grad all = *g;
    all.k_k_row = wkv_arena_reals(x->scratch, (size_t)rows * (size_t)C);
    all.k_a_row = wkv_arena_reals(x->scratch, (size_t)rows * (size_t)C);
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, (size_t)rows, 32 * (size_t)rows * (size_t)C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
            wkv_rwkv7_prep_grad mine = prep_grad_at(&all, s.begin, C);
            wkv_rwkv7_prep inputs = prep_at(p, w, s.begin, C);
            x->dev->kern->rwkv7_prep_bwd(&mine, &inputs, (int)s.n, C, N);
        }
        sum_into(x, w->k_k, all.k_k_row, rows, C);
        sum_into(x, w->k_a, all.k_a_row, rows, C);
        sum_into(x, w->w0, g->dw_raw, rows, C);
        sum_into(x, w->a0, g->da_raw, rows, C);
        sum_into(x, w->v0, g->dv_raw, rows, C);
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

void wkv_cpu_rwkv7_out(wkv_exec *x, const wkv_rwkv7_out *o, const wkv_rwkv7_out_weights *w,
                       int rows, int C, int N)
{
    if (wkv_exec_measuring(x))
        return;
    int parts = wkv_cpu_parts(x, (size_t)rows, 8 * (size_t)rows * (size_t)C);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
        wkv_rwkv7_out mine = out_at(o, w, s.begin, C, N);
        x->dev->kern->rwkv7_out(&mine, (int)s.n, C, N);
    }
}

static wkv_rwkv7_out_grad out_grad_at(const wkv_rwkv7_out_grad *g, size_t row, int C)
{
    return (wkv_rwkv7_out_grad){
        .dz = AT(g->dz),
        .dy = AT(g->dy),
        .dr = AT(g->dr),
        .dk = AT(g->dk),
        .dv = AT(g->dv),
        .dg = AT(g->dg),
        .ln_w_row = AT(g->ln_w_row),
        .ln_b_row = AT(g->ln_b_row),
        .r_k_row = AT(g->r_k_row),
    };
}

void wkv_cpu_rwkv7_out_bwd(wkv_exec *x, const wkv_rwkv7_out_grad *g, const wkv_rwkv7_out *o,
                           const wkv_rwkv7_out_weights *w, int rows, int C, int N)
{
    size_t mark = wkv_arena_mark(x->scratch), size = (size_t)rows * (size_t)C;
    wkv_rwkv7_out_grad all = *g;
    all.ln_w_row = wkv_arena_reals(x->scratch, size);
    all.ln_b_row = wkv_arena_reals(x->scratch, size);
    all.r_k_row = wkv_arena_reals(x->scratch, size);
    if (!wkv_exec_measuring(x)) {
        int parts = wkv_cpu_parts(x, (size_t)rows, 16 * size);
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int i = 0; i < parts; i++) {
            wkv_span s = wkv_span_of((size_t)rows, parts, i, 1);
            wkv_rwkv7_out_grad mine = out_grad_at(&all, s.begin, C);
            wkv_rwkv7_out inputs = out_at(o, w, s.begin, C, N);
            x->dev->kern->rwkv7_out_bwd(&mine, &inputs, (int)s.n, C, N);
        }
        sum_into(x, w->ln_w, all.ln_w_row, rows, C);
        sum_into(x, w->ln_b, all.ln_b_row, rows, C);
        sum_into(x, w->r_k, all.r_k_row, rows, C);
    }
    wkv_arena_reset(x->scratch, mark);
}
