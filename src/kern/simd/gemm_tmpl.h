/* kern/simd/gemm_tmpl.h - the matrix product of reals.
 *
 * DEPTH terms of k at a time, COLUMNS columns of B and then ROWS rows of A are copied into panels
 * in `room`, transposed if need be: PANEL columns or VF_GEMM_ROWS rows side by side, so that the
 * inner loop reads both in the order of memory, however far their rows lie apart.  A panel of B
 * stays in the first cache while all panels of A, in the second, meet it in registers.
 * With few rows a panel of B is used once or twice and not worth copying: it is read where it lies,
 * along its rows, or else along its columns as the left factor of the transposed product.
 * An element is one sum over k, cut every DEPTH terms, wherever it lies in the whole. */

enum {
    PANEL_VECTORS = 2,
    PANEL = PANEL_VECTORS * VF_N,
    PANEL_BYTES = 24 * 1024,
    DEPTH = PANEL_BYTES / (PANEL * (int)sizeof(real)),
    ROWS = 12 * VF_GEMM_ROWS,
    FEW = 2 * VF_GEMM_ROWS, /* rows that meet B's rows where they lie, */
    FEW_ACROSS = 48,        /* or at most its columns */
    COLUMNS = 512,
    APART = 64 / (int)sizeof(real), /* a line between panels, so that their terms meet in no set */
    ROOM_B = COLUMNS / PANEL * (PANEL * DEPTH + APART), /* reals */
    ROOM_A = ROWS / VF_GEMM_ROWS * (VF_N * DEPTH + APART)
};

/* A factor: term k of row (of A) or column (of B) `side` is at p[side * side_step + k * k_step]. */
typedef struct factor {
    const real *p;
    size_t side_step, k_step;
} factor;

static factor factor_at(factor f, size_t side, size_t k)
{
    f.p += side * f.side_step + k * f.k_step;
    return f;
}

/* ---- panels ------------------------------------------------------------------------------ */

/* Of panels: each has `group` sides, and for each term `width` reals, of which those beyond the
 * group mean nothing, and those of sides that there are not are zeros; from one to the next `step`
 * reals. */
typedef struct shape {
    size_t group, width, depth, step;
} shape;

static shape shape_of(size_t group, size_t width, size_t depth)
{
    return (shape){group, width, depth, width * depth + APART};
}

/* Where the sides of a term follow each other: term by term, all panels at once. */
WKV_INLINE void pack_along(real *to, factor f, size_t sides, shape s)
{
    for (size_t l = 0; l < s.depth; l++, to += s.width, f.p += f.k_step) {
        real *panel = to;
        size_t i = 0;
        for (; i + s.width <= sides; i += s.group, panel += s.step)
            for (size_t v = 0; v < s.width; v += VF_N)
                vf_store(panel + v, vf_load(f.p + i + v));
        for (; i < sides; i += s.group, panel += s.step)
            for (size_t v = 0; v < s.width; v += VF_N)
                vf_store(panel + v,
                         sides > i + v ? load_some(f.p + i + v, sides - i - v) : vf_zero());
    }
}

/* Where the terms of a side follow each other: VF_N sides of a panel at a time. */
static void pack_across(real *to, factor f, size_t sides, size_t width, size_t depth)
{
    for (size_t l = 0; l < depth; l += VF_N) {
        vf block[VF_N];
        for (size_t i = 0; i < VF_N; i++)
            block[i] = i < sides ? load_some(f.p + i * f.side_step + l, depth - l) : vf_zero();
        vf_transpose(block);
        for (size_t i = 0; i < VF_N && l + i < depth; i++)
            vf_store(to + (l + i) * width, block[i]);
    }
}

WKV_INLINE void pack(real *to, factor f, size_t sides, shape s)
{
    if (f.side_step == 1) {
        pack_along(to, f, sides, s);
        return;
    }
    for (size_t i = 0; i < sides; i += s.group, to += s.step)
        for (size_t v = 0; v < s.width; v += VF_N)
            pack_across(to + v, factor_at(f, i + v, 0),
                        sides > i + v ? least(sides - i - v, s.group) : 0, s.width, s.depth);
}

