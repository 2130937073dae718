/* kern/simd/gemv_tmpl.h - matrix times vector, which is all of a token's cost: made to
 * read the matrix as fast as memory gives it.
 *
 * GEMV_ROWS rows go together, so that x is loaded once for them and several streams are
 * read at a time.  These are as far apart as they can be: of short rows side by side, which share
 * pages, no prefetcher makes streams.  A row is summed in GEMV_SUMS interleaved sums whether it
 * comes with others or alone, so its value does not depend on its neighbours. */

enum { GEMV_ROWS = 4, GEMV_SUMS = 2, GEMV_T_ROWS = 8, GEMV_AHEAD = 512 /* bytes */ };

/* How a kernel reads weights: a whole vector at element i of a row, or its first lanes. */
typedef enum weight_type { WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16 } weight_type;

WKV_INLINE vf weights(const void *W, size_t i, size_t lanes, weight_type type)
{
    if (type == WEIGHT_F32)
        return load_some((const float *)W + i, lanes);
    const uint16_t *h = (const uint16_t *)W + i;
    if (type == WEIGHT_F16)
        return lanes >= VF_N ? vf_load_f16(h) : vf_load_f16_n(h, lanes);
    return lanes >= VF_N ? vf_load_bf16(h) : vf_load_bf16_n(h, lanes);
}

WKV_INLINE size_t size_of(weight_type type)
{
    return type == WEIGHT_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* y[i * step] = the two sums of row i, for at most GEMV_ROWS. */
WKV_INLINE void put_sums(real *y, size_t step, vf (*s)[GEMV_SUMS], size_t rows)
{
    vf sum[GEMV_ROWS];
    float to[GEMV_ROWS];
    for (size_t i = 0; i < GEMV_ROWS; i++)
        sum[i] = i < rows ? vf_add(s[i][0], s[i][1]) : vf_zero();
    vf_four_sums(to, sum);
    for (size_t i = 0; i < rows; i++)
        y[i * step] = to[i];
}

/* R rows, `apart` from each other, from row `first` of W on. */
WKV_INLINE void dot_rows(real *y, const void *W, size_t first, size_t apart, const real *x,
                         size_t n, size_t R, weight_type type)
{
    vf s[GEMV_ROWS][GEMV_SUMS];
    for (size_t r = 0; r < R; r++)
        for (size_t j = 0; j < GEMV_SUMS; j++)
            s[r][j] = vf_zero();
    size_t i = 0;
    for (; i + GEMV_SUMS * VF_N <= n; i += GEMV_SUMS * VF_N)
        for (size_t j = 0; j < GEMV_SUMS; j++) {
            vf xi = vf_load(x + i + j * VF_N);
            for (size_t r = 0; r < R; r++) {
                const size_t at = (first + r * apart) * n + i + j * VF_N;
                WKV_PREFETCH((const char *)W + at * size_of(type) + GEMV_AHEAD);
                s[r][j] = vf_fma(weights(W, at, VF_N, type), xi, s[r][j]);
            }
        }
    for (; i < n; i += VF_N) {
        vf xi = load_some(x + i, n - i);
        for (size_t r = 0; r < R; r++)
            s[r][0] = vf_fma(weights(W, (first + r * apart) * n + i, n - i, type), xi, s[r][0]);
    }
    put_sums(y + first, apart, s, R);
}

WKV_INLINE void any_gemv(real *y, const void *W, const real *x, size_t rows, size_t n,
                         weight_type type)
{
    const size_t apart = rows / GEMV_ROWS;
    for (size_t o = 0; o < apart; o++)
        dot_rows(y, W, o, apart, x, n, GEMV_ROWS, type);
    for (size_t o = GEMV_ROWS * apart; o < rows; o++)
        dot_rows(y, W, o, 0, x, n, 1, type);
}

static void gemv(real *y, const real *W, const real *x, int rows, int n)
{
    any_gemv(y, W, x, (size_t)rows, (size_t)n, WEIGHT_F32);
}

static void gemv_f16(real *y, const uint16_t *W, const real *x, int rows, int n)
{
    any_gemv(y, W, x, (size_t)rows, (size_t)n, WEIGHT_F16);
}

static void gemv_bf16(real *y, const uint16_t *W, const real *x, int rows, int n)
{
    any_gemv(y, W, x, (size_t)rows, (size_t)n, WEIGHT_BF16);
}

/* ---- several vectors --------------------------------------------------------------------- */

/* As many as registers hold sums for. */
enum { VECTORS = VF_GEMM_ROWS };

/* A row of W, from element `first` on, times VECTORS vectors: the sums of dot_rows. */
WKV_INLINE void dot_vectors(real *y, size_t ldy, const void *W, size_t first, const real *x,
                            size_t n, weight_type type)
{
    vf s[VECTORS][GEMV_SUMS];
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t j = 0; j < GEMV_SUMS; j++)
            s[v][j] = vf_zero();
    size_t i = 0;
    for (; i + GEMV_SUMS * VF_N <= n; i += GEMV_SUMS * VF_N)
        for (size_t j = 0; j < GEMV_SUMS; j++) {
            const vf w = weights(W, first + i + j * VF_N, VF_N, type);
            for (size_t v = 0; v < VECTORS; v++)
                s[v][j] = vf_fma(w, vf_load(x + v * n + i + j * VF_N), s[v][j]);
        }
    for (; i < n; i += VF_N) {
        const vf w = weights(W, first + i, n - i, type);
        for (size_t v = 0; v < VECTORS; v++)
            s[v][0] = vf_fma(w, load_some(x + v * n + i, n - i), s[v][0]);
    }
    for (size_t v = 0; v < VECTORS; v += GEMV_ROWS)
        put_sums(y + v * ldy, ldy, s + v, VECTORS - v < GEMV_ROWS ? VECTORS - v : GEMV_ROWS);
}

