/* kern/simd/mix_tmpl.h - token shift and its gradients.
 *
 * y = base + (other - base) mu, where base is the row itself (PREVIOUS) or the one
 * before it (CURRENT).  Backward, with g the gradients of this row and g' of the next:
 *   dx = sum of g - mu (g - g')   or   g' + mu (g - g'). */

enum { MU_VECTORS = 4, MU_CHUNK = 32 };

WKV_INLINE void mix_at(real *y, const real *base, const real *other, const real *mu, size_t i,
                       size_t lanes)
{
    vf from = load_some(base + i, lanes);
    vf step = vf_sub(load_some(other + i, lanes), from);
    store_some(y + i, vf_fma(step, load_some(mu + i, lanes), from), lanes);
}

/* One row of one mix; its two inputs stay in L1 from mix to mix. */
static void mix_row(real *y, const real *base, const real *other, const real *mu, size_t n)
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        mix_at(y, base, other, mu, i, VF_N);
    if (i < n)
        mix_at(y, base, other, mu, i, n - i);
}

static void shift_mix(real *const *y, const real *x, const real *prev, const real *const *mu,
                      int n_mix, int rows, int n, wkv_shift_mode mode)
{
    size_t cols = (size_t)n;
    bool previous = mode == WKV_SHIFT_PREVIOUS;
    for (size_t t = 0; t < (size_t)rows; t++, prev = x, x += cols)
        for (size_t j = 0; j < (size_t)n_mix; j++)
            mix_row(y[j] + t * cols, previous ? x : prev, previous ? prev : x, mu[j], cols);
}

/* One vector of one row; `at` of the row, `next` of what follows it. */
WKV_INLINE vf unmix_at(vf sum, const real *const *dy, const real *const *mu, size_t n_mix,
                       size_t at, size_t cols, size_t i, size_t lanes, bool last, bool previous)
{
    for (size_t j = 0; j < n_mix; j++) {
        vf g = load_some(dy[j] + at, lanes), m = load_some(mu[j] + i, lanes);
        vf g_next = last ? vf_zero() : load_some(dy[j] + at + cols, lanes);
        vf step = vf_sub(g, g_next);
        sum = vf_add(sum, previous ? vf_fnma(m, step, g) : vf_fma(m, step, g_next));
    }
    return sum;
}

static void shift_mix_bwd(real *dx, const real *const *dy, const real *const *mu, const real *next,
                          int n_mix, int rows, int n, wkv_shift_mode mode)
{
    size_t cols = (size_t)n, mixes = (size_t)n_mix;
    bool previous = mode == WKV_SHIFT_PREVIOUS;
    for (size_t t = 0; t < (size_t)rows; t++) {
        bool last = t + 1 == (size_t)rows && next != NULL;
        for (size_t i = 0; i < cols; i += VF_N) {
            size_t at = t * cols + i, lanes = cols - i;
            vf sum = last ? load_some(next + i, lanes) : vf_zero();
            sum = unmix_at(sum, dy, mu, mixes, at, cols, i, lanes, last, previous);
            store_some(dx + at, sum, lanes);
        }
    }
}

/* dmu of one mix and one block of columns, over `count` rows. */
WKV_INLINE void mu_block(real *dmu, const real *dy, const real *x, const real *prev, size_t count,
                         size_t stride, size_t vectors, size_t lanes, bool previous)
{
    vf s[MU_VECTORS];
    for (size_t v = 0; v < vectors; v++)
        s[v] = vf_zero();
    for (size_t t = 0; t < count; t++, prev = x, x += stride, dy += stride)
        for (size_t v = 0; v < vectors; v++) {
            vf step = vf_sub(load_some(prev + v * VF_N, lanes), load_some(x + v * VF_N, lanes));
            s[v] = vf_fma(load_some(dy + v * VF_N, lanes), step, s[v]);
        }
    for (size_t v = 0; v < vectors; v++) {
        vf old = load_some(dmu + v * VF_N, lanes);
        store_some(dmu + v * VF_N, previous ? vf_add(old, s[v]) : vf_sub(old, s[v]), lanes);
    }
}

static void shift_mix_bwd_mu(real *const *dmu, const real *const *dy, const real *x,
                             const real *prev, int n_mix, int rows, int stride, int n,
                             wkv_shift_mode mode)
{
    size_t cols = (size_t)n, step = (size_t)stride, wide = MU_VECTORS * VF_N;
    bool previous = mode == WKV_SHIFT_PREVIOUS;
    for (size_t t = 0; t < (size_t)rows; t += MU_CHUNK) {
        size_t left = (size_t)rows - t, count = left < MU_CHUNK ? left : MU_CHUNK;
        const real *in = x + t * step, *before = t == 0 ? prev : in - step;
        for (size_t i = 0; i < cols; i += i + wide <= cols ? wide : VF_N)
            for (size_t j = 0; j < (size_t)n_mix; j++) {
                const real *g = dy[j] + t * step;
                if (i + wide <= cols)
                    mu_block(dmu[j] + i, g + i, in + i, before + i, count, step, MU_VECTORS, VF_N,
                             previous);
                else
                    mu_block(dmu[j] + i, g + i, in + i, before + i, count, step, 1, cols - i,
                             previous);
            }
    }
}

static void set_mix(wkv_kern *k)
{
    k->shift_mix = shift_mix;
    k->shift_mix_bwd = shift_mix_bwd;
    k->shift_mix_bwd_mu = shift_mix_bwd_mu;
}
