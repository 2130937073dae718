/* kern/simd/qmul_tmpl.h - products of packed weights (panel.h) with 8-bit activations.
 *
 * A vector has the VF_N outputs of a panel, or of a part of it.  One line of weights, four
 * inputs of each output, meets the four activations that are broadcast; nothing is ever
 * summed across lanes.  Several rows of activations go together, so that a line is
 * fetched and unpacked once for them; and so do both parts of a panel, or with many registers those
 * of two, so that activations are broadcast once for both. */

#include "kern/simd/qmul_lines.h"

/* Before a loop over groups: the compiler is to know the number of each. */
#ifdef VI_CONSTANT_GROUPS
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

/* Sums of rows times panels that registers hold; parts of a panel; parts that go together. */
enum {
    QMUL_SUMS = QMUL_ROWS,
    PANEL_PARTS = WKV_PANEL / VF_N,
    STREAM_PARTS = QMUL_STREAMS * PANEL_PARTS,
    QMUL_PARTS = (int)STREAM_PARTS > (int)QMUL_PANELS ? (int)STREAM_PARTS : (int)QMUL_PANELS
};

/* How many panels a single row of activations meets at a time.  Q6K takes too many registers. */
WKV_INLINE int streams_of(wkv_layout l)
{
    return l == WKV_LAYOUT_Q6K ? 1 : QMUL_STREAMS;
}

/* Asks for what lies so far behind the bytes at `from` as one stream, or each of some, has to be
 * ahead. */
WKV_INLINE void ask_ahead(const unsigned char *from, size_t bytes, wkv_layout l)
{
    const size_t ahead = streams_of(l) > 1 ? 1024 : 4096;
    for (size_t line = 0; line < bytes; line += 64)
        WKV_PREFETCH(from + line + ahead);
}

WKV_INLINE vi dot(vi s, vi w, vx x, wkv_layout l)
{
    return l == WKV_LAYOUT_Q8 ? vi_dot(s, w, x) : vi_dot_small(s, w, x);
}

/* Group g of the blocks of P parts, at[p] bytes behind the first. */
WKV_INLINE void groups_of(vi *w, const unsigned char *block, const size_t *at, int g, int P,
                          wkv_layout l)
{
    for (int p = 0; p < P; p++)
        w[p] = group_of(block + at[p], g, l);
}

/* sum[r] += the sum over groups [g, end) of a block with R rows of x, each n bytes. */
#ifdef VI_PAIRS
WKV_INLINE void sum_pairs(vi *sum, const unsigned char *block, int g, int end, const int8_t *x,
                          size_t n, int R, wkv_layout l)
{
    vi s[QMUL_ROWS];
    for (int r = 0; r < R; r++)
        s[r] = vi_set1(0);
#pragma GCC unroll 4 /* all */
    for (; g < end; g += 2) {
        vi w[2] = {group_of(block, g, l), group_of(block, g + 1, l)};
        vi_pair_groups(w);
        for (int r = 0; r < R; r += 2) {
            const int8_t *a = x + (size_t)r * n + 4 * g;
            const int8x16_t rows = vi_pair_rows(a, a + n);
            s[r] = vi_dot_pairs(s[r], w[0], rows);
            s[r + 1] = vi_dot_pairs(s[r + 1], w[1], rows);
        }
    }
    for (int r = 0; r < R; r++) {
        if (r % 2 == 0)
            vi_part_rows(s + r);
        sum[r] = vi_add(sum[r], s[r]);
    }
}
#endif

#ifdef VI_NARROW
/* The same for the whole of blocks with P parts, of numbers up to 15, whose products are summed in
 * 16 bits first. */