/* Vectors that go together stay in the nearest cache while all rows of W pass by. */
WKV_INLINE void any_gemv_rows(real *y, size_t ldy, const void *W, const real *x, size_t x_rows,
                              size_t rows, size_t n, weight_type type)
{
    size_t v = 0;
    for (; v + VECTORS <= x_rows; v += VECTORS)
        for (size_t o = 0; o < rows; o++)
            dot_vectors(y + v * ldy + o, ldy, W, o * n, x + v * n, n, type);
    for (; v < x_rows; v++)
        any_gemv(y + v * ldy, W, x + v * n, rows, n, type);
}

#define GEMV_ROWS_OF(name, type, as) \
    static void gemv_rows##name(real *y, int ldy, const type *W, const real *x, int x_rows, \
                                int rows, int n) \
    { \
        any_gemv_rows(y, (size_t)ldy, W, x, (size_t)x_rows, (size_t)rows, (size_t)n, as); \
    }

GEMV_ROWS_OF(, real, WEIGHT_F32)
GEMV_ROWS_OF(_f16, uint16_t, WEIGHT_F16)
GEMV_ROWS_OF(_bf16, uint16_t, WEIGHT_BF16)

/* ---- transposed ------------------------------------------------------------------------------ */

enum {
    COLUMN_VECTORS = WKV_COLUMNS / VF_N,
    COLUMNS_AHEAD = 4096, /* bytes that a vector alone asks for ahead */
    WIDEN_VECTORS = 16,   /* from these on weights are widened for all of them, */
    WIDEN_INPUTS = 64     /* so many inputs at a time */
};

/* y += R rows of M from element `first` on, one after the other into each column. */
WKV_INLINE void add_rows(real *y, const void *M, size_t first, const real *x, size_t R,
                         size_t stride, size_t n, weight_type type)
{
    for (size_t i = 0; i < n; i += VF_N) {
        vf sum = load_some(y + i, n - i);
        for (size_t r = 0; r < R; r++)
            sum = vf_fma(vf_set1(x[r]), weights(M, first + r * stride + i, n - i, type), sum);
        store_some(y + i, sum, n - i);
    }
}

WKV_INLINE void any_gemv_t(real *y, const void *M, const real *x, size_t rows, size_t stride,
                           size_t n, weight_type type)
{
    size_t r = 0;
    for (size_t i = 0; i < n; i++)
        y[i] = 0;
    for (; r + GEMV_T_ROWS <= rows; r += GEMV_T_ROWS)
        add_rows(y, M, r * stride, x + r, GEMV_T_ROWS, stride, n, type);
    for (; r < rows; r++)
        add_rows(y, M, r * stride, x + r, 1, stride, n, type);
}

