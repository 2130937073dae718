/* kern/simd/norm_tmpl.h - layer norm, its gradients, and column sums.
 *
 * Rows: sums over a row run in four interleaved partial sums, whatever the row's place
 * in the call.  Columns: a block of columns stays in registers while the rows go by;
 * every CHUNK rows the partial sums are added to the result, which keeps rounding errors
 * of long columns small. */
#include <math.h>

enum { COLUMN_VECTORS = 4, CHUNK = 64 };

WKV_INLINE float sum4(const vf s[4])
{
    return vf_sum(vf_add(vf_add(s[0], s[1]), vf_add(s[2], s[3])));
}

static float row_sum(const real *x, size_t n)
{
    vf s[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N)
        for (size_t j = 0; j < 4; j++)
            s[j] = vf_add(s[j], vf_load(x + i + j * VF_N));
    for (; i < n; i += VF_N)
        s[0] = vf_add(s[0], load_some(x + i, n - i));
    return sum4(s);
}

/* sum of (x - mean)^2; the lanes beyond n must not count as -mean. */
static float row_squares(const real *x, size_t n, float mean)
{
    vf m = vf_set1(mean);
    vf s[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N)
        for (size_t j = 0; j < 4; j++) {
            vf d = vf_sub(vf_load(x + i + j * VF_N), m);
            s[j] = vf_fma(d, d, s[j]);
        }
    for (; i + VF_N <= n; i += VF_N) {
        vf d = vf_sub(vf_load(x + i), m);
        s[0] = vf_fma(d, d, s[0]);
    }
    float sum = sum4(s);
    for (; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

static void layernorm(real *y, real *stat, const real *x, const real *w, const real *b, int rows,
                      int n, real eps)
{
    size_t cols = (size_t)n;
    for (int t = 0; t < rows; t++, x += cols, y += cols) {
        float mean = row_sum(x, cols) / (float)n;
        float rstd = 1 / sqrtf(row_squares(x, cols, mean) / (float)n + eps);
        if (stat != NULL) {
            stat[2 * (size_t)t] = mean;
            stat[2 * (size_t)t + 1] = rstd;
        }
        vf m = vf_set1(mean), s = vf_set1(rstd);
        for (size_t i = 0; i < cols; i += VF_N) {
            size_t lanes = cols - i;
            vf h = vf_mul(vf_sub(load_some(x + i, lanes), m), s);
            store_some(y + i, vf_fma(h, load_some(w + i, lanes), load_some(b + i, lanes)), lanes);
        }
    }
}

static void layernorm_bwd(real *dx, const real *dy, const real *x, const real *stat, const real *w,
                          int rows, int n)
{
    size_t cols = (size_t)n;
    vf inverse = vf_set1(1 / (float)n);
    for (int t = 0; t < rows; t++, x += cols, dy += cols, dx += cols, stat += 2) {
        vf mean = vf_set1(stat[0]), rstd = vf_set1(stat[1]);
        vf sum_g[2] = {vf_zero(), vf_zero()}, sum_gh[2] = {vf_zero(), vf_zero()};
        size_t parity = 0;
        for (size_t i = 0; i < cols; i += VF_N, parity ^= 1) { /* g is 0 beyond n */
            size_t lanes = cols - i;
            vf g = vf_mul(load_some(dy + i, lanes), load_some(w + i, lanes));
            vf h = vf_mul(vf_sub(load_some(x + i, lanes), mean), rstd);
            sum_g[parity] = vf_add(sum_g[parity], g);
            sum_gh[parity] = vf_fma(g, h, sum_gh[parity]);
        }
        vf mean_g = vf_mul(vf_set1(vf_sum(vf_add(sum_g[0], sum_g[1]))), inverse);
        vf mean_gh = vf_mul(vf_set1(vf_sum(vf_add(sum_gh[0], sum_gh[1]))), inverse);
        for (size_t i = 0; i < cols; i += VF_N) {
            size_t lanes = cols - i;
            vf h = vf_mul(vf_sub(load_some(x + i, lanes), mean), rstd);
            vf g = vf_mul(load_some(dy + i, lanes), load_some(w + i, lanes));
            vf d = vf_fnma(h, mean_gh, vf_sub(g, mean_g));
            store_some(dx + i, vf_fma(rstd, d, load_some(dx + i, lanes)), lanes);
        }
    }
}

/* Adds up rows first .. first + count of one block of `vectors` vectors. */
WKV_INLINE void param_block(real *dw, real *db, const real *dy, const real *x, const real *stat,
                            size_t count, size_t stride, size_t vectors, size_t lanes)
{
    vf w[COLUMN_VECTORS], b[COLUMN_VECTORS];
    for (size_t j = 0; j < vectors; j++)
        w[j] = b[j] = vf_zero();
    for (size_t t = 0; t < count; t++, dy += stride, x += stride, stat += 2) {
        vf mean = vf_set1(stat[0]), rstd = vf_set1(stat[1]);
        for (size_t j = 0; j < vectors; j++) {
            vf g = load_some(dy + j * VF_N, lanes);
            vf h = vf_mul(vf_sub(load_some(x + j * VF_N, lanes), mean), rstd);
            w[j] = vf_fma(g, h, w[j]);
            b[j] = vf_add(b[j], g);
        }
    }
    for (size_t j = 0; j < vectors; j++) {
        store_some(dw + j * VF_N, vf_add(load_some(dw + j * VF_N, lanes), w[j]), lanes);
        store_some(db + j * VF_N, vf_add(load_some(db + j * VF_N, lanes), b[j]), lanes);
    }
}

static void layernorm_bwd_param(real *dw, real *db, const real *dy, const real *x, const real *stat,
                                int rows, int stride, int n)
{
    size_t cols = (size_t)n, step = (size_t)stride;
    for (size_t t = 0; t < (size_t)rows; t += CHUNK) {
        size_t left = (size_t)rows - t, count = left < CHUNK ? left : CHUNK, i = 0;
        const real *g = dy + t * step, *in = x + t * step, *st = stat + 2 * t;
        for (; i + COLUMN_VECTORS * VF_N <= cols; i += COLUMN_VECTORS * VF_N)
            param_block(dw + i, db + i, g + i, in + i, st, count, step, COLUMN_VECTORS, VF_N);
        for (; i < cols; i += VF_N)
            param_block(dw + i, db + i, g + i, in + i, st, count, step, 1, cols - i);
    }
}

WKV_INLINE void colsum_block(real *y, const real *x, size_t count, size_t stride, size_t vectors,
                             size_t lanes)
{
    vf s[COLUMN_VECTORS];
    for (size_t j = 0; j < vectors; j++)
        s[j] = vf_zero();
    for (size_t t = 0; t < count; t++, x += stride)
        for (size_t j = 0; j < vectors; j++)
            s[j] = vf_add(s[j], load_some(x + j * VF_N, lanes));
    for (size_t j = 0; j < vectors; j++)
        store_some(y + j * VF_N, vf_add(load_some(y + j * VF_N, lanes), s[j]), lanes);
}

static void colsum(real *y, const real *x, int rows, int stride, int n)
{
    size_t cols = (size_t)n, step = (size_t)stride;
    for (size_t t = 0; t < (size_t)rows; t += CHUNK) {
        size_t left = (size_t)rows - t, count = left < CHUNK ? left : CHUNK, i = 0;
        const real *in = x + t * step;
        for (; i + COLUMN_VECTORS * VF_N <= cols; i += COLUMN_VECTORS * VF_N)
            colsum_block(y + i, in + i, count, step, COLUMN_VECTORS, VF_N);
        for (; i < cols; i += VF_N)
            colsum_block(y + i, in + i, count, step, 1, cols - i);
    }
}

static void set_norm(wkv_kern *k)
{
    k->layernorm = layernorm;
    k->layernorm_bwd = layernorm_bwd;
    k->layernorm_bwd_param = layernorm_bwd_param;
    k->colsum = colsum;
}
