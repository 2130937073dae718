/* kern/simd/qmul_tmpl.h - products of packed weights (panel.h) with 8-bit activations: one row, to
 * which weights come as memory gives them, and several (qmul_many.h, qmul_groups.h). */
#include <math.h>

#include "kern/simd/qmul_sums.h"

#include "kern/simd/qmul_many.h" /* stands on it */

#include "kern/simd/qmul_groups.h" /* and on this */

/* How many panels a single row of activations meets at a time. */
WKV_INLINE int streams_of(wkv_layout l)
{
    return wide_scales(l) ? 1 : QMUL_STREAMS;
}

/* Asks for what lies so far behind the bytes at `from` as one stream, or each of some, has to be
 * ahead. */
WKV_INLINE void ask_ahead(const unsigned char *from, size_t bytes, wkv_layout l)
{
    const size_t ahead = streams_of(l) == 1 ? 4096 : PANEL_PARTS > 1 ? 1024 : 2048;
    for (size_t line = 0; line < bytes; line += 64)
        WKV_PREFETCH(from + line + ahead);
}

/* Panels that a row meets together, `apart` bytes from each other. */
typedef struct stream {
    const unsigned char *panel; /* the first */
    size_t apart;
} stream;

WKV_INLINE const unsigned char *panel_at(const stream *s, int part)
{
    return s->panel + (size_t)(part / PANEL_PARTS) * s->apart;
}

/* Asks for what block b of the panels of P parts has so far ahead; with the first block, for
 * scales, or each panel would begin with a gap as long as these.  n: inputs. */
WKV_INLINE void ask_for_block(const stream *s, size_t n, size_t b, int P, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block, scales = wkv_panel_scales(l, n);
    for (int i = 0; i < P; i += PANEL_PARTS) {
        if (b == 0)
            ask_ahead(panel_at(s, i), scales, l);
        ask_ahead(panel_at(s, i) + scales + b * bytes, bytes, l);
    }
}

/* acc[i] = the products of a row with P parts, all those of each panel. */
WKV_INLINE void multiply_row(vf *acc, const left *x, const stream *from, int P, wkv_layout l)
{
    const wkv_layout_info info = wkv_layout_of(l);
    const size_t blocks = x->blocks, sharing = (size_t)info.span / WKV_QBLOCK;
    size_t to[MOST_PARTS];
    for (int i = 0; i < P; i++) {
        to[i] = (size_t)(panel_at(from, i) - from->panel) + 4 * lane_of(i);
        acc[i] = vf_zero();
    }
    block_lines w = {from->panel + wkv_panel_scales(l, x->n), to, LINES_PACKED, NULL};
    for (size_t b = 0; b < blocks;) {
        block_scales shared[MOST_PARTS], own[MOST_PARTS];
        for (int i = 0; i < P; i++)
            shared[i] = shared_scales(panel_at(from, i), b, lane_of(i), l);
        for (const size_t end = b + sharing; b < end; b++, w.first += info.block) {
            ask_for_block(from, x->n, b, P, l);
            for (int i = 0; i < P; i++)
                own[i] = own_scales(shared[i], panel_at(from, i), b, lane_of(i), l);
            const wkv_qrows at = wkv_qrows_from(&x->rows, 0, b);
            int32_t begin[2];
            begin_of(&begin[0], &begin[1], &at, 0, 1, l);
            const row_blocks row = {at.q, {&begin[0], &begin[1]}, 0, at.scale, at.offset, 0};
            add_block(acc, &row, &w, own, P, 1, l);
        }
    }
}

/* One row.  Panels that go together lie as far apart as they can: memory reads several streams
 * faster than one. */
WKV_INLINE void multiply_one(real *y, const wkv_qrows *x, const unsigned char *panels, size_t n_out,
                             size_t n, wkv_layout l, bool add)
{
    const int P = streams_of(l) * PANEL_PARTS;
    const size_t bytes = wkv_panel_bytes(l, n);
    const size_t steps = n_out / WKV_PANEL / (size_t)streams_of(l);
    const left row = left_of(x, 0, n);
    vf acc[MOST_PARTS];
    for (size_t i = 0; i < steps; i++) {
        const stream from = {panels + i * bytes, steps * bytes};
        multiply_row(acc, &row, &from, P, l);
        store_parts(y + i * WKV_PANEL, acc, P, steps * WKV_PANEL, n_out, add);
    }
    for (size_t o = steps * (size_t)streams_of(l) * WKV_PANEL; o < n_out; o += WKV_PANEL) {
        const stream from = {panels + o / WKV_PANEL * bytes, 0};
        multiply_row(acc, &row, &from, PANEL_PARTS, l);
        store_parts(y + o, acc, PANEL_PARTS, 0, n_out - o, add);
    }
}

WKV_INLINE void multiply(real *y, int ldy, const wkv_qrows *x, int rows,
                         const unsigned char *panels, int n_out, int n, wkv_layout l, bool add)
{
    if (rows == 1)
        multiply_one(y, x, panels, (size_t)n_out, (size_t)n, l, add);
    else
        multiply_many(y, (size_t)ldy, x, (size_t)rows, panels, (size_t)n_out, (size_t)n, l, add);
}

#define QMUL(id, name, span, scales, block) \
    static void qmul_##name(real *y, int ldy, const wkv_qrows *x, int rows, \
                            const unsigned char *panels, int n_out, int n, bool add) \
    { \
        multiply(y, ldy, x, rows, panels, n_out, n, WKV_LAYOUT_##id, add); \
    }
WKV_PANEL_LAYOUTS(QMUL)
#undef QMUL

/* A block is PARTS vectors, and each half of it has a sum.  NaN is more than everything (vi_most),
 * and becomes -127. */
static void quant_rows(const wkv_qrows *to, const real *x, size_t n)
{
    enum { PARTS = WKV_QBLOCK / VF_N };
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, x += WKV_QBLOCK) {
        vf v[PARTS];
        for (int i = 0; i < PARTS; i++)
            v[i] = vf_load(x + i * VF_N);
        float most = vi_most(v[0], v[1]);
        for (int i = 2; i < PARTS; i += 2) {
            float more = vi_most(v[i], v[i + 1]);
            most = more > most || more != more ? more : most;
        }
        const bool tiny = most < 0x1p-100f;
        to->scale[b] = tiny ? 0 : most < INFINITY ? most / 127 : NAN;
        vf inverse = vf_set1(tiny ? 0 : 127 / most);
        int32_t sums[2] = {0, 0};
        for (int i = 0; i < PARTS; i++) {
            vf scaled = vf_max(vf_mul(v[i], inverse), vf_set1(-127));
            scaled = vf_min(scaled, vf_set1(127));
            vi_store_s8(to->q + b * WKV_QBLOCK + i * VF_N, scaled);
            sums[i * VF_N / 16] += vi_sum_rounded(scaled);
        }
        to->sum[b] = sums[0] + sums[1];
        to->first_sum[b] = sums[0];
        to->offset[b] = to->scale[b] * (float)to->sum[b];
    }
}

WKV_INLINE void set_qmul(wkv_kern *k)
{
    k->quant_rows = quant_rows;
    k->q8_bias = Q8_BIAS;
    k->qmul_groups = qmul_groups;
#define SET(id, name, span, scales, block) k->qmul_##name = qmul_##name;
    WKV_PANEL_LAYOUTS(SET)
#undef SET
}