static void gemv_t(real *y, const real *M, const real *x, int rows, int stride, int n)
{
    any_gemv_t(y, M, x, (size_t)rows, (size_t)stride, (size_t)n, WEIGHT_F32);
}

/* Inputs that some vectors have of columns of M: their elements, `stride` apart in M, and those of
 * vectors, ldx apart. */
typedef struct columns {
    const void *M;
    const real *x;
    size_t inputs, stride, ldx;
    bool more; /* what y has already is added to */
} columns;

/* V vectors times J vectors of columns, from column `first` on: each column one sum, input after
 * input, as above. */
WKV_INLINE void columns_block(real *y, size_t ldy, const columns *c, size_t first, size_t V,
                              size_t J, size_t lanes, weight_type type)
{
    vf s[VF_GEMM_ROWS][COLUMN_VECTORS];
    for (size_t v = 0; v < V; v++)
        for (size_t j = 0; j < J; j++)
            s[v][j] = c->more ? load_some(y + v * ldy + j * VF_N, lanes) : vf_zero();
    for (size_t i = 0; i < c->inputs; i++) {
        const size_t at = first + i * c->stride;
        vf m[COLUMN_VECTORS];
        for (size_t line = 0; V == 1 && line < J * VF_N * size_of(type); line += 64)
            WKV_PREFETCH((const char *)c->M + at * size_of(type) + line + COLUMNS_AHEAD);
        for (size_t j = 0; j < J; j++)
            m[j] = weights(c->M, at + j * VF_N, lanes, type);
        for (size_t v = 0; v < V; v++) {
            const vf xi = vf_set1(c->x[v * c->ldx + i]);
            for (size_t j = 0; j < J; j++)
                s[v][j] = vf_fma(xi, m[j], s[v][j]);
        }
    }
    for (size_t v = 0; v < V; v++)
        for (size_t j = 0; j < J; j++)
            store_some(y + v * ldy + j * VF_N, s[v][j], lanes);
}

WKV_INLINE void all_columns(real *y, size_t ldy, const columns *c, size_t n, weight_type type)
{
    enum { V = VF_GEMM_ROWS };
    size_t i = 0;
    for (; i + 2 * VF_N <= n; i += 2 * VF_N)
        columns_block(y + i, ldy, c, i, V, 2, VF_N, type);
    for (; i + VF_N <= n; i += VF_N)
        columns_block(y + i, ldy, c, i, V, 1, VF_N, type);
    if (i < n)
        columns_block(y + i, ldy, c, i, V, 1, n - i, type);
}

/* Vectors by VF_GEMM_ROWS; returns how many. */
WKV_INLINE size_t whole_blocks(real *y, size_t ldy, columns c, size_t x_rows, size_t n,
                               weight_type type)
{
    size_t v = 0;
    for (; v + VF_GEMM_ROWS <= x_rows; v += VF_GEMM_ROWS, c.x += VF_GEMM_ROWS * c.ldx)
        all_columns(y + v * ldy, ldy, &c, n, type);
    return v;
}

/* The same with at most WKV_COLUMNS columns, which become reals side by side once for all vectors,
 * some inputs at a time. */
WKV_INLINE size_t widened_blocks(real *y, size_t ldy, const columns *c, size_t x_rows, size_t n,
                                 weight_type type)
{
    real wide[WIDEN_INPUTS * WKV_COLUMNS];
    size_t done = 0;
    for (size_t i = 0; i < c->inputs; i += WIDEN_INPUTS) {
        const size_t left = c->inputs - i, inputs = left < WIDEN_INPUTS ? left : WIDEN_INPUTS;
        for (size_t k = 0; k < inputs; k++)
            for (size_t o = 0; o < n; o += VF_N)
                vf_store(wide + k * WKV_COLUMNS + o,
                         weights(c->M, (i + k) * c->stride + o, n - o, type));
        const columns part = {wide, c->x + i, inputs, WKV_COLUMNS, c->ldx, i > 0};
        done = whole_blocks(y, ldy, part, x_rows, n, WEIGHT_F32);
    }
    return done;
}