/* ---- products ---------------------------------------------------------------------------- */

/* Panels of A, packed or where they lie: the first of them, and reals to the next. */
typedef struct panels {
    factor first;
    size_t step;
} panels;

/* A slice of `depth` terms: m rows of A, n columns of B; perhaps of the transposed product. */
typedef struct slice {
    factor A, B;
    size_t m, n, depth;
    bool add, across;
} slice;

/* Where row i and column j are in C. */
WKV_INLINE real *place(real *C, size_t ldc, size_t i, size_t j, bool across)
{
    return across ? C + j * ldc + i : C + i * ldc + j;
}

WKV_INLINE void put_sums(real *C, size_t ldc, vf sum[VF_GEMM_ROWS][PANEL_VECTORS], size_t rows,
                         size_t columns, bool add)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v * VF_N < columns; v++) {
            real *c = C + i * ldc + v * VF_N;
            const size_t lanes = columns - v * VF_N;
            store_some(c, add ? vf_add(load_some(c, lanes), sum[i][v]) : sum[i][v], lanes);
        }
}

/* The same with C transposed. */
static void put_across(real *C, size_t ldc, vf sum[VF_GEMM_ROWS][PANEL_VECTORS], size_t rows,
                       size_t columns, bool add)
{
    real plain[VF_GEMM_ROWS][PANEL];
    for (size_t i = 0; i < VF_GEMM_ROWS; i++)
        for (size_t v = 0; v < PANEL_VECTORS; v++)
            vf_store(plain[i] + v * VF_N, sum[i][v]);
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            C[j * ldc + i] = add ? C[j * ldc + i] + plain[i][j] : plain[i][j];
}

/* C (rows, columns) = or += a panel of A times one of B. */
WKV_INLINE void multiply_panels(real *C, size_t ldc, factor a, factor b, const slice *s,
                                size_t rows, size_t columns)
{
    vf sum[VF_GEMM_ROWS][PANEL_VECTORS];
    for (size_t i = 0; i < VF_GEMM_ROWS; i++)
        for (size_t v = 0; v < PANEL_VECTORS; v++)
            sum[i][v] = vf_zero();
    for (size_t l = 0; l < s->depth; l++, a.p += a.k_step, b.p += b.k_step) {
        vf bv[PANEL_VECTORS];
        for (size_t v = 0; v < PANEL_VECTORS; v++)
            bv[v] = vf_load(b.p + v * VF_N);
        for (size_t i = 0; i < VF_GEMM_ROWS; i++) {
            const vf ai = vf_set1(a.p[i * a.side_step]);
            for (size_t v = 0; v < PANEL_VECTORS; v++)
                sum[i][v] = vf_fma(ai, bv[v], sum[i][v]);
        }
    }
    if (s->across)
        put_across(C, ldc, sum, least(rows, VF_GEMM_ROWS), columns, s->add);
    else if (rows >= VF_GEMM_ROWS && columns == PANEL)
        put_sums(C, ldc, sum, VF_GEMM_ROWS, PANEL, s->add);
    else
        put_sums(C, ldc, sum, least(rows, VF_GEMM_ROWS), columns, s->add);
}

static void multiply_packed(real *C, size_t ldc, const real *a, factor b, const slice *s,
                            size_t rows, size_t columns)
{
    multiply_panels(C, ldc, (factor){a, 1, VF_N}, b, s, rows, columns);
}

static void multiply_in_place(real *C, size_t ldc, const real *a, size_t apart, factor b,
                              const slice *s, size_t rows, size_t columns)
{
    multiply_panels(C, ldc, (factor){a, apart, 1}, b, s, rows, columns);
}

