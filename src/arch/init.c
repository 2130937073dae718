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

/* q[j] -= its part along q[0 .. j-1], each of m values.  c has room for j, t for m. */
static void make_orthogonal(wkv_exec *x, real *q, int j, int m, real *c, real *t)
{
    wkv_weight before = {.data = q, .dtype = WKV_DTYPE_REAL, .rows = j, .cols = m};
    real *mine = q + (size_t)j * (size_t)m;
    x->dev->matmul(x, c, mine, &before, 1, false);
    before.in_out = true;
    x->dev->matmul(x, t, c, &before, 1, false);
    for (int k = 0; k < m; k++)
        mine[k] -= t[k];
}

/* n <= m orthonormal vectors of m values, uniformly distributed: Gram and Schmidt on
 * Gaussian ones, each step done twice, which is enough (Giraud and others, 2005). */
static wkv_status orthonormal(real *q, int n, int m, const wkv_init *i)
{
    wkv_arena scratch;
    size_t bytes = ((size_t)i->dev->threads * (size_t)m + 4096) * sizeof(real) + 4096;
    if (!wkv_arena_init(&scratch, bytes + ((size_t)n + 2 * (size_t)m) * sizeof(real)))
        return WKV_E_MEMORY;
    wkv_exec x = {i->dev, &scratch};
    real *c = wkv_arena_reals(&scratch, (size_t)n), *t = wkv_arena_reals(&scratch, (size_t)m);
    for (int j = 0; j < n; j++) {
        real *mine = q + (size_t)j * (size_t)m;
        for (int k = 0; k < m; k++)
            mine[k] = (real)wkv_rng_normal(i->rng);
        for (int pass = 0; pass < 2 && j > 0; pass++)
            make_orthogonal(&x, q, j, m, c, t);
        real scale = 1 / length_of(i->dev, mine, (size_t)m);
        for (int k = 0; k < m; k++)
            mine[k] *= scale;
    }
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