WKV_INLINE void any_gemv_rows_t(real *y, size_t ldy, const void *M, const real *x, size_t x_rows,
                                size_t rows, size_t stride, size_t n, weight_type type)
{
    const columns c = {M, x, rows, stride, rows, false};
    if (x_rows == 1 && n == WKV_COLUMNS) {
        columns_block(y, ldy, &c, 0, 1, COLUMN_VECTORS, VF_N, type);
        return;
    }
    const bool widen = x_rows >= WIDEN_VECTORS && n <= WKV_COLUMNS;
    size_t v = widen ? widened_blocks(y, ldy, &c, x_rows, n, type)
                     : whole_blocks(y, ldy, c, x_rows, n, type);
    for (; v < x_rows; v++)
        any_gemv_t(y + v * ldy, M, x + v * rows, rows, stride, n, type);
}

#define GEMV_ROWS_T_OF(name, type, as) \
    static void gemv_rows_t##name(real *y, int ldy, const type *M, const real *x, int x_rows, \
                                  int rows, int stride, int n) \
    { \
        any_gemv_rows_t(y, (size_t)ldy, M, x, (size_t)x_rows, (size_t)rows, (size_t)stride, \
                        (size_t)n, as); \
    }

GEMV_ROWS_T_OF(, real, WEIGHT_F32)
GEMV_ROWS_T_OF(_f16, uint16_t, WEIGHT_F16)
GEMV_ROWS_T_OF(_bf16, uint16_t, WEIGHT_BF16)

/* ---- some inputs alone ------------------------------------------------------------------------
 */

enum { AT_AHEAD = 32 };

/* No prefetcher foresees which inputs come. */
WKV_INLINE void ask_for_row(const void *W, size_t row, weight_type type)
{
    const size_t bytes = WKV_COLUMNS * size_of(type);
    for (size_t line = 0; line < bytes; line += 64)
        WKV_PREFETCH((const char *)W + row * bytes + line);
}

WKV_INLINE void any_gemv_at(real *y, const void *W, const real *x, const uint32_t *at, size_t n_at,
                            size_t n_out, weight_type type, bool add)
{
    vf s[COLUMN_VECTORS];
    for (size_t k = 0; k < COLUMN_VECTORS; k++)
        s[k] = vf_zero();
    for (size_t j = 0; j < AT_AHEAD && j < n_at; j++)
        ask_for_row(W, at[j], type);
    for (size_t j = 0; j < n_at; j++) {
        const size_t row = at[j];
        ask_for_row(W, at[j + AT_AHEAD < n_at ? j + AT_AHEAD : j], type);
        const vf xi = vf_set1(x[row]);
        for (size_t k = 0; k < COLUMN_VECTORS; k++)
            s[k] = vf_fma(weights(W, row * WKV_COLUMNS + k * VF_N, VF_N, type), xi, s[k]);
    }
    for (size_t k = 0; k < COLUMN_VECTORS && k * VF_N < n_out; k++) {
        real *to = y + k * VF_N;
        const size_t left = n_out - k * VF_N, lanes = left < VF_N ? left : VF_N;
        const vf sum = vf_add(s[k], vf_zero()); /* never -0 */
        store_some(to, add ? vf_add(load_some(to, lanes), sum) : sum, lanes);
    }
}

#define GEMV_AT(name, type, as) \
    static void gemv_at##name(real *y, const type *W, const real *x, const uint32_t *at, int n_at, \
                              int n_out, bool add) \
    { \
        any_gemv_at(y, W, x, at, (size_t)n_at, (size_t)n_out, as, add); \
    }

GEMV_AT(, real, WEIGHT_F32)
GEMV_AT(_f16, uint16_t, WEIGHT_F16)
GEMV_AT(_bf16, uint16_t, WEIGHT_BF16)

static void set_gemv(wkv_kern *k)
{
    k->gemv_at = gemv_at;
    k->gemv_at_f16 = gemv_at_f16;
    k->gemv_at_bf16 = gemv_at_bf16;
    k->gemv = gemv;
    k->gemv_f16 = gemv_f16;
    k->gemv_bf16 = gemv_bf16;
    k->gemv_t = gemv_t;
    k->gemv_rows = gemv_rows;
    k->gemv_rows_f16 = gemv_rows_f16;
    k->gemv_rows_bf16 = gemv_rows_bf16;
    k->gemv_rows_t = gemv_rows_t;
    k->gemv_rows_t_f16 = gemv_rows_t_f16;
    k->gemv_rows_t_bf16 = gemv_rows_t_bf16;
}
