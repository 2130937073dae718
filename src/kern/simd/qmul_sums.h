/* kern/simd/qmul_sums.h - a block of packed weights (panel.h) times rows of 8-bit activations.
 *
 * A vector has the VF_N outputs of a panel, or of a part of it.  One line of weights, four
 * inputs of each output, meets the four activations that are broadcast; nothing is ever
 * summed across lanes.  P parts and R rows go together, as many as registers hold sums for, so that
 * a line is fetched once for these rows, and activations are broadcast once for these parts. */

#include "kern/simd/qmul_lines.h"

/* Before a loop over groups: the compiler is to know the number of each. */
#ifdef VI_CONSTANT_GROUPS
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

/* Parts of a panel, of the panels that a row meets, and that go together at most. */
enum {
    PANEL_PARTS = WKV_PANEL / VF_N,
    STREAM_PARTS = QMUL_STREAMS * PANEL_PARTS,
    MOST_PARTS = (int)STREAM_PARTS > (int)QMUL_PARTS ? (int)STREAM_PARTS : (int)QMUL_PARTS
};

/* Do scales take so many registers that fewer parts go together?  Q6K's do where a panel is two. */
WKV_INLINE bool wide_scales(wkv_layout l)
{
    return l == WKV_LAYOUT_Q6K && PANEL_PARTS > 1;
}

/* The output of its panel that a part begins with. */
WKV_INLINE size_t lane_of(int part)
{
    return (size_t)(part % PANEL_PARTS * VF_N);
}

/* Rows of n activations from one on. */
typedef struct left {
    wkv_qrows rows;
    size_t n, blocks;
} left;

WKV_INLINE left left_of(const wkv_qrows *x, size_t row, size_t n)
{
    return (left){wkv_qrows_from(x, row, 0), n, n / WKV_QBLOCK};
}

/* Packed, as bytes, as group_of gives them, or as these with signs that are flipped (VI_FLIPS). */
typedef enum lines_form { LINES_PACKED, LINES_OF_BYTES, LINES_FLIPPED } lines_form;

/* The lines of a block: those of part i are to[i] bytes behind the first's.  Flipped: sums begin
 * with begin[i]. */
typedef struct block_lines {
    const unsigned char *first;
    const size_t *to;
    lines_form form;
    const vi *begin;
} block_lines;

/* Group g of part i. */
WKV_INLINE vi group_at(const block_lines *w, int i, int g, wkv_layout l)
{
    const unsigned char *at = w->first + w->to[i];
    return w->form == LINES_PACKED ? group_of(at, g, l) : vi_load(at + g * WKV_QGROUP_LINE);
}

WKV_INLINE vi dot(vi s, vi w, vx x, wkv_layout l)
{
    return l == WKV_LAYOUT_Q8 ? vi_dot(s, w, x) : vi_dot_small(s, w, x);
}

/* Group g of P parts. */
WKV_INLINE void groups_of(vi *w, const block_lines *from, int g, int P, wkv_layout l)
{
    for (int i = 0; i < P; i++)
        w[i] = group_at(from, i, g, l);
}

