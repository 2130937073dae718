/* train/loss.c - see loss.h.  "L2Wrap": the gradient gains 1e-4 times the largest logit of
 * a row, at that logit, which keeps logits from growing without bound; the loss that is
 * reported does not contain it. */
#include "train/loss.h"

static const real L2WRAP = REAL_C(1e-4);

/* Rows per slice: about a million logits, 16 to 1024 rows. */
static int slice_rows(int V)
{
    int rows = (1 << 20) / V;
    return rows < 16 ? 16 : rows > 1024 ? 1024 : rows;
}

/* dhidden NULL: the loss alone. */
static double run(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, real *dhidden,
                  const real *hidden, const int32_t *target, int rows)
{
    int V = cfg->dim[WKV_DIM_V], C = cfg->dim[WKV_DIM_C];
    int slice = slice_rows(V);
    slice = slice < rows ? slice : rows;
    real scale = dhidden != NULL ? 1 / (real)rows : 0;
    size_t mark = wkv_arena_mark(x->scratch);
    real *logits = wkv_arena_reals(x->scratch, (size_t)slice * (size_t)V); /* (slice, V) */
    double *loss = wkv_arena_alloc(x->scratch, (size_t)slice * sizeof *loss);
    double sum = 0;
    for (int first = 0; first < rows; first += slice) {
        int n = rows - first < slice ? rows - first : slice;
        size_t at = (size_t)first * (size_t)C;
        wkv_head(x, w, logits, hidden + at, n);
        x->dev->softmax_ce(x, loss, logits, target + first, n, V, scale, L2WRAP);
        for (int r = 0; r < n && !wkv_exec_measuring(x); r++)
            sum += loss[r];
        if (dhidden != NULL)
            wkv_head_bwd(x, w, dhidden + at, logits, hidden + at, n);
    }
    wkv_arena_reset(x->scratch, mark);
    return sum;
}

double wkv_loss_sum(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, const real *hidden,
                    const int32_t *target, int rows)
{
    return run(x, cfg, w, NULL, hidden, target, rows);
}

double wkv_loss_grad(wkv_exec *x, const wkv_config *cfg, const wkv_weights *w, real *dhidden,
                     const real *hidden, const int32_t *target, int rows)
{
    return run(x, cfg, w, dhidden, hidden, target, rows);
}