WKV_INLINE void sum_nibbles(vi *sum, const unsigned char *block, const size_t *at, const int8_t *x,
                            size_t n, int P, int R, wkv_layout l)
{
    vi s[QMUL_SUMS];
    for (int i = 0; i < P * R; i++)
        s[i] = vi_set1(0);
#pragma GCC unroll 8 /* all */
    for (int g = 0; g < 8; g++) {
        vi w[QMUL_PARTS];
        groups_of(w, block, at, g, P, l);
        for (int r = 0; r < R; r++) {
            const vx activations = vx_of(x + (size_t)r * n, g);
            for (int p = 0; p < P; p++)
                s[p * R + r] = vi_dot_narrow(s[p * R + r], w[p], activations);
        }
    }
    for (int i = 0; i < P * R; i++)
        sum[i] = vi_add(sum[i], vi_widen(s[i], vi_times(vi_set1(1))));
}

/* Of numbers up to 63, two groups at a time; part p's sums are multiplied by times[p]. */
WKV_INLINE void sum_twos(vi *sum, const unsigned char *block, const size_t *at, int g, int end,
                         const int8_t *x, size_t n, const vi *times, int P, int R, wkv_layout l)
{
#pragma GCC unroll 4 /* all */
    for (; g < end; g += 2)
        for (int p = 0; p < P; p++) {
            const vi w[2] = {group_of(block + at[p], g, l), group_of(block + at[p], g + 1, l)};
            for (int r = 0; r < R; r++) {
                const int8_t *row = x + (size_t)r * n;
                const vx activations[2] = {vx_of(row, g), vx_of(row, g + 1)};
                sum[p * R + r] = vi_dot_two(sum[p * R + r], w, activations, times[p]);
            }
        }
}
#endif

/* The same for P parts: sum[p * R + r]. */
WKV_INLINE void sum_groups(vi *sum, const unsigned char *block, const size_t *at, int g, int end,
                           const int8_t *x, size_t n, int P, int R, wkv_layout l)
{
#ifdef VI_PAIRS
    if (R % 2 == 0) {
        sum_pairs(sum, block, g, end, x, n, R, l);
        return;
    }
#endif
#ifdef VI_NARROW
    if (l == WKV_LAYOUT_Q4 || l == WKV_LAYOUT_Q4K) {
        sum_nibbles(sum, block, at, x, n, P, R, l);
        return;
    }
    if (l != WKV_LAYOUT_Q8) {
        vi times[QMUL_PARTS];
        for (int p = 0; p < P; p++)
            times[p] = vi_times(vi_set1(1));
        sum_twos(sum, block, at, g, end, x, n, times, P, R, l);
        return;
    }
#endif
    vi other = vi_set1(0); /* one row alone would wait for each sum to be done */
    UNROLL
    for (; g < end; g++) {
        vi w[QMUL_PARTS];
        groups_of(w, block, at, g, P, l);
        for (int r = 0; r < R; r++) {
            const vx activations = vx_of(x + (size_t)r * n, g);
            for (int p = 0; p < P; p++) {
                vi *s = P * R == 1 && g % 2 ? &other : &sum[p * R + r];
                *s = dot(*s, w[p], activations, l);
            }
        }
    }
    if (P * R == 1)
        sum[0] = vi_add(sum[0], other);
}

/* VF_N outputs: lanes of a panel from `lane` on, or P times as many, part by part; R rows from
 * `row` on. */
typedef struct part {
    const unsigned char *scales, *blocks;
    const wkv_qrows *x;
    size_t row, lane, n;
    size_t apart, outputs; /* bytes and outputs from a panel to the next that goes with it */
} part;

/* Part i lies in the same panel, or in one that comes later. */
WKV_INLINE size_t lane_of(const part *p, int i)
{
    return (p->lane + (size_t)i * VF_N) % WKV_PANEL;
}

WKV_INLINE size_t panel_of(const part *p, int i)
{
    return (p->lane + (size_t)i * VF_N) / WKV_PANEL;
}

WKV_INLINE size_t bytes_to(const part *p, int i)
{
    return panel_of(p, i) * p->apart;
}

/* The lines of block b, and from those of the first part to those of part i. */
WKV_INLINE const unsigned char *lines_of(const part *p, size_t b, wkv_layout l)
{
    return p->blocks + b * (size_t)wkv_layout_of(l).block + 4 * p->lane;
}