/* Rows of A in panels against all columns, of which the first `in_place` lie so. */
static void multiply_rows(real *C, size_t ldc, const slice *s, panels a, const real *b, size_t rows,
                          size_t in_place)
{
    for (size_t j = 0; j < s->n; j += PANEL, b += shape_of(PANEL, PANEL, s->depth).step) {
        const factor B = j < in_place ? factor_at(s->B, j, 0) : (factor){b, 1, PANEL};
        const size_t columns = least(s->n - j, PANEL);
        const real *panel = a.first.p;
        for (size_t r = 0; r < rows; r += VF_GEMM_ROWS, panel += a.step) {
            real *c = place(C, ldc, r, j, s->across);
            if (a.first.side_step == 1)
                multiply_packed(c, ldc, panel, B, s, rows - r, columns);
            else
                multiply_in_place(c, ldc, panel, a.first.side_step, B, s, rows - r, columns);
        }
    }
}

/* At most COLUMNS columns; ROWS rows at a time, if they are packed. */
static void multiply_slice(real *C, size_t ldc, const slice *s, real *room)
{
    const shape rows = shape_of(VF_GEMM_ROWS, VF_N, s->depth);
    const shape columns = shape_of(PANEL, PANEL, s->depth);
    const size_t in_place = s->m <= FEW && s->B.side_step == 1 ? s->n / PANEL * PANEL : 0;
    real *b = room, *a = room + ROOM_B;
    pack(b + in_place / PANEL * columns.step, factor_at(s->B, in_place, 0), s->n - in_place,
         columns);
    size_t i = 0;
    if (s->across) {
        i = s->m / VF_GEMM_ROWS * VF_GEMM_ROWS;
        multiply_rows(C, ldc, s, (panels){s->A, VF_GEMM_ROWS * s->A.side_step}, b, i, 0);
    }
    for (; i < s->m; i += ROWS) {
        const size_t m = least(s->m - i, ROWS);
        pack(a, factor_at(s->A, i, 0), m, rows);
        multiply_rows(place(C, ldc, i, 0, s->across), ldc, s, (panels){{a, 1, VF_N}, rows.step}, b,
                      m, in_place);
    }
}

static void clear(real *C, size_t ldc, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            C[i * ldc + j] = 0;
}

static factor factor_of(const real *p, int stride, bool along)
{
    return along ? (factor){p, 1, (size_t)stride} : (factor){p, (size_t)stride, 1};
}

/* Whether so few rows, as columns of the transposed product, fill their panels well enough. */
static bool are_few(size_t rows)
{
    return rows <= FEW_ACROSS && (rows + PANEL - 1) % PANEL >= PANEL / 2;
}

static void gemm(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                 int ldc, bool trans_a, bool trans_b, bool accumulate, void *room)
{
    const factor a = factor_of(A, lda, trans_a), b = factor_of(B, ldb, !trans_b);
    const size_t rows = (size_t)m, columns = (size_t)n, terms = (size_t)k, step = (size_t)ldc;
    const bool across = are_few(rows) && m < n && trans_b && ldb > 1;
    const slice all = across ? (slice){.A = b, .B = a, .m = columns, .n = rows, .across = true}
                             : (slice){.A = a, .B = b, .m = rows, .n = columns};
    if (terms == 0 && !accumulate)
        clear(C, step, rows, columns);
    for (size_t j = 0; j < all.n; j += COLUMNS)
        for (size_t l = 0; l < terms; l += DEPTH) {
            slice s = all;
            s.A = factor_at(all.A, 0, l);
            s.B = factor_at(all.B, j, l);
            s.n = least(all.n - j, COLUMNS);
            s.depth = least(terms - l, DEPTH);
            s.add = accumulate || l > 0;
            multiply_slice(place(C, step, 0, j, across), step, &s, room);
        }
}

/* fastest: no library known is faster with this instruction set. */
static void set_gemm(wkv_kern *k, bool fastest)
{
    k->gemm = gemm;
    k->gemm_fastest = fastest;
    k->gemm_room = (ROOM_B + ROOM_A) * sizeof(real);
}
