/* arch/init.c - the initialisers that versions share.  The start decides the final loss,
 * so these follow the reference trainers to the letter (docs/math). */
#include <math.h>
#include <string.h>

#include "arch/blocks.h"
#include "base/mem.h"

static size_t count_of(const wkv_init *i)
{
    return (size_t)i->rows * (size_t)i->cols;
}

wkv_status wkv_init_zero(real *w, const wkv_init *i)
{
    memset(w, 0, count_of(i) * sizeof *w);
    return WKV_OK;
}

wkv_status wkv_init_one(real *w, const wkv_init *i)
{
    for (size_t j = 0; j < count_of(i); j++)
        w[j] = 1;
    return WKV_OK;
}

wkv_status wkv_init_emb(real *w, const wkv_init *i)
{
    for (size_t j = 0; j < count_of(i); j++)
        w[j] = (real)(1e-4 * (2.0 * wkv_rng_uniform(i->rng) - 1.0));
    return WKV_OK;
}

wkv_status wkv_init_ln_x(real *w, const wkv_init *i)
{
    for (size_t j = 0; j < count_of(i); j++)
        w[j] = (real)pow((1.0 + i->layer) / i->cfg->layers, 0.7);
    return WKV_OK;
}

double wkv_init_ratio_0_to_1(const wkv_init *i)
{
    return i->cfg->layers > 1 ? (double)i->layer / (i->cfg->layers - 1) : 0.0;
}

double wkv_init_ratio_1_to_0(const wkv_init *i)
{
    return 1.0 - (double)i->layer / i->cfg->layers;
}

/* (c/C)^(power (1 - l/L)) + offset */
static wkv_status fill_mix(real *w, const wkv_init *i, double power, double offset)
{
    for (int c = 0; c < i->cols; c++)
        w[c] = (real)(pow((double)c / i->cols, power * wkv_init_ratio_1_to_0(i)) + offset);
    return WKV_OK;
}

wkv_status wkv_init_mix_k(real *w, const wkv_init *i)
{
    return fill_mix(w, i, 1.0, 0.0);
}

wkv_status wkv_init_mix_v(real *w, const wkv_init *i)
{
    return fill_mix(w, i, 1.0, 0.3 * wkv_init_ratio_0_to_1(i));
}

wkv_status wkv_init_mix_r(real *w, const wkv_init *i)
{
    return fill_mix(w, i, 0.5, 0.0);
}

/* ---- orthogonal matrices ----------------------------------------------------------- */

static real length_of(const wkv_dev *dev, const real *v, size_t m)
{
    return (real)sqrt(dev->kern->sumsq(v, m));
}

/* Vectors are made orthogonal to those before their block by dense products, and to those
 * inside it one by one. */
enum { BLOCK = 64 };

/* n vectors v lose their parts along the j vectors q, all of m values.  c has room for n j
 * values, t for n m. */
static void project_out(wkv_exec *x, real *v, int n, const real *q, int j, int m, real *c, real *t)
{
    wkv_weight before = {.data = q, .dtype = WKV_DTYPE_REAL, .rows = j, .cols = m};
    x->dev->matmul(x, c, v, &before, n, false);
    before.in_out = true;
    x->dev->matmul(x, t, c, &before, n, false);
    if (wkv_exec_measuring(x))
        return;
    for (size_t k = 0; k < (size_t)n * (size_t)m; k++)
        v[k] -= t[k];
}

/* The n vectors of a block, already orthogonal to all before it: each loses its parts along
 * those before it and gets length 1. */
static void finish_block(wkv_exec *x, real *v, int n, int m, real *c, real *t)
{
    for (int j = 0; j < n; j++) {
        real *mine = v + (size_t)j * (size_t)m;
        for (int pass = 0; pass < 2 && j > 0; pass++)
            project_out(x, mine, 1, v, j, m, c, t);
        real scale = 1 / length_of(x->dev, mine, (size_t)m);
        for (int k = 0; k < m; k++)
            mine[k] *= scale;
    }
}

static void orthonormal_rows(wkv_exec *x, real *q, int n, int m, wkv_rng *rng)
{
    size_t mark = wkv_arena_mark(x->scratch);
    real *c = wkv_arena_reals(x->scratch, (size_t)BLOCK * (size_t)n);
    real *t = wkv_arena_reals(x->scratch, (size_t)BLOCK * (size_t)m);
    for (int j = 0; j < n; j += BLOCK) {
        int count = n - j < BLOCK ? n - j : BLOCK;
        real *block = q + (size_t)j * (size_t)m;
        if (wkv_exec_measuring(x)) { /* the products of one vector, and the largest of many */
            project_out(x, block, 1, q, count, m, c, t);
            project_out(x, block, count, q, n, m, c, t);
            break;
        }
        for (size_t k = 0; k < (size_t)count * (size_t)m; k++)
            block[k] = (real)wkv_rng_normal(rng);
        for (int pass = 0; pass < 2 && j > 0; pass++)
            project_out(x, block, count, q, j, m, c, t);
        finish_block(x, block, count, m, c, t);
    }
    wkv_arena_reset(x->scratch, mark);
}

/* n <= m orthonormal vectors of m values, uniformly distributed: Gram and Schmidt on
 * Gaussian ones, each step done twice, which is enough (Giraud and others, 2005). */
static wkv_status orthonormal(real *q, int n, int m, const wkv_init *i)
{
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    wkv_exec x = {.dev = i->dev, .scratch = &scratch};
    orthonormal_rows(&x, q, n, m, i->rng);
    if (!wkv_arena_init(&scratch, scratch.peak))
        return WKV_E_MEMORY;
    orthonormal_rows(&x, q, n, m, i->rng);
    wkv_arena_deinit(&scratch);
    return WKV_OK;
}

wkv_status wkv_init_orthogonal(real *w, const wkv_init *i, double gain)
{
    int n = i->rows < i->cols ? i->rows : i->cols;
    int m = i->rows < i->cols ? i->cols : i->rows;
    real *q = wkv_malloc_aligned(count_of(i) * sizeof *q);
    if (q == NULL || orthonormal(q, n, m, i) != WKV_OK) {
        wkv_free_aligned(q);
        return WKV_E_MEMORY;
    }
    bool tall = i->rows > i->cols; /* then the vectors are the columns */
    for (int r = 0; r < i->rows; r++)
        for (int c = 0; c < i->cols; c++) {
            size_t from =
                tall ? (size_t)c * (size_t)m + (size_t)r : (size_t)r * (size_t)m + (size_t)c;
            w[(size_t)r * (size_t)i->cols + (size_t)c] = (real)gain * q[from];
        }
    wkv_free_aligned(q);
    return WKV_OK;
}

wkv_status wkv_init_ortho(real *w, const wkv_init *i)
{
    return wkv_init_orthogonal(w, i, 1.0);
}

wkv_status wkv_init_ortho_01(real *w, const wkv_init *i)
{
    return wkv_init_orthogonal(w, i, 0.1);
}

wkv_status wkv_init_head(real *w, const wkv_init *i)
{
    double ratio = (double)i->rows / i->cols;
    return wkv_init_orthogonal(w, i, ratio > 1.0 ? 0.5 * sqrt(ratio) : 0.5);
}
