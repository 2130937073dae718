/* dev/cpu/product.c - products of activations with weight matrices, forward.
 *
 * Packed weights (kern/panel.h): the activations become 8-bit numbers, then every panel
 * meets all rows.  Plain weights with few rows: matrix-vector kernels, which read each
 * weight once in the type it is stored in.  Low-rank factors meet a prompt so, too.  Both are cut
 * into tasks of some outputs, which the threads take as they come; all products of a call share one
 * set of tasks, so that the team is woken once.  Plain weights with many rows: dense products over
 * tiles of the output, a stored type other than real being widened tile by tile.
 *
 * A low-rank change is two more products, both of them narrow. */
#include <assert.h>

#include "dev/cpu/columns.h"
#include "dev/cpu/cpu.h"
#include "dev/cpu/dense.h"
#include "dev/cpu/plain.h"
#include "dev/cpu/tiles.h"

enum {
    TASK_BYTES = 1 << 17,  /* of weights, times rows, that a task works on */
    SHORT_TASK = 1 << 15,  /* the same of a single row: a thread takes several at a time, */
    TASKS_TOGETHER = 16,   /* at most so many, since memory is read faster in long runs */
    TILE_OUTPUTS = 64,     /* of a task of tiles */
    MANY_ROWS = 16,        /* from these on a task has four panels at least */
    NARROW_ROWS = 256,     /* up to these low-rank factors are no dense products */
    TASK_GRAIN = WKV_PANEL /* outputs of a task start at multiples of this */
};

static size_t inputs_of(const wkv_weight *W)
{
    return (size_t)wkv_weight_inputs(W);
}

static size_t outputs_of(const wkv_weight *W)
{
    return (size_t)wkv_weight_outputs(W);
}

/* As stored, perhaps by inputs. */
static bool is_plain(const wkv_weight *W)
{
    return W->layout == WKV_LAYOUT_NONE || W->layout == WKV_LAYOUT_T;
}

/* Packed, and by inputs. */
static bool is_grouped(const wkv_weight *W)
{
    return !is_plain(W) && W->sparse_in;
}

/* What meets a zero is not read. */
static bool is_sparse(const wkv_weight *W)
{
    return W->layout != WKV_LAYOUT_NONE && W->sparse_in;
}

/* Plain, and all of it is read. */
static bool reads_all(const wkv_weight *W)
{
    return is_plain(W) && !is_sparse(W);
}

/* By inputs, and too few of these or of outputs for a dense product to be at its best. */
static bool is_narrow(const wkv_exec *x, const wkv_weight *W, int rows)
{
    const bool by_inputs = W->in_out || W->layout == WKV_LAYOUT_T;
    return W->low_rank && by_inputs && rows <= NARROW_ROWS && x->dev->kern->split_room == 0;
}

static bool is_dense(const wkv_exec *x, const wkv_weight *W, int rows)
{
    return is_plain(W) && rows > WKV_FEW_ROWS && !x->row_by_row && !is_narrow(x, W, rows) &&
           !wkv_tiles_wanted(x, W, rows);
}

/* ---- one product among others ------------------------------------------------------- */

typedef struct job {
    const wkv_product *p;
    real *sum;              /* where a plain product that is added goes first */
    unsigned char *groups;  /* room for products with groups, one a thread */
    wkv_qrows x;            /* the activations of a packed one */
    wkv_quads quads;        /* which of these count, if it is one row and W lies by inputs */
    wkv_nonzeros nonzeros;  /* or, of one of plain weights by inputs, which count */
    uint16_t *tiles;        /* or these as bf16, ... */
    uint16_t *room;         /* ... and room for tiles of weights, one a thread */
    size_t piece, end_task; /* outputs of a task; the task after its last */
} job;

/* A piece of 16 outputs at least, and wide enough not to read rows of an in_out weight by
 * shreds. */