WKV_INLINE void lines_to(size_t *at, const part *p, int P)
{
    for (int i = 0; i < P; i++)
        at[i] = bytes_to(p, i) + 4 * lane_of(p, i) - 4 * p->lane;
}

/* What an offset of 1 adds to the product with block `at` of the activations. */
WKV_INLINE float offset_part(const part *p, size_t at)
{
    return p->x->scale[at] * (float)(p->x->sums[2 * at] + p->x->sums[2 * at + 1]);
}

/* total[i * R + r] = the integers of block b of part i. */
WKV_INLINE void sum_block(vi *total, const part *p, size_t b, int P, int R, wkv_layout l)
{
    const size_t blocks = p->n / WKV_QBLOCK, at = p->row * blocks + b;
    for (int r = 0; r < R; r++) {
        const int32_t *sums = p->x->sums + 2 * (at + (size_t)r * blocks);
        const vi less = vi_set1(-offset_of(l) * (sums[0] + sums[1]));
        for (int i = 0; i < P; i++)
            total[i * R + r] = less;
    }
    size_t to[QMUL_PARTS];
    lines_to(to, p, P);
    sum_groups(total, lines_of(p, b, l), to, 0, 8, p->x->q + at * WKV_QBLOCK, p->n, P, R, l);
}

/* The same where each half of a block has a scale of its own. */
WKV_INLINE void sum_halves(vi *total, const part *p, size_t b, const block_scales *s, int P, int R,
                           wkv_layout l)
{
    const size_t blocks = p->n / WKV_QBLOCK, at = p->row * blocks + b;
    const unsigned char *lines = lines_of(p, b, l);
    const int8_t *x = p->x->q + at * WKV_QBLOCK;
    size_t to[QMUL_PARTS];
    lines_to(to, p, P);
    for (int i = 0; i < P * R; i++)
        total[i] = vi_set1(0);
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int g = 4 * half;
        vi sum[QMUL_SUMS];
        for (int r = 0; r < R; r++) {
            const int32_t *sums = p->x->sums + 2 * (at + (size_t)r * blocks);
            const vi less = vi_set1(-offset_of(l) * sums[half]);
            for (int i = 0; i < P; i++)
                sum[i * R + r] = less;
        }
#ifdef VI_NARROW /* what widens them multiplies, too */
        vi times[QMUL_PARTS];
        for (int i = 0; i < P; i++)
            times[i] = vi_times(s[i].half[half]);
        sum_twos(total, lines, to, g, g + 4, x, p->n, times, P, R, l);
#else
        sum_groups(sum, lines, to, g, g + 4, x, p->n, P, R, l);
#endif
        for (int i = 0; i < P * R; i++)
            total[i] = vi_add(total[i], vi_mul(s[i / R].half[half], sum[i]));
    }
}

/* acc[i * R + r] += block b of part i; shared[i] is of shared_scales. */
WKV_INLINE void add_block(vf *acc, const part *p, size_t b, const block_scales *shared, int P,
                          int R, wkv_layout l)
{
    const size_t blocks = p->n / WKV_QBLOCK, at = p->row * blocks + b;
    block_scales s[QMUL_PARTS];
    vi sum[QMUL_SUMS];
    for (int i = 0; i < P; i++)
        s[i] = own_scales(shared[i], p->scales + bytes_to(p, i), b, lane_of(p, i), l);
    if (l == WKV_LAYOUT_Q6K)
        sum_halves(sum, p, b, s, P, R, l);
    else
        sum_block(sum, p, b, P, R, l);
    for (int i = 0; i < P * R; i++) {
        const size_t row = at + (size_t)(i % R) * blocks;
        const vf scale = vf_mul(s[i / R].d, vf_set1(p->x->scale[row]));
        acc[i] = vf_fma(vi_to_float(sum[i]), scale, acc[i]);
        if (has_offsets(l))
            acc[i] = add_offset(acc[i], s[i / R].m, offset_part(p, row), l);
    }
}

/* Asks for what block b of the panels of P parts has so far ahead; with the first block, for
 * scales, or each panel would begin with a gap as long as these. */
