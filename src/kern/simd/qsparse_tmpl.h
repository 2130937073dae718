/* kern/simd/qsparse_tmpl.h - products of weights that lie by inputs (groups of panel.h) with one
 * row of mostly zeros, and such groups from panels and back.
 *
 * The numbers of four inputs that are not zero are interleaved, which gives what qmul_tmpl.h finds
 * in a line.  What comes is asked for early, since no prefetcher foresees it. */

enum { SPARSE_AHEAD = 4096, SCALES_AHEAD = 256 }; /* bytes */

/* A vector for each VF_N outputs: [h][s][k] are 64 h + 16 k + VF_N s on. */
typedef struct of_group_vi {
    vi v[HALVES][STEPS][4];
} of_group_vi;

typedef struct of_group_vf {
    vf v[HALVES][STEPS][4];
} of_group_vf;

#define EACH_OF_GROUP(h, s, k) \
    for (int h = 0; h < HALVES; h++) \
        for (int s = 0; s < STEPS; s++) \
            for (int k = 0; k < 4; k++)

WKV_INLINE void ask_for_input(const unsigned char *lines, size_t input, wkv_layout l)
{
    const unsigned char *p = lines + input * wkv_group_line(l);
    WKV_PREFETCH(p);
    if (!in_nibbles(l))
        WKV_PREFETCH(p + 64);
}

WKV_INLINE void ask_for(const unsigned char *lines, const wkv_quad *quad, wkv_layout l)
{
    for (int i = 0; i < 4; i++)
        ask_for_input(lines, quad->at[i], l);
}

/* Is a quad asked for bit by bit, in each of the steps that an earlier one takes?  All at once
 * would be more than memory takes at a time, and sums would wait behind it; but two steps are
 * short. */
enum { ASK_IN_STEPS = STEPS > 1 };

WKV_INLINE void ask_in_step(const unsigned char *lines, const wkv_quad *quad, int step,
                            wkv_layout l)
{
    const int steps = HALVES * STEPS;
    for (int i = 4 * step / steps; i < 4 * (step + 1) / steps; i++)
        ask_for_input(lines, quad->at[i], l);
}

/* sum += a quad; asks for a later one meanwhile. */
WKV_INLINE void add_quad(of_group_vi *sum, const unsigned char *lines, const wkv_quad *quad,
                         const wkv_quad *later, wkv_layout l)
{
    int8_t four[VX_BYTES] = {0};
    memcpy(four, quad->q, sizeof quad->q);
    const vx activations = vx_of(four, 0);
    const unsigned char *input[4];
    for (int i = 0; i < 4; i++)
        input[i] = lines + quad->at[i] * wkv_group_line(l);
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++) {
            vi v[4];
            if (ASK_IN_STEPS)
                ask_in_step(lines, later, h * STEPS + s, l);
            numbers_by_panels(v, input, h, s, l);
            for (int k = 0; k < 4; k++)
                sum->v[h][s][k] = dot(sum->v[h][s][k], v[k], activations, l);
        }
}

/* One group of a product. */
typedef struct group_part {
    const unsigned char *scales, *lines;
    size_t scales_each; /* bytes from a panel's scales to the next one's */
    const wkv_qrows *x;
    const wkv_quads *quads;
    uint32_t all; /* quads */
} group_part;

/* The integers of half a block, h of the row. */
WKV_INLINE of_group_vi sum_quads(const group_part *p, int32_t offset, uint32_t t, uint32_t end,
                                 wkv_layout l)
{
    const uint32_t ahead = SPARSE_AHEAD / 4 / (uint32_t)wkv_group_line(l);
    of_group_vi sum;
    EACH_OF_GROUP (h, s, k)
        sum.v[h][s][k] = vi_set1(-offset);
    for (; t < end; t++) {
        const wkv_quad *later = &p->quads->quad[t + ahead < p->all ? t + ahead : t];
        if (!ASK_IN_STEPS)
            ask_for(p->lines, later, l);
        add_quad(&sum, p->lines, &p->quads->quad[t], later, l);
    }
    return sum;
}

