/* kern/simd/qmul_amx.c - products of packed weights (panel.h) with many rows of 8-bit
 * activations on AMX: tiles of 16 rows times 16 outputs.
 *
 * A line of bytes in a panel is a row of AMX's right tile as it is: four inputs of 16 outputs.
 * Other layouts become such lines, a few blocks at a time, and all rows pass by while these
 * are in the first cache.  A block makes one tile product, whose integers are exact; scales
 * and sums of floats are the same as in qmul_tmpl.h, and so are the bits.  Few rows go the
 * way of AVX-512 VNNI. */
#include <string.h>

#include "kern/simd/amx.h"
#include "kern/simd/simd.h"
#include "kern/simd/vi_vnni.h"

#define Q8_SIGNED /* products of tiles want it */
#include "kern/simd/qmul_tmpl.h"
#include "kern/simd/qsparse_tmpl.h"

enum {
    CHUNK = 8,        /* blocks that all rows meet together: those of WKV_QSUPER */
    AS_THEY_ARE = 32, /* the same where they need not be unpacked */
    GROUP_TILES = 4,  /* 16s of rows whose sums are in the first cache */
    LEAST_ROWS = 9    /* of a tile after the first: fewer cost less without */
};

/* Left: 16 rows of 32 activations (16 where halves of blocks have scales); right: their lines of
 * weights; the sums, of both halves where these are apart. */
enum { LEFT = 0, RIGHT = 1, SUMS = 2, SECOND_SUMS = 3 };

static void configure(wkv_layout l)
{
    const int inputs = l == WKV_LAYOUT_Q6K ? WKV_QBLOCK / 2 : WKV_QBLOCK;
    tile_config c = {.palette = 1};
    c.rows[LEFT] = TILE_ROWS;
    c.row_bytes[LEFT] = (uint16_t)inputs;
    c.rows[RIGHT] = (uint8_t)(inputs / 4);
    c.row_bytes[RIGHT] = WKV_QGROUP_LINE;
    for (int t = SUMS; t <= SECOND_SUMS; t++) {
        c.rows[t] = TILE_ROWS;
        c.row_bytes[t] = 4 * WKV_PANEL;
    }
    tile_configure(&c);
}

/* 1.5 * 2^23: floats near it are integers, one for each step of their bits.  Sums below 2^22 that
 * begin with its bits are, read as floats, larger by just this number, and subtracting it gives
 * what converting them would.  A core that multiplies tiles has one port left for conversions and
 * products of floats, but two for their sums. */
#define ORIGIN 12582912.0F
#define FOUR_TIMES(x) x, x, x, x
static const _Alignas(64) float origin[WKV_PANEL] = {FOUR_TIMES(FOUR_TIMES(ORIGIN))};
static const size_t SAME_LINE = 0;

/* ORIGIN + integers. */
typedef float tile[TILE_ROWS][WKV_PANEL];