WKV_INLINE void ask_for_block(const part *p, size_t b, int P, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block;
    for (int i = 0; i < P; i++) {
        if (lane_of(p, i) != 0) /* found in the cache */
            continue;
        if (b == 0)
            ask_ahead(p->scales + bytes_to(p, i), (size_t)(p->blocks - p->scales), l);
        ask_ahead(p->blocks + bytes_to(p, i) + b * bytes, bytes, l);
    }
}

/* R rows times the outputs of P parts, n_lanes of those of the last. */
WKV_INLINE void multiply_part(real *y, size_t ldy, const part *p, size_t n_lanes, int P, int R,
                              wkv_layout l, bool add)
{
    vf acc[QMUL_SUMS];
    for (int i = 0; i < P * R; i++)
        acc[i] = vf_zero();
    const size_t blocks = p->n / WKV_QBLOCK;
    const size_t sharing = (size_t)wkv_layout_of(l).span / WKV_QBLOCK;
    for (size_t b = 0; b < blocks;) {
        block_scales shared[QMUL_PARTS];
        for (int i = 0; i < P; i++)
            shared[i] = shared_scales(p->scales + bytes_to(p, i), b, lane_of(p, i), l);
        for (const size_t end = b + sharing; b < end; b++) {
            if (R == 1)
                ask_for_block(p, b, P, l);
            add_block(acc, p, b, shared, P, R, l);
        }
    }
    for (int i = 0; i < P * R; i++) {
        real *to = y + (size_t)(i % R) * ldy + panel_of(p, i / R) * p->outputs + lane_of(p, i / R) -
                   p->lane;
        const size_t lanes = i / R < P - 1 ? VF_N : n_lanes;
        store_some(to, add ? vf_add(load_some(to, lanes), acc[i]) : acc[i], lanes);
    }
}

/* Rows from p.row on with P parts, R at a time while there are as many; the row after them. */
WKV_INLINE size_t multiply_rows(real *y, size_t ldy, part p, size_t rows, size_t n_lanes, int P,
                                int R, wkv_layout l, bool add)
{
    for (; rows - p.row >= (size_t)R; p.row += (size_t)R)
        multiply_part(y + p.row * ldy, ldy, &p, n_lanes, P, R, l, add);
    return p.row;
}

/* The rows from p.row on with one part, as many at a time as there are registers for. */
WKV_INLINE void multiply_one(real *y, size_t ldy, part p, size_t rows, size_t n_lanes, wkv_layout l,
                             bool add)
{
    p.row = multiply_rows(y, ldy, p, rows, n_lanes, 1, QMUL_ROWS, l, add);
    p.row = multiply_rows(y, ldy, p, rows, n_lanes, 1, QMUL_ROWS / 2, l, add);
    multiply_rows(y, ldy, p, rows, n_lanes, 1, 1, l, add);
}

/* The same with two parts; the row after those that are done.  A row that is left meets both halves
 * of a panel, too, but no two panels: these it reads as multiply_streams says. */
WKV_INLINE size_t multiply_pair(real *y, size_t ldy, part p, size_t rows, size_t n_lanes,
                                wkv_layout l, bool add)
{
    enum { PAIR_ROWS = QMUL_SUMS / 2 };
    p.row = multiply_rows(y, ldy, p, rows, n_lanes, QMUL_PANELS, PAIR_ROWS, l, add);
    if ((int)VF_N < (int)WKV_PANEL) {
        p.row = multiply_rows(y, ldy, p, rows, n_lanes, QMUL_PANELS, PAIR_ROWS / 2, l, add);
        p.row = multiply_rows(y, ldy, p, rows, n_lanes, QMUL_PANELS, 1, l, add);
    }
    return p.row;
}

/* From output `lane` of a panel on. */
WKV_INLINE part part_of(const unsigned char *panel, size_t lane, const wkv_qrows *x, size_t n,
                        wkv_layout l)
{
    return (part){.scales = panel,
                  .blocks = panel + wkv_panel_scales(l, n),
                  .x = x,
                  .lane = lane,
                  .n = n,
                  .apart = wkv_panel_bytes(l, n),
                  .outputs = WKV_PANEL};
}