static size_t piece_of(const wkv_weight *W, int rows, bool as_tiles)
{
    if (is_grouped(W))
        return WKV_GROUP;
    if (as_tiles)
        return TILE_OUTPUTS;
    if (W->layout == WKV_LAYOUT_T && W->sparse_in)
        return WKV_COLUMNS;
    size_t n = inputs_of(W);
    const size_t grain = W->layout == WKV_LAYOUT_T ? WKV_COLUMNS : TASK_GRAIN;
    const size_t least = W->in_out || rows >= MANY_ROWS ? 4 * TASK_GRAIN : grain;
    size_t bytes = !is_plain(W) ? wkv_panel_bytes(W->layout, n) / WKV_PANEL
                   : W->in_out  ? n * (size_t)wkv_dtype_of(W->dtype)->bytes
                                : wkv_weight_row_bytes(W);
    const size_t task = rows == 1 ? SHORT_TASK : TASK_BYTES;
    size_t piece = task / (bytes * (size_t)rows) / grain * grain;
    return piece > least ? piece : least;
}

/* Scratch for quantised activations: those of an earlier job with the same input, or new. */
static wkv_qrows rows_of(wkv_exec *x, const wkv_product *p, const job *jobs, int n, int rows)
{
    for (int j = 0; j < n; j++)
        if (jobs[j].p->in == p->in && jobs[j].x.q != NULL)
            return jobs[j].x;
    const size_t count = (size_t)rows, inputs = inputs_of(p->W);
    return wkv_qrows_in(wkv_arena_alloc(x->scratch, wkv_qrows_bytes(count, inputs)), count, inputs);
}

/* Activations [s.begin, s.begin + s.n), counted through all rows. */
static void quantise_span(const wkv_kern *k, const void *ctx, wkv_span s)
{
    const job *j = ctx;
    wkv_quant_span(k, &j->x, j->p->in, inputs_of(j->p->W), s.begin, s.n);
}

static void quantise(const wkv_exec *x, const job *jobs, int n, int rows)
{
    for (int j = 0; j < n; j++)
        if (jobs[j].x.q == jobs[n].x.q)
            return;
    const size_t all = (size_t)rows * inputs_of(jobs[n].p->W);
    wkv_cpu_cut(x, quantise_span, &jobs[n], all, WKV_QBLOCK, all);
}

static wkv_quads quads_alloc(wkv_exec *x, size_t n)
{
    return (wkv_quads){wkv_arena_alloc(x->scratch, wkv_quads_most(n) * sizeof(wkv_quad)),
                       wkv_arena_alloc(x->scratch, 2 * n / WKV_QBLOCK * sizeof(uint32_t))};
}

/* The same as tiles of bf16. */
static uint16_t *tiles_of(wkv_exec *x, const wkv_product *p, const job *jobs, int n, int rows)
{
    for (int j = 0; j < n; j++)
        if (jobs[j].p->in == p->in && jobs[j].tiles != NULL &&
            wkv_tiles_parts(jobs[j].p->W) == wkv_tiles_parts(p->W))
            return jobs[j].tiles;
    return wkv_arena_alloc(x->scratch,
                           wkv_tiles_size(rows, inputs_of(p->W), wkv_tiles_parts(p->W)) *
                               sizeof(uint16_t));
}

static void fill_tiles(wkv_exec *x, const job *jobs, int n, int rows)
{
    for (int j = 0; j < n; j++)
        if (jobs[j].tiles == jobs[n].tiles)
            return;
    const wkv_weight *W = jobs[n].p->W;
    wkv_tiles_fill(x, jobs[n].tiles, jobs[n].p->in, rows, wkv_weight_inputs(W), wkv_tiles_parts(W));
}

/* ---- tasks ------------------------------------------------------------------------------ */

/* n outputs, from `begin` on, as tiles. */
static void tile_part(const wkv_kern *k, const job *j, const wkv_tiles_weights *w, size_t begin,
                      size_t n, int rows, int part)
{
    const wkv_weight *W = j->p->W;
    wkv_tiles_task t = {
        .y = j->p->y + begin,
        .x = j->tiles,
        .w = *w,
        .ldy = wkv_weight_outputs(W),
        .rows = rows,
        .n_out = (int)n,
        .n = wkv_weight_inputs(W),
        .add = j->p->accumulate,
    };
    wkv_tiles_multiply(k, &t, j->room + (size_t)part * wkv_tiles_room(j->piece));
}