/* sum[r] += the sum over groups [g, end) of a block's only part with R rows of x, each n bytes. */
#ifdef VI_PAIRS
WKV_INLINE void sum_pairs(vi *sum, const block_lines *from, int g, int end, const int8_t *x,
                          size_t n, int R, wkv_layout l)
{
    vi s[QMUL_SUMS];
    for (int r = 0; r < R; r++)
        s[r] = vi_set1(0);
#pragma GCC unroll 4 /* all */
    for (; g < end; g += 2) {
        vi w[2] = {group_at(from, 0, g, l), group_at(from, 0, g + 1, l)};
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
WKV_INLINE void sum_nibbles(vi *sum, const block_lines *from, const int8_t *x, size_t n, int P,
                            int R, wkv_layout l)
{
    vi s[QMUL_SUMS];
    for (int i = 0; i < P * R; i++)
        s[i] = vi_set1(0);
#pragma GCC unroll 8 /* all */
    for (int g = 0; g < 8; g++) {
        vi w[MOST_PARTS];
        groups_of(w, from, g, P, l);
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
WKV_INLINE void sum_twos(vi *sum, const block_lines *from, int g, int end, const int8_t *x,
                         size_t n, const vi *times, int P, int R, wkv_layout l)
{
#pragma GCC unroll 4 /* all */
    for (; g < end; g += 2)
        for (int p = 0; p < P; p++) {
            const vi w[2] = {group_at(from, p, g, l), group_at(from, p, g + 1, l)};
            for (int r = 0; r < R; r++) {
                const int8_t *row = x + (size_t)r * n;
                const vx activations[2] = {vx_of(row, g), vx_of(row, g + 1)};
                sum[p * R + r] = vi_dot_two(sum[p * R + r], w, activations, times[p]);
            }
        }
}
#endif

#ifdef VI_FLIPS
/* The same where bits are flipped. */
WKV_INLINE void sum_flipped(vi *sum, const block_lines *from, const int8_t *x, size_t n, int P,
                            int R)
{
#pragma GCC unroll 8 /* all */
    for (int g = 0; g < 8; g++) {
        vi_flip w[MOST_PARTS];
        for (int p = 0; p < P; p++)
            w[p] = vi_flip_of(group_at(from, p, g, WKV_LAYOUT_Q8));
        for (int r = 0; r < R; r++) {
            const vx activations = vx_of(x + (size_t)r * n, g);
            for (int p = 0; p < P; p++)
                sum[p * R + r] = vi_dot_flip(sum[p * R + r], w[p], activations);
        }
    }
}

/* What sums of a block begin with then. */
WKV_INLINE vi begin_flipped(const unsigned char *lines)
{
    vi s = vi_set1(0);
    for (int g = 0; g < 8; g++)
        s = vi_add_negative(s, vi_load(lines + g * WKV_QGROUP_LINE));
    return vi_widen(s, vi_times(vi_set1(-1)));
}
#endif

/* The same for P parts: sum[p * R + r]. */
WKV_INLINE void sum_groups(vi *sum, const block_lines *from, int g, int end, const int8_t *x,
                           size_t n, int P, int R, wkv_layout l)
{
#ifdef VI_PAIRS
    if (R % 2 == 0) {
        sum_pairs(sum, from, g, end, x, n, R, l);
        return;
    }
#endif
#ifdef VI_FLIPS
    if (from->form == LINES_FLIPPED) {
        sum_flipped(sum, from, x, n, P, R);
        return;
    }
#endif
#ifdef VI_NARROW
    if (l == WKV_LAYOUT_Q4 || l == WKV_LAYOUT_Q4K) {
        sum_nibbles(sum, from, x, n, P, R, l);
        return;
    }
    if (l != WKV_LAYOUT_Q8) {
        vi times[MOST_PARTS];
        for (int p = 0; p < P; p++)
            times[p] = vi_times(vi_set1(1));
        sum_twos(sum, from, g, end, x, n, times, P, R, l);
        return;
    }
#endif
    vi other = vi_set1(0); /* one row alone would wait for each sum to be done */
    UNROLL
    for (; g < end; g++) {
        vi w[MOST_PARTS];
        groups_of(w, from, g, P, l);
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

/* ---- a block with its scales ---------------------------------------------------------------- */

/* A block of some rows: activations, scales and offsets, those of the next row `pitch` blocks
 * further on, and what the integers begin with, `step` further on, since weights are too large: of
 * the whole of a block, or of each half of it where these have scales.  Or of both halves as lanes
 * of 16 bits, before they are multiplied by what weights are too large by (VI_NARROW). */
typedef struct row_blocks {
    const int8_t *q;
    const int32_t *begin[2];
    size_t step;
    const float *scale, *offset;
    size_t pitch;
} row_blocks;

WKV_INLINE void next_block(row_blocks *x)
{
    x->q += WKV_QBLOCK;
    x->begin[0]++;
    x->begin[1]++;
    x->scale++;
    x->offset++;
}

/* What `count` blocks from `first` on begin with: their halves, ... */
WKV_INLINE void begin_of_halves(int32_t *restrict first_half, int32_t *restrict second,
                                const wkv_qrows *x, size_t first, size_t count, wkv_layout l)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t sum = x->first_sum[first + i], rest = x->sum[first + i] - sum;
#ifdef VI_NARROW
        const int16_t both[2] = {(int16_t)-sum, (int16_t)-rest};
        memcpy(&first_half[i], both, sizeof both);
        (void)second, (void)l;
#else
        first_half[i] = -offset_of(l) * sum;
        second[i] = -offset_of(l) * rest;
#endif
    }
}

/* ... or the whole of them. */
WKV_INLINE void begin_of(int32_t *restrict first_half, int32_t *restrict second, const wkv_qrows *x,
                         size_t first, size_t count, wkv_layout l)
{
    if (l == WKV_LAYOUT_Q6K) {
        begin_of_halves(first_half, second, x, first, count, l);
        return;
    }
    for (size_t i = 0; i < count; i++)
        first_half[i] = -offset_of(l) * x->sum[first + i];
}

WKV_INLINE void start_sums(vi *sum, const row_blocks *x, const block_lines *w, int half, int P,
                           int R, wkv_layout l)
{
    for (int i = 0; i < P * R; i++) {
        const size_t row = (size_t)(i % R) * x->step;
        sum[i] = w->form == LINES_FLIPPED ? w->begin[i / R]
                                          : vi_set1(offset_of(l) == 0 ? 0 : x->begin[half][row]);
    }
}

/* product[i * R + r] = the integers of a block of part i. */
WKV_INLINE void block_products(vf *product, const row_blocks *x, const block_lines *w, int P, int R,
                               wkv_layout l)
{
    vi sum[QMUL_SUMS];
    start_sums(sum, x, w, 0, P, R, l);
    sum_groups(sum, w, 0, 8, x->q, x->pitch * WKV_QBLOCK, P, R, l);
    for (int i = 0; i < P * R; i++)
        product[i] = vi_to_float(sum[i]);
}

/* The same where each half of a block has a scale of its own: below 2^24, and exact as floats. */
WKV_INLINE void half_products(vf *product, const row_blocks *x, const block_lines *w,
                              const block_scales *s, int P, int R, wkv_layout l)
{
#ifdef VI_NARROW /* what widens them multiplies, too */
    vi sum[QMUL_SUMS], times[MOST_PARTS];
    for (int i = 0; i < P; i++) /* by 32, what each weight is too large by */
        times[i] = vi_two_times(vi_left(s[i].half[0], 5), vi_left(s[i].half[1], 5));
    for (int i = 0; i < P * R; i++)
        sum[i] = vi_widen(vi_set1(x->begin[0][(size_t)(i % R) * x->step]), times[i / R]);
#pragma GCC unroll 2 /* all */
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < P; i++)
            times[i] = vi_times(s[i].half[half]);
        sum_twos(sum, w, 4 * half, 4 * half + 4, x->q, x->pitch * WKV_QBLOCK, times, P, R, l);
    }
    for (int i = 0; i < P * R; i++)
        product[i] = vi_to_float(sum[i]);
#else
    for (int i = 0; i < P * R; i++)
        product[i] = vf_zero();
    UNROLL
    for (int half = 0; half < 2; half++) {
        vi sum[QMUL_SUMS];
        start_sums(sum, x, w, half, P, R, l);
        sum_groups(sum, w, 4 * half, 4 * half + 4, x->q, x->pitch * WKV_QBLOCK, P, R, l);
        for (int i = 0; i < P * R; i++)
            product[i] = vf_fma(vi_to_float(sum[i]), vi_to_float(s[i / R].half[half]), product[i]);
    }
#endif
}

/* acc[i * R + r] += a block of part i, whose scales are s[i], times row r. */
WKV_INLINE void add_block(vf *acc, const row_blocks *x, const block_lines *w, const block_scales *s,
                          int P, int R, wkv_layout l)
{
    vf product[QMUL_SUMS];
    if (l == WKV_LAYOUT_Q6K)
        half_products(product, x, w, s, P, R, l);
    else
        block_products(product, x, w, P, R, l);
    for (int i = 0; i < P * R; i++) {
        const size_t row = (size_t)(i % R) * x->pitch;
        const vf scale = vf_mul(s[i / R].d, vf_set1(x->scale[row]));
        acc[i] = vf_fma(product[i], scale, acc[i]);
        if (has_offsets(l))
            acc[i] = add_offset(acc[i], s[i / R].m, x->offset[row], l);
    }
}

/* The outputs of P parts, of panels whose outputs are `apart` from each other's; n_out exist. */
WKV_INLINE void store_parts(real *y, const vf *acc, int P, size_t apart, size_t n_out, bool add)
{
    for (int i = 0; i < P; i++) {
        const size_t at = (size_t)(i / PANEL_PARTS) * apart + lane_of(i);
        const size_t lanes = at >= n_out ? 0 : n_out - at < VF_N ? n_out - at : VF_N;
        if (lanes > 0)
            store_some(y + at, add ? vf_add(load_some(y + at, lanes), acc[i]) : acc[i], lanes);
    }
}