/* acc += block b, whose quads start at t. */
WKV_INLINE void add_some(of_group_vf *acc, const group_part *p, size_t b, uint32_t t, wkv_layout l)
{
    const int32_t first = p->x->first_sum[b], second = p->x->sum[b] - first;
    const uint32_t middle = p->quads->end[2 * b], end = p->quads->end[2 * b + 1];
    const float dx = p->x->scale[b];
    const bool halves = l == WKV_LAYOUT_Q6K;
    of_group_vi sum[2];
    if (halves) {
        sum[0] = sum_quads(p, offset_of(l) * first, t, middle, l);
        sum[1] = sum_quads(p, offset_of(l) * second, middle, end, l);
    } else {
        sum[0] = sum_quads(p, offset_of(l) * p->x->sum[b], t, end, l);
    }
    EACH_OF_GROUP (h, s, k) {
        const unsigned char *scales = p->scales + (size_t)(4 * h + k) * p->scales_each;
        const block_scales at = scales_of(scales, b, (size_t)(VF_N * s), l);
        vi total = sum[0].v[h][s][k];
        if (halves)
            total = vi_add(vi_mul(at.half[0], total), vi_mul(at.half[1], sum[1].v[h][s][k]));
        vf *to = &acc->v[h][s][k];
        *to = vf_fma(vi_to_float(total), vf_mul(at.d, vf_set1(dx)), *to);
        if (has_offsets(l))
            *to = add_offset(*to, at.m, p->x->offset[b], l);
    }
}

WKV_INLINE void multiply_group(real *y, const group_part *p, size_t n_out, size_t n, wkv_layout l,
                               bool add)
{
    const size_t ahead = SPARSE_AHEAD / 4 / wkv_group_line(l);
    const size_t a_block = p->scales_each / (n / WKV_QBLOCK);
    of_group_vf acc;
    EACH_OF_GROUP (h, s, k)
        acc.v[h][s][k] = vf_zero();
    for (size_t t = 0; t < ahead && t < p->all; t++)
        ask_for(p->lines, &p->quads->quad[t], l);
    for (size_t b = 0, t = 0; b < n / WKV_QBLOCK; b++) {
        for (size_t i = 0; i < WKV_GROUP_PANELS; i++)
            WKV_PREFETCH(p->scales + i * p->scales_each + b * a_block + SCALES_AHEAD);
        const uint32_t end = p->quads->end[2 * b + 1];
        if (t < end)
            add_some(&acc, p, b, (uint32_t)t, l);
        t = end;
    }
    EACH_OF_GROUP (h, s, k) {
        const size_t o = (size_t)(64 * h + 16 * k + VF_N * s);
        const size_t lanes = o >= n_out ? 0 : n_out - o < VF_N ? n_out - o : VF_N;
        const vf sum = acc.v[h][s][k];
        if (lanes > 0)
            store_some(y + o, add ? vf_add(load_some(y + o, lanes), sum) : sum, lanes);
    }
}

WKV_INLINE void multiply_groups(real *y, const wkv_qrows *x, const wkv_quads *quads,
                                const unsigned char *groups, size_t n_out, size_t n, wkv_layout l,
                                bool add)
{
    for (size_t o = 0; o < n_out; o += WKV_GROUP, groups += wkv_group_bytes(l, n)) {
        const group_part p = {.scales = groups,
                              .lines = groups + wkv_group_scales(l, n),
                              .scales_each = wkv_panel_scales(l, n),
                              .x = x,
                              .quads = quads,
                              .all = quads->end[n / WKV_QBLOCK * 2 - 1]};
        multiply_group(y + o, &p, n_out - o < WKV_GROUP ? n_out - o : WKV_GROUP, n, l, add);
    }
}

static void qmul_at(real *y, const wkv_qrows *x, const wkv_quads *quads,
                    const unsigned char *groups, wkv_layout layout, int n_out, int n, bool add)
{
#define DO(l) multiply_groups(y, x, quads, groups, (size_t)n_out, (size_t)n, l, add)
    switch (layout) {
        WKV_PANEL_LAYOUTS(CASE_OF_LAYOUT)
    default:
        break;
    }
#undef DO
}

/* ---- groups and panels --------------------------------------------------------------------- */

/* The eight lines of a block of a panel, as numbers, to its place. */
WKV_INLINE void put_block(unsigned char *block, const vi line[8], wkv_layout l)
{
    if (!in_nibbles(l) && l != WKV_LAYOUT_Q6K) {
        for (int g = 0; g < 8; g++)
            vi_store(block + g * WKV_QGROUP_LINE, line[g]);
        return;
    }
    const vi low = vi_set1(0x0f0f0f0f), high = vi_set1(0x03030303);
    for (int g = 0; g < 4; g++)
        vi_store(block + g * WKV_QGROUP_LINE,
                 vi_or(vi_and(line[g], low), vi_left(vi_and(line[g + 4], low), 4)));
    for (int g = 0; g < 8 && l == WKV_LAYOUT_Q6K; g += 4) {
        vi h[4];
        for (int i = 0; i < 4; i++)
            h[i] = vi_and(vi_right(line[g + i], 4), high);
        const vi first = vi_or(h[0], vi_left(h[1], 2));
        vi_store(block + 256 + g / 4 * WKV_QGROUP_LINE,
                 vi_or(first, vi_or(vi_left(h[2], 4), vi_left(h[3], 6))));
    }
}