/* Weights as the file has them, from output `begin` on. */
static wkv_halves halves_from(const wkv_weight *W, size_t begin)
{
    const size_t ld = (size_t)W->cols;
    return (wkv_halves){(const uint16_t *)W->data + (W->in_out ? begin : begin * ld), ld,
                        W->dtype == WKV_DTYPE_F16, W->in_out};
}

static void packed_part(const wkv_kern *k, const job *j, const unsigned char *panels, size_t begin,
                        size_t n, int rows, int part)
{
    const wkv_weight *W = j->p->W;
    if (j->tiles != NULL) {
        const wkv_tiles_weights w = {.panels = panels, .layout = W->layout};
        tile_part(k, j, &w, begin, n, rows, part);
        return;
    }
    void (*const multiply[WKV_LAYOUTS])(real *, int, const wkv_qrows *, int, const unsigned char *,
                                        int, int, bool) = {
#define MULTIPLY(id, name, span, scales, block) [WKV_LAYOUT_##id] = k->qmul_##name,
        WKV_PANEL_LAYOUTS(MULTIPLY)
#undef MULTIPLY
    };
    multiply[W->layout](j->p->y + begin, W->rows, &j->x, rows, panels, (int)n, W->cols,
                        j->p->accumulate);
}

/* Whole groups: one row reads what its zeros leave; tiles want panels. */
static void grouped_part(const wkv_kern *k, const job *j, const unsigned char *group, size_t begin,
                         size_t n, int rows, int part)
{
    const wkv_weight *W = j->p->W;
    real *y = j->p->y + begin;
    if (rows == 1) {
        k->qmul_at(y, &j->x, &j->quads, group, W->layout, (int)n, W->cols, j->p->accumulate);
        return;
    }
    unsigned char *room = j->groups + (size_t)part * wkv_group_room(W->layout, (size_t)W->cols);
    if (j->tiles == NULL) {
        k->qmul_groups(y, W->rows, &j->x, rows, group, W->layout, (int)n, W->cols, j->p->accumulate,
                       room);
        return;
    }
    k->group_to_panels(room, group, W->layout, W->cols);
    packed_part(k, j, room, begin, n, rows, part);
}

/* n outputs from `begin` on, as many at a time as lie together; room as wkv_cpu_packed wants it. */
static void packed_task(const wkv_kern *k, const job *j, size_t begin, size_t n, int rows, int part,
                        unsigned char *room)
{
    const wkv_weight *W = j->p->W;
    for (size_t here; n > 0; begin += here, n -= here) {
        here = n;
        const unsigned char *at = wkv_cpu_packed(k, W, begin, &here, room);
        if (is_plain(W))
            wkv_columns_multiply(k, j->p, &j->nonzeros, j->p->y + begin, at, here, rows);
        else if (W->sparse_in)
            grouped_part(k, j, at, begin, here, rows, part);
        else
            packed_part(k, j, at, begin, here, rows, part);
    }
}

/* All jobs of a call. */
typedef struct batch {
    job jobs[WKV_MAX_PRODUCTS];
    int rows;
    size_t tasks;
    unsigned char *own; /* memory for each thread: as much as own_bytes says */
    size_t own_size;
} batch;

