/* train/loss.c - see loss.h.  "L2Wrap": the gradient gains 1e-4 times the largest logit of
 * a row, at that logit, which keeps logits from growing without bound; the loss that is
 * reported does not contain it. */
#include "train/loss.h"

#include <string.h>

static const real L2WRAP = REAL_C(1e-4);

/* No slice is shorter, unless all rows are fewer: products of fewer rows may sum in another
 * order, and a token's loss is not to depend on its place.  Slices are multiples of it, since
 * products take rows by so many. */
enum { SLICE_LEAST = 48, SLICE_MOST = 21 * SLICE_LEAST };

/* Rows per slice: up to 32 million logits (128 MB) and SLICE_MOST rows.  Every slice reads the head
 * twice and writes its gradient, so that short ones of a large vocabulary cost more in
 * memory than in arithmetic. */
static int slice_rows(int V)
{
    int rows = (1 << 25) / V / SLICE_LEAST * SLICE_LEAST;
    return rows < SLICE_LEAST ? SLICE_LEAST : rows > SLICE_MOST ? SLICE_MOST : rows;
}

/* The rows of the next slice when `left` are left: the last takes a short rest along. */
static int next_slice(int slice, int left)
{
    return left < slice + SLICE_LEAST ? left : slice;
}

/* dhidden NULL: the loss alone. */
static void run(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, real *dhidden,
                const real *hidden, const int32_t *target, int rows, real scale, double *each)
{
    int V = cfg->dim[WKV_DIM_V], C = cfg->dim[WKV_DIM_C];
    int slice = slice_rows(V);
    int longest = slice + SLICE_LEAST < rows ? slice + SLICE_LEAST : rows;
    size_t mark = wkv_arena_mark(x->scratch);
    real *logits = wkv_arena_reals(x->scratch, (size_t)longest * (size_t)V); /* (longest, V) */
    for (int first = 0, n; first < rows; first += n) {
        n = next_slice(slice, rows - first);
        size_t at = (size_t)first * (size_t)C;
        wkv_head(x, w, logits, hidden + at, n);
        x->dev->softmax_ce(x, each + first, logits, target + first, n, V, scale, L2WRAP);
        if (dhidden != NULL)
            wkv_head_bwd(x, w, dhidden + at, logits, hidden + at, n);
    }
    wkv_arena_reset(x->scratch, mark);
}

static void add_up(const wkv_exec *x, const double *each, int rows, double *sum)
{
    for (int r = 0; r < rows && !wkv_exec_measuring(x); r++)
        *sum += each[r];
}

void wkv_loss_sum(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, const real *hidden,
                  const int32_t *target, int rows, double *each, double *sum)
{
    run(x, cfg, w, NULL, hidden, target, rows, 0, each);
    add_up(x, each, rows, sum);
}

void wkv_loss_grad(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, real *dhidden,
                   const real *hidden, const int32_t *target, int rows, int64_t learnt,
                   double *each, double *sum)
{
    if (learnt > 0) {
        run(x, cfg, w, dhidden, hidden, target, rows, 1 / (real)learnt, each);
        add_up(x, each, rows, sum);
        return;
    }
    memset(dhidden, 0, (size_t)rows * (size_t)cfg->dim[WKV_DIM_C] * sizeof *dhidden);
    memset(each, 0, (size_t)rows * sizeof *each);
}