/* Register `sums` = origin + x (rows `stride` bytes apart) times lines of weights. */
#define TILE_PRODUCT(sums, x, stride, lines) \
    do { \
        TILE_LOAD(sums, origin, SAME_LINE); \
        TILE_LOAD(0, x, stride); \
        TILE_LOAD(1, lines, TILE_STEP); \
        __asm__ volatile("tdpbssd %tmm1, %tmm0, %tmm" #sums); \
    } while (0)

/* ---- a chunk of blocks ------------------------------------------------------------------ */

/* `count` blocks of a panel from `first` on. */
typedef struct chunk {
    const unsigned char *scales, *blocks; /* of the panel */
    const unsigned char *lines;           /* bytes of these blocks, 512 each */
    size_t first, count;
} chunk;

/* The blocks' weights as signed bytes. */
WKV_INLINE void unpack(unsigned char *lines, const chunk *c, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block;
    const vi offset = _mm512_set1_epi8((char)offset_of(l));
    for (size_t b = 0; b < c->count; b++)
        for (int g = 0; g < 8; g++, lines += WKV_QGROUP_LINE)
            vi_store(lines,
                     _mm512_sub_epi8(group_of(c->blocks + (c->first + b) * bytes, g, l), offset));
}

/* The integers of block b of the chunk, in registers. */
WKV_INLINE void start(const left *x, const chunk *c, size_t b, wkv_layout l)
{
    const int8_t *q = x->rows.q + (c->first + b) * WKV_QBLOCK;
    const unsigned char *lines = c->lines + b * UNIT_BLOCK;
    const size_t row = x->rows.pitch * WKV_QBLOCK;
    TILE_PRODUCT(2, q, row, lines);
    if (l == WKV_LAYOUT_Q6K)
        TILE_PRODUCT(3, q + WKV_QBLOCK / 2, row, lines + 4 * WKV_QGROUP_LINE);
}

/* These in memory. */
WKV_INLINE void fetch(tile sum[2], wkv_layout l)
{
    TILE_STORE(2, sum[0], TILE_STEP);
    if (l == WKV_LAYOUT_Q6K)
        TILE_STORE(3, sum[1], TILE_STEP);
}

WKV_INLINE vf integers(const float *sum)
{
    return vf_sub(vf_load(sum), vf_set1(ORIGIN));
}

/* acc += a block.  Q6K: halves times their scales are below 2^24, and exact as floats. */
WKV_INLINE void finish(vf *acc, tile sum[2], const left *x, const chunk *c, size_t b, wkv_layout l)
{
    const block_scales s = scales_of(c->scales, c->first + b, 0, l);
    const wkv_qrows rows = wkv_qrows_from(&x->rows, 0, c->first + b);
#pragma GCC unroll 16 /* acc stays in registers */
    for (size_t r = 0; r < TILE_ROWS; r++) {
        vf product = integers(sum[0][r]);
        if (l == WKV_LAYOUT_Q6K)
            product = vf_fma(product, vi_to_float(s.half[0]),
                             vf_mul(integers(sum[1][r]), vi_to_float(s.half[1])));
        acc[r] = vf_fma(product, vf_mul(s.d, vf_set1(rows.scale[r * rows.pitch])), acc[r]);
        if (has_offsets(l))
            acc[r] = add_offset(acc[r], s.m, rows.offset[r * rows.pitch], l);
    }
}

/* Asks for as many lines as block b has, in the window of LINE blocks after its own: each of
 * `shares` 16s of rows for its share.  They are one of each page, since memory gives several
 * streams faster than one. */
WKV_INLINE void ask(const chunk *c, size_t b, size_t share, size_t shares, wkv_layout l)
{
    enum { LINE = 64, PAGE = 4096 };
    const size_t bytes = (size_t)wkv_layout_of(l).block, window = bytes * (PAGE / LINE);
    const unsigned char *block = c->blocks + (c->first + b) * bytes;
    const size_t in = (uintptr_t)block % window;
    const unsigned char *line = block - in + window + in / bytes * LINE;
    for (size_t page = share; page < bytes / LINE; page += shares)
        WKV_PREFETCH_FAR(line + page * PAGE);
}

/* kept += 16 rows times the chunk.  While the floats of a block are added, the integers of the next
 * are on their way to memory, and those of the one after it are summed. */
WKV_INLINE void add_chunk(vf *kept, const left *x, const chunk *c, size_t share, size_t shares,
                          wkv_layout l)
{
    _Alignas(64) tile sum[2][2];
    vf acc[TILE_ROWS];
#pragma GCC unroll 16 /* acc stays in registers */
    for (size_t r = 0; r < TILE_ROWS; r++)
        acc[r] = kept[r];
    for (size_t b = 0; b < c->count + 2; b++) {
        if (b > 0 && b <= c->count)
            fetch(sum[(b - 1) % 2], l);
        if (b < c->count) {
            start(x, c, b, l);
            ask(c, b, share, shares, l);
        }
        if (b >= 2)
            finish(acc, sum[b % 2], x, c, b - 2, l);
    }
#pragma GCC unroll 16 /* acc stays in registers */
    for (size_t r = 0; r < TILE_ROWS; r++)
        kept[r] = acc[r];
}

/* ---- panels ------------------------------------------------------------------------------ */

/* At most GROUP_TILES 16s of rows that meet a panel together. */
typedef struct group {
    left x[GROUP_TILES];
    size_t row[GROUP_TILES];  /* the first of each */
    size_t skip[GROUP_TILES]; /* rows of each that the one before has too */
    size_t n, tiles;
} group;

/* From row `row` on; the last 16 may begin in those before them.  Leaves less than LEAST_ROWS. */
static group group_of_rows(const wkv_qrows *x, size_t row, size_t rows, size_t n)
{
    group g = {.n = n};
    for (; g.tiles < GROUP_TILES && rows - row >= LEAST_ROWS; g.tiles++) {
        const size_t rest = rows - row, skip = rest < TILE_ROWS ? TILE_ROWS - rest : 0;
        g.x[g.tiles] = left_of(x, row - skip, n);
        g.row[g.tiles] = row - skip;
        g.skip[g.tiles] = skip;
        row += TILE_ROWS - skip;
    }
    return g;
}

WKV_INLINE void multiply_panel(real *y, size_t ld, const group *g, const unsigned char *panel,
                               size_t lanes, wkv_layout l, bool add)
{
    const size_t blocks = g->n / WKV_QBLOCK;
    _Alignas(64) unsigned char lines[CHUNK * UNIT_BLOCK];
    vf acc[GROUP_TILES][TILE_ROWS];
    chunk c = {.scales = panel, .blocks = panel + wkv_panel_scales(l, g->n), .lines = lines};
    const size_t most = l == WKV_LAYOUT_Q8 ? AS_THEY_ARE : CHUNK;
    for (size_t t = 0; t < GROUP_TILES; t++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            acc[t][r] = vf_zero();
    for (; c.first < blocks; c.first += most) {
        c.count = blocks - c.first < most ? blocks - c.first : most;
        if (l == WKV_LAYOUT_Q8)
            c.lines = c.blocks + c.first * UNIT_BLOCK;
        else
            unpack(lines, &c, l);
        for (size_t t = 0; t < g->tiles; t++)
            add_chunk(acc[t], &g->x[t], &c, t, g->tiles, l);
    }
    for (size_t t = 0; t < g->tiles; t++)
        for (size_t r = g->skip[t]; r < TILE_ROWS; r++) {
            real *to = y + (g->row[t] + r) * ld;
            store_some(to, add ? vf_add(load_some(to, lanes), acc[t][r]) : acc[t][r], lanes);
        }
}

WKV_INLINE void multiply_amx(real *y, int ldy, const wkv_qrows *x, int rows,
                             const unsigned char *panels, int n_out, int n, wkv_layout l, bool add)
{
    const size_t all = (size_t)rows, inputs = (size_t)n, out = (size_t)n_out, ld = (size_t)ldy;
    const size_t step = wkv_panel_bytes(l, inputs);
    size_t row = 0;
    if (all >= TILE_ROWS)
        configure(l);
    while (all >= TILE_ROWS && all - row >= LEAST_ROWS) {
        const group g = group_of_rows(x, row, all, inputs);
        for (size_t o = 0; o < out; o += WKV_PANEL)
            multiply_panel(y + o, ld, &g, panels + o / WKV_PANEL * step,
                           out - o < WKV_PANEL ? out - o : WKV_PANEL, l, add);
        row = g.row[g.tiles - 1] + TILE_ROWS;
    }
    if (all >= TILE_ROWS)
        TILE_RELEASE();
    if (row == all)
        return;
    const wkv_qrows rest = wkv_qrows_from(x, row, 0);
    multiply(y + row * ld, ldy, &rest, rows - (int)row, panels, n_out, n, l, add);
}

#define QMUL_AMX(id, name, span, scales, block) \
    static void amx_##name(real *y, int ldy, const wkv_qrows *x, int rows, \
                           const unsigned char *panels, int n_out, int n, bool add) \
    { \
        multiply_amx(y, ldy, x, rows, panels, n_out, n, WKV_LAYOUT_##id, add); \
    }
WKV_PANEL_LAYOUTS(QMUL_AMX)
#undef QMUL_AMX

/* A tile wants panels. */
static void amx_groups(real *y, int ldy, const wkv_qrows *x, int rows, const unsigned char *groups,
                       wkv_layout layout, int n_out, int n, bool add, void *room)
{
    const size_t inputs = (size_t)n;
    for (int o = 0; o < n_out; o += WKV_GROUP, groups += wkv_group_bytes(layout, inputs)) {
        const int here = n_out - o < WKV_GROUP ? n_out - o : WKV_GROUP;
        group_to_panels(room, groups, layout, n);
#define DO(l) multiply_amx(y + o, ldy, x, rows, room, here, n, l, add)
        switch (layout) {
            WKV_PANEL_LAYOUTS(CASE_OF_LAYOUT)
        default:
            break;
        }
#undef DO
    }
}

/* Six tiles of sums, so that none waits for itself. */
static double amx_byte_products(int32_t *sum, size_t rounds)
{
    enum { SIX = 6 };
    const size_t line = TILE_LINE;
    int8_t ones[TILE_ROWS * TILE_LINE];
    memset(ones, 1, sizeof ones);
    int32_t sums[SIX][TILE_ROWS * WKV_PANEL];
    tile_configure_all();
    TILE_LOAD(6, ones, line);
    TILE_LOAD(7, ones, line);
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    TILE_ZERO(4);
    TILE_ZERO(5);
    for (size_t r = 0; r < rounds; r++)
        __asm__ volatile("tdpbssd %tmm7, %tmm6, %tmm0\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm1\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm2\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm3\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm4\n\t"
                         "tdpbssd %tmm7, %tmm6, %tmm5");
    TILE_STORE(0, sums[0], line);
    TILE_STORE(1, sums[1], line);
    TILE_STORE(2, sums[2], line);
    TILE_STORE(3, sums[3], line);
    TILE_STORE(4, sums[4], line);
    TILE_STORE(5, sums[5], line);
    TILE_RELEASE();
    int32_t total = 0;
    for (int t = 0; t < SIX; t++)
        for (int i = 0; i < TILE_ROWS * WKV_PANEL; i++)
            total += sums[t][i];
    *sum = total;
    return 2.0 * SIX * TILE_ROWS * WKV_PANEL * TILE_LINE * (double)rounds;
}

void wkv_kern_init_qmul_amx(wkv_kern *k)
{
    k->q8_bias = Q8_BIAS;
    set_qsparse(k);
    k->qmul_groups = amx_groups;
    k->byte_products = amx_byte_products;
#define SET(id, name, span, scales, block) k->qmul_##name = amx_##name;
    WKV_PANEL_LAYOUTS(SET)
#undef SET
}