/* A run of at most `tasks` from `task` on, as far as they are of one job: returns how many. */
static size_t run_task(const wkv_kern *k, const batch *b, size_t task, size_t tasks, int part)
{
    const int rows = b->rows;
    const job *j = b->jobs;
    unsigned char *own = b->own + (size_t)part * b->own_size;
    size_t first = 0;
    for (; task >= j->end_task; j++)
        first = j->end_task;
    const wkv_product *p = j->p;
    const size_t n_out = outputs_of(p->W);
    const size_t run = tasks < j->end_task - task ? tasks : j->end_task - task;
    const size_t begin = (task - first) * j->piece, left = n_out - begin;
    const size_t n = left < run * j->piece ? left : run * j->piece;
    if (j->tiles != NULL && is_plain(p->W)) {
        const wkv_tiles_weights w = {.plain = halves_from(p->W, begin)};
        tile_part(k, j, &w, begin, n, rows, part);
    } else if (reads_all(p->W)) {
        real *y = p->accumulate ? j->sum : p->y;
        wkv_plain_multiply(k, y + begin, p->in, p->W, begin, n, rows, own);
        for (size_t r = 0; r < (size_t)rows && p->accumulate; r++)
            k->add(p->y + r * n_out + begin, j->sum + r * n_out + begin, n);
    } else {
        packed_task(k, j, begin, n, rows, part, own);
    }
    return run;
}

static void run_tasks(const wkv_kern *k, const void *ctx, wkv_span s)
{
    for (size_t done = 0; done < s.n;)
        done += run_task(k, ctx, s.begin + done, s.n - done, s.part);
}

/* Bytes of a sparse weight that one row's zeros leave unread. */
static uint64_t unread_by(const job *j)
{
    const wkv_weight *W = j->p->W;
    const size_t all = (size_t)W->cols;
    uint64_t zeros = 0;
    if (W->layout == WKV_LAYOUT_T)
        return (all - (size_t)j->nonzeros.count[0]) * (size_t)W->rows *
               (size_t)wkv_dtype_of(W->dtype)->bytes;
    for (size_t i = 0; i < all; i++)
        zeros += j->x.q[i] == 0;
    return zeros * wkv_group_line(W->layout) * (uint64_t)W->rows / WKV_GROUP;
}

/* A widened row, or what packing takes. */
static size_t own_bytes(const wkv_weight *W)
{
    const bool packed = W->layout != WKV_LAYOUT_NONE;
    const size_t bytes = packed ? wkv_cpu_pack_room(W) : (size_t)W->cols * sizeof(real);
    return (bytes + 63) / 64 * 64;
}

/* Scratch of a job, and how it is cut. */
static job job_of(wkv_exec *x, const wkv_product *p, const job *jobs, int n, int rows)
{
    const wkv_weight *W = p->W;
    const size_t threads = (size_t)x->dev->threads;
    const bool as_tiles = wkv_tiles_wanted(x, W, rows);
    job j = {.p = p, .piece = piece_of(W, rows, as_tiles)};
    if (as_tiles) {
        j.tiles = tiles_of(x, p, jobs, n, rows);
        j.room = wkv_arena_alloc(x->scratch, threads * wkv_tiles_room(j.piece) * sizeof *j.room);
    } else if (!is_plain(W)) {
        j.x = rows_of(x, p, jobs, n, rows);
    } else if (is_sparse(W)) {
        j.nonzeros = wkv_nonzeros_alloc(x, rows, inputs_of(W));
    }
    if (is_grouped(W) && rows > 1)
        j.groups = wkv_arena_alloc(x->scratch, threads * wkv_group_room(W->layout, inputs_of(W)));
    if (is_grouped(W) && rows == 1)
        j.quads = quads_alloc(x, inputs_of(W));
    if (reads_all(W) && !as_tiles && p->accumulate)
        j.sum = wkv_arena_reals(x->scratch, (size_t)rows * outputs_of(W));
    return j;
}

/* What the tasks of job i read besides weights. */
static void ready_inputs(wkv_exec *x, batch *b, int i)
{
    job *j = &b->jobs[i];
    const wkv_weight *W = j->p->W;
    if (j->x.q != NULL)
        quantise(x, b->jobs, i, b->rows);
    if (j->quads.quad != NULL)
        wkv_quads_find(&j->quads, j->x.q, inputs_of(W), W->layout);
    if (j->tiles != NULL)
        fill_tiles(x, b->jobs, i, b->rows);
    if (j->nonzeros.row != NULL)
        wkv_nonzeros_find(x, &j->nonzeros, j->p->in, b->rows, inputs_of(W));
    if (x->unread != NULL && b->rows == 1 && is_sparse(W))
        *x->unread += unread_by(j);
}