/* Lines as they are stored: not biased. */
WKV_INLINE vi as_stored(vi line, wkv_layout l)
{
    return l == WKV_LAYOUT_Q8 ? biased(line) : line;
}

WKV_INLINE void split_group(unsigned char *panels, const unsigned char *group, size_t n,
                            wkv_layout l)
{
    const size_t bytes = wkv_panel_bytes(l, n), scales = wkv_panel_scales(l, n);
    const size_t a_block = (size_t)wkv_layout_of(l).block, a_line = wkv_group_line(l);
    const unsigned char *lines = group + wkv_group_scales(l, n);
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++)
        memcpy(panels + p * bytes, group + p * scales, scales);
    for (size_t b = 0; b < n / WKV_QBLOCK; b++)
        for (int h = 0; h < HALVES; h++)
            for (int s = 0; s < STEPS; s++) {
                vi of_panel[4][8];
                for (size_t g = 0; g < 8; g++) {
                    vi v[4];
                    const unsigned char *input[4];
                    for (size_t j = 0; j < 4; j++) {
                        input[j] = lines + (b * WKV_QBLOCK + 4 * g + j) * a_line;
                        if (s == 0 && (h == 0 || !in_nibbles(l)))
                            WKV_PREFETCH(input[j] + 64 * h + SPARSE_AHEAD);
                    }
                    numbers_by_panels(v, input, h, s, l);
                    for (int k = 0; k < 4; k++)
                        of_panel[k][g] = as_stored(v[k], l);
                }
                for (int k = 0; k < 4; k++)
                    put_block(panels + (size_t)(4 * h + k) * bytes + scales + b * a_block +
                                  4 * VF_N * s,
                              of_panel[k], l);
            }
}

/* v: the lines of half h's panels, group i / 4 of inputs; becomes their numbers by inputs. */
WKV_INLINE void half_by_inputs(vi v[4], const unsigned char *panels, size_t i, int h, int s,
                               size_t n, wkv_layout l)
{
    for (int k = 0; k < 4; k++) {
        const unsigned char *block = panels + (size_t)(4 * h + k) * wkv_panel_bytes(l, n) +
                                     wkv_panel_scales(l, n) +
                                     i / WKV_QBLOCK * (size_t)wkv_layout_of(l).block;
        v[k] = as_stored(group_of(block + 4 * VF_N * s, (int)(i % WKV_QBLOCK / 4), l), l);
    }
    vi_interleave(v); /* three times change nothing, so that twice undoes once */
    vi_interleave(v);
}

WKV_INLINE void join_panels(unsigned char *group, const unsigned char *panels, size_t n,
                            wkv_layout l)
{
    const size_t scales = wkv_panel_scales(l, n), line = wkv_group_line(l);
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++)
        memcpy(group + p * scales, panels + p * wkv_panel_bytes(l, n), scales);
    unsigned char *to = group + wkv_group_scales(l, n);
    for (size_t i = 0; i < n; i += 4, to += 4 * line)
        for (int s = 0; s < STEPS; s++) {
            vi v[HALVES][4];
            for (int h = 0; h < HALVES; h++)
                half_by_inputs(v[h], panels, i, h, s, n, l);
            for (size_t j = 0; j < 4; j++) {
                unsigned char *at = to + j * line + 4 * VF_N * s;
                if (in_nibbles(l)) {
                    vi_store(at, vi_or(v[0][j], vi_left(v[1][j], 4)));
                    continue;
                }
                for (int h = 0; h < HALVES; h++)
                    vi_store(at + 64 * h, v[h][j]);
            }
        }
}

static void group_to_panels(unsigned char *panels, const unsigned char *group, wkv_layout layout,
                            int n)
{
#define DO(l) split_group(panels, group, (size_t)n, l)
    switch (layout) {
        WKV_PANEL_LAYOUTS(CASE_OF_LAYOUT)
    default:
        break;
    }
#undef DO
}

static void panels_to_group(unsigned char *group, const unsigned char *panels, wkv_layout layout,
                            int n)
{
#define DO(l) join_panels(group, panels, (size_t)n, l)
    switch (layout) {
        WKV_PANEL_LAYOUTS(CASE_OF_LAYOUT)
    default:
        break;
    }
#undef DO
}

WKV_INLINE void set_qsparse(wkv_kern *k)
{
    k->qmul_at = qmul_at;
    k->group_to_panels = group_to_panels;
    k->panels_to_group = panels_to_group;
}