/* One row with whole panels, some at a time that lie as far apart as they can: memory reads several
 * streams faster than one.  Returns how many outputs that were. */
WKV_INLINE size_t multiply_streams(real *y, const wkv_qrows *x, const unsigned char *panels,
                                   size_t n_out, size_t n, wkv_layout l, bool add)
{
    const size_t apart = wkv_panel_bytes(l, n), steps = n_out / WKV_PANEL / QMUL_STREAMS;
    if (streams_of(l) == 1)
        return 0;
    for (size_t i = 0; i < steps; i++) {
        part p = part_of(panels + i * apart, 0, x, n, l);
        p.apart *= steps;
        p.outputs *= steps;
        multiply_part(y + i * WKV_PANEL, 0, &p, VF_N, STREAM_PARTS, 1, l, add);
    }
    return steps * QMUL_STREAMS * WKV_PANEL;
}

WKV_INLINE void multiply(real *y, int ldy, const wkv_qrows *x, int rows,
                         const unsigned char *panels, int n_out, int n, wkv_layout l, bool add)
{
    const size_t apart = wkv_panel_bytes(l, (size_t)n), all = (size_t)n_out, ld = (size_t)ldy;
    size_t row = 0; /* the first that this panel has not met together with the one before it */
    size_t o = 0;
    if (rows == 1)
        o = multiply_streams(y, x, panels, all, (size_t)n, l, add);
    for (; o < all; o += VF_N) {
        part p = part_of(panels + o / WKV_PANEL * apart, o % WKV_PANEL, x, (size_t)n, l);
        p.row = row;
        const size_t left = all - o, next = left - VF_N;
        row = 0;
        if (QMUL_PANELS > 1 && p.row == 0 && left > VF_N)
            row = p.row =
                multiply_pair(y + o, ld, p, (size_t)rows, next < VF_N ? next : VF_N, l, add);
        multiply_one(y + o, ld, p, (size_t)rows, left < VF_N ? left : VF_N, l, add);
    }
}

#define QMUL(id, name, span, scales, block) \
    static void qmul_##name(real *y, int ldy, const wkv_qrows *x, int rows, \
                            const unsigned char *panels, int n_out, int n, bool add) \
    { \
        multiply(y, ldy, x, rows, panels, n_out, n, WKV_LAYOUT_##id, add); \
    }
WKV_PANEL_LAYOUTS(QMUL)
#undef QMUL

/* As many values as two vectors of 16 bits have lanes: half a block on AVX-512. */
static void quant_rows(int8_t *q, float *scale, int32_t *sums, const real *x, size_t n)
{
    enum { PARTS = WKV_QBLOCK / VF_N };
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, x += WKV_QBLOCK, q += WKV_QBLOCK) {
        vf v[PARTS];
        for (int i = 0; i < PARTS; i++)
            v[i] = vf_load(x + i * VF_N);
        float most = vi_most(v[0], v[1]);
        for (int i = 2; i < PARTS; i += 2) {
            float more = vi_most(v[i], v[i + 1]);
            most = more > most || more != more ? more : most;
        }
        const bool tiny = most < 0x1p-100f;
        scale[b] = tiny ? 0 : most / 127;
        vf inverse = vf_set1(tiny ? 0 : 127 / most);
        sums[2 * b] = sums[2 * b + 1] = 0;
        for (int i = 0; i < PARTS; i++) {
            vf scaled = vf_max(vf_mul(v[i], inverse), vf_set1(-127));
            scaled = vf_min(scaled, vf_set1(127));
            vi_store_s8(q + i * VF_N, scaled);
            sums[2 * b + (size_t)(i * VF_N / 16)] += vi_sum_rounded(scaled);
        }
    }
}

WKV_INLINE void set_qmul(wkv_kern *k)
{
    k->quant_rows = quant_rows;
#define SET(id, name, span, scales, block) k->qmul_##name = qmul_##name;
    WKV_PANEL_LAYOUTS(SET)
#undef SET
}