/* All but dense products. */
static void run_together(wkv_exec *x, const wkv_product *const *p, int n, int rows)
{
    batch b = {.rows = rows};
    size_t weights = 0;
    const size_t mark = wkv_arena_mark(x->scratch), threads = (size_t)x->dev->threads;
    for (int i = 0; i < n; i++) {
        const wkv_weight *W = p[i]->W;
        job *j = &b.jobs[i];
        *j = job_of(x, p[i], b.jobs, i, rows);
        b.tasks += (outputs_of(W) + j->piece - 1) / j->piece;
        j->end_task = b.tasks;
        weights += outputs_of(W) * inputs_of(W);
        const size_t own_here = own_bytes(W);
        b.own_size = own_here > b.own_size ? own_here : b.own_size;
    }
    b.own = wkv_arena_alloc(x->scratch, threads * b.own_size);
    if (!wkv_exec_measuring(x)) {
        for (int i = 0; i < n; i++)
            ready_inputs(x, &b, i);
        const size_t steps = weights * (size_t)rows / 2;
        if (rows == 1)
            wkv_cpu_share_runs(x, run_tasks, &b, b.tasks, TASKS_TOGETHER, steps);
        else
            wkv_cpu_share(x, run_tasks, &b, b.tasks, 1, steps);
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- low-rank changes ------------------------------------------------------------------- */

void wkv_cpu_scale(const wkv_exec *x, real *v, size_t n, real s)
{
    for (size_t i = 0; i < n && !wkv_exec_measuring(x) && s != 1; i++)
        v[i] *= s;
}

/* y += scale (in A^T) B^T */
static void add_changes(wkv_exec *x, const wkv_product *p, int n, int rows)
{
    wkv_product down[WKV_MAX_PRODUCTS], up[WKV_MAX_PRODUCTS];
    real scale[WKV_MAX_PRODUCTS];
    int m = 0;
    const size_t mark = wkv_arena_mark(x->scratch);
    for (int i = 0; i < n; i++) {
        const wkv_lora *l = p[i].W->lora;
        if (l == NULL)
            continue;
        real *low = wkv_arena_reals(x->scratch, (size_t)rows * (size_t)l->A.rows);
        scale[m] = l->scale;
        down[m] = (wkv_product){low, p[i].in, &l->A, false};
        up[m++] = (wkv_product){p[i].y, low, &l->B, true};
    }
    if (m > 0) {
        wkv_cpu_products(x, down, m, rows);
        for (int i = 0; i < m; i++)
            wkv_cpu_scale(x, down[i].y, (size_t)rows * (size_t)down[i].W->rows, scale[i]);
        wkv_cpu_products(x, up, m, rows);
    }
    wkv_arena_reset(x->scratch, mark);
}

/* ---- the operations -------------------------------------------------------------------- */

void wkv_cpu_products(wkv_exec *x, const wkv_product *p, int n, int rows)
{
    const wkv_product *together[WKV_MAX_PRODUCTS], *dense[WKV_MAX_PRODUCTS];
    int n_together = 0, n_dense = 0;
    assert(n <= WKV_MAX_PRODUCTS);
    for (int low = 1; low >= 0; low--) /* first: their tasks are long, and none should come last */
        for (int i = 0; i < n; i++) {
            if (p[i].W->low_rank != (low == 1))
                continue;
            if (is_dense(x, p[i].W, rows))
                dense[n_dense++] = &p[i];
            else
                together[n_together++] = &p[i];
        }
    if (n_dense > 0)
        wkv_dense_products(x, dense, n_dense, rows);
    if (n_together > 0)
        run_together(x, together, n_together, rows);
    add_changes(x, p, n, rows);
}

void wkv_cpu_matmul(wkv_exec *x, real *y, const real *in, const wkv_weight *W, int rows,
                    bool accumulate)
{
    wkv_product p = {y, in, W, accumulate};
    wkv_cpu_products(x, &p, 1, rows);
}
