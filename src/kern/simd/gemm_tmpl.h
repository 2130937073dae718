/* kern/simd/gemm_tmpl.h - the matrix product, for where no library does it.
 *
 * B is taken in panels of PANEL columns and DEPTH rows, copied (and transposed if need
 * be) into a buffer on the stack that fits L1; VF_GEMM_ROWS rows of A then meet a panel
 * in registers.  A is read where it lies, BAND rows for each panel, which stay in L2.
 * With few rows a panel is used once or twice and not worth copying.
 * An element is one sum over k, cut every DEPTH terms, wherever it lies in the whole. */

enum {
    PANEL_VECTORS = 2,
    PANEL = PANEL_VECTORS * VF_N,
    FEW = 2 * VF_GEMM_ROWS,
    DEPTH = 256,
    BAND = 256
};

/* A factor: element (row, col) is at p[row * row_step + col * col_step]. */
typedef struct factor {
    const real *p;
    size_t row_step, col_step;
} factor;

static factor factor_of(const real *p, size_t stride, bool transposed)
{
    return transposed ? (factor){p, 1, stride} : (factor){p, stride, 1};
}

/* VF_N columns from j on whose elements follow each other in memory down the column. */
static void pack_transposed(real *panel, const real *b, size_t stride, size_t depth, size_t cols)
{
    for (size_t l = 0; l < depth; l += VF_N) {
        vf block[VF_N];
        for (size_t j = 0; j < VF_N; j++)
            block[j] = j < cols ? load_some(b + j * stride + l, depth - l) : vf_zero();
        vf_transpose(block);
        for (size_t i = 0; i < VF_N && l + i < depth; i++)
            vf_store(panel + (l + i) * PANEL, block[i]);
    }
}

static void pack_plain(real *panel, const real *b, size_t stride, size_t depth, size_t cols)
{
    for (size_t l = 0; l < depth; l++)
        vf_store(panel + l * PANEL, load_some(b + l * stride, cols));
}

/* depth rows of `cols` columns of B from b on; columns beyond are zero. */
static void pack(real *panel, const real *b, factor B, size_t depth, size_t cols)
{
    for (size_t v = 0; v < PANEL_VECTORS; v++) {
        size_t left = cols > v * VF_N ? cols - v * VF_N : 0;
        if (left == 0)
            for (size_t i = 0; i < depth; i++)
                vf_store(panel + i * PANEL + v * VF_N, vf_zero());
        else if (B.col_step == 1)
            pack_plain(panel + v * VF_N, b + v * VF_N, B.row_step, depth, left);
        else
            pack_transposed(panel + v * VF_N, b + v * VF_N * B.col_step, B.col_step, depth, left);
    }
}

/* A panel of B, packed or where it lies: rows `step` apart. */
typedef struct panel_rows {
    const real *p;
    size_t step, depth, cols;
} panel_rows;

/* C (R, cols) = or += A (R, depth) panel. */
WKV_INLINE void multiply_block(real *C, size_t ldc, const real *a, size_t row_step, size_t col_step,
                               panel_rows B, size_t R, bool add)
{
    vf sum[VF_GEMM_ROWS][PANEL_VECTORS];
    for (size_t i = 0; i < R; i++)
        for (size_t v = 0; v < PANEL_VECTORS; v++)
            sum[i][v] = vf_zero();
    for (size_t l = 0; l < B.depth; l++, a += col_step, B.p += B.step) {
        vf b[PANEL_VECTORS];
        for (size_t v = 0; v < PANEL_VECTORS; v++)
            b[v] = vf_load(B.p + v * VF_N);
        for (size_t i = 0; i < R; i++) {
            vf ai = vf_set1(a[i * row_step]);
            for (size_t v = 0; v < PANEL_VECTORS; v++)
                sum[i][v] = vf_fma(ai, b[v], sum[i][v]);
        }
    }
    for (size_t i = 0; i < R; i++)
        for (size_t v = 0; v < PANEL_VECTORS && v * VF_N < B.cols; v++) {
            real *c = C + i * ldc + v * VF_N;
            size_t lanes = B.cols - v * VF_N;
            store_some(c, add ? vf_add(load_some(c, lanes), sum[i][v]) : sum[i][v], lanes);
        }
}

/* Rows i .. i + R - 1; which step of A is 1 is known to the compiler in each copy. */
WKV_INLINE void multiply_rows(real *C, size_t ldc, factor A, size_t i, panel_rows B, size_t R,
                              bool add)
{
    const real *a = A.p + i * A.row_step;
    if (A.col_step == 1)
        multiply_block(C + i * ldc, ldc, a, A.row_step, 1, B, R, add);
    else
        multiply_block(C + i * ldc, ldc, a, 1, A.col_step, B, R, add);
}

/* m rows of A against one panel: in blocks, the last few in powers of two. */
static void multiply_panel(real *C, size_t ldc, factor A, size_t m, panel_rows B, bool add)
{
    size_t i = 0;
    for (; i + VF_GEMM_ROWS <= m; i += VF_GEMM_ROWS)
        multiply_rows(C, ldc, A, i, B, VF_GEMM_ROWS, add);
    for (; i + 4 <= m; i += 4)
        multiply_rows(C, ldc, A, i, B, 4, add);
    for (; i + 2 <= m; i += 2)
        multiply_rows(C, ldc, A, i, B, 2, add);
    for (; i < m; i++)
        multiply_rows(C, ldc, A, i, B, 1, add);
}

/* C (m, n) = or += A (m, depth) B (depth, n) for one band of rows. */
static void multiply_band(real *C, size_t ldc, factor A, factor B, size_t m, size_t n, size_t depth,
                          bool add)
{
    _Alignas(64) real buffer[DEPTH * PANEL];
    for (size_t j = 0; j < n; j += PANEL) {
        panel_rows q = {buffer, PANEL, depth, n - j < PANEL ? n - j : PANEL};
        const real *b = B.p + j * B.col_step;
        if (m <= FEW && B.col_step == 1 && q.cols == PANEL) {
            q.p = b;
            q.step = B.row_step;
        } else {
            pack(buffer, b, B, depth, q.cols);
        }
        multiply_panel(C + j, ldc, A, m, q, add);
    }
}

static void clear(real *C, size_t ldc, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            C[i * ldc + j] = 0;
}

static void gemm(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                 int ldc, bool trans_a, bool trans_b, bool accumulate)
{
    size_t rows = (size_t)m, columns = (size_t)n, terms = (size_t)k, step = (size_t)ldc;
    factor a = factor_of(A, (size_t)lda, trans_a), b = factor_of(B, (size_t)ldb, trans_b);
    if (terms == 0 && !accumulate)
        clear(C, step, rows, columns);
    for (size_t l = 0; l < terms; l += DEPTH) {
        size_t depth = terms - l < DEPTH ? terms - l : DEPTH;
        for (size_t i = 0; i < rows; i += BAND) {
            size_t band = rows - i < BAND ? rows - i : BAND;
            factor a_part = a, b_part = b;
            a_part.p += i * a.row_step + l * a.col_step;
            b_part.p += l * b.row_step;
            multiply_band(C + i * step, step, a_part, b_part, band, columns, depth,
                          accumulate || l > 0);
        }
    }
}

static void set_gemm(wkv_kern *k)
{
    k->gemm = gemm;
}
