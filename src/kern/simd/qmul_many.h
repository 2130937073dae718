/* kern/simd/qmul_many.h - products of packed weights (panel.h) with several rows of activations.
 *
 * A few blocks at a time become bytes, where they do not lie so, and vectors of scales in the
 * nearest cache, where all rows of a tile pass by: taking weights apart is paid once for these. */

enum {
    ROWS_OF_TILE = 64,
    /* A unit: what is unpacked together. */
    UNIT_PARTS = (int)PANEL_PARTS > (int)QMUL_PARTS ? (int)PANEL_PARTS : (int)QMUL_PARTS,
    UNIT_PANELS = UNIT_PARTS / PANEL_PARTS,
    UNIT_OUTPUTS = UNIT_PANELS * WKV_PANEL,
    UNIT_BLOCKS = WKV_QSUPER / WKV_QBLOCK,
    /* Bytes of an unpacked block, and of a panel's; of a line of the cache. */
    UNIT_BLOCK = 8 * WKV_QGROUP_LINE,
    UNIT_PANEL = UNIT_BLOCKS * UNIT_BLOCK,
    CACHE_LINE = 64
};

/* Blocks [first, first + count) of some panels, as lines of bytes. */
typedef struct unit {
    const unsigned char *bytes[UNIT_PANELS];
    vf d[UNIT_BLOCKS][UNIT_PARTS], m[UNIT_BLOCKS][UNIT_PARTS];
    vi half[UNIT_BLOCKS][UNIT_PARTS][2];
    lines_form form;
    vi begin[UNIT_BLOCKS][UNIT_PARTS]; /* of flipped lines */
    size_t first, count;
    const unsigned char *next[UNIT_PANELS]; /* what comes after these blocks: */
    size_t lines, share, asked; /* lines of the cache, so many at a time, and so many so far */
} unit;

/* What the integers of a tile's rows begin with (row_blocks). */
typedef struct unit_begins {
    int32_t half[2][ROWS_OF_TILE][UNIT_BLOCKS];
} unit_begins;

WKV_INLINE void put_scales(unit *u, size_t b, size_t part, block_scales s, wkv_layout l)
{
    u->d[b][part] = s.d;
    if (has_offsets(l))
        u->m[b][part] = s.m;
    for (int half = 0; half < 2 && l == WKV_LAYOUT_Q6K; half++)
        u->half[b][part][half] = s.half[half];
}

WKV_INLINE block_scales get_scales(const unit *u, size_t b, int part, wkv_layout l)
{
    block_scales s = {.d = u->d[b][part]};
    if (has_offsets(l))
        s.m = u->m[b][part];
    for (int half = 0; half < 2 && l == WKV_LAYOUT_Q6K; half++)
        s.half[half] = u->half[b][part][half];
    return s;
}

/* How so many rows want lines that are bytes. */
WKV_INLINE lines_form form_for(size_t rows, wkv_layout l)
{
#ifdef VI_FLIPS
    return l == WKV_LAYOUT_Q8 && rows >= VI_FLIP_ROWS ? LINES_FLIPPED : LINES_OF_BYTES;
#else
    (void)rows, (void)l;
    return LINES_OF_BYTES;
#endif
}

/* For block b of panel p, whose lines are there. */
WKV_INLINE void put_flipped(unit *u, size_t b, size_t p)
{
#ifdef VI_FLIPS
    const unsigned char *lines = u->bytes[p] + b * UNIT_BLOCK;
    for (size_t i = 0; i < PANEL_PARTS && u->form == LINES_FLIPPED; i++)
        u->begin[b][p * PANEL_PARTS + i] = begin_flipped(lines + 4 * VF_N * i);
#else
    (void)u, (void)b, (void)p;
#endif
}

/* The numbers of a part of a block as bytes. */
WKV_INLINE void unpack_lines(unsigned char *to, const unsigned char *block, wkv_layout l)
{
#pragma GCC unroll 8 /* all */
    for (int g = 0; g < 8; g++)
        vi_store(to + g * WKV_QGROUP_LINE, group_of(block, g, l));
}

/* The unit's blocks of a panel, as its panel p; room for a unit's lines, if they must be made. */
WKV_INLINE void unpack_panel(unit *u, size_t p, unsigned char *room, const unsigned char *panel,
                             size_t n, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block;
    unsigned char *to = room + p * UNIT_PANEL;
    const unsigned char *block = panel + wkv_panel_scales(l, n) + u->first * bytes;
    u->bytes[p] = is_ready(l) ? block : to;
    for (size_t b = 0; b < u->count; b++, block += bytes, to += UNIT_BLOCK) {
        for (size_t i = 0; i < PANEL_PARTS; i++) {
            const block_scales s = scales_of(panel, u->first + b, i * VF_N, l);
            put_scales(u, b, p * PANEL_PARTS + i, s, l);
            if (!is_ready(l))
                unpack_lines(to + 4 * VF_N * i, block + 4 * VF_N * i, l);
        }
        put_flipped(u, b, p);
    }
}

/* Parts of a unit, and rows, that go together. */
WKV_INLINE int parts_of(wkv_layout l)
{
    return wide_scales(l) ? 1 : QMUL_PARTS;
}

WKV_INLINE size_t many_rows(wkv_layout l)
{
    return (size_t)(QMUL_SUMS / parts_of(l));
}

/* The next unit is asked for bit by bit while so many rows pass by this one: all at once it would
 * keep them waiting.  Each panel has `bytes` more, u->next says where. */
WKV_INLINE void plan_asking(unit *u, size_t bytes, size_t rows, wkv_layout l)
{
    const size_t turns = (rows + many_rows(l) - 1) / many_rows(l);
    u->lines = bytes / CACHE_LINE;
    u->share = (u->lines + turns - 1) / turns;
    u->asked = 0;
}

WKV_INLINE void ask_in_turn(unit *u)
{
    const size_t end = u->asked + u->share < u->lines ? u->asked + u->share : u->lines;
    for (; u->asked < end; u->asked++)
        for (size_t p = 0; p < UNIT_PANELS; p++)
            WKV_PREFETCH(u->next[p] + u->asked * CACHE_LINE);
}

/* Of so many rows, blocks [first, first + count). */
WKV_INLINE void put_begins(unit_begins *to, const wkv_qrows *x, size_t rows, size_t first,
                           size_t count, wkv_layout l)
{
    for (size_t r = 0; r < rows && offset_of(l) != 0; r++) {
        const size_t at = r * x->pitch + first;
        if (count == UNIT_BLOCKS) /* the compiler is to know it */
            begin_of(to->half[0][r], to->half[1][r], x, at, UNIT_BLOCKS, l);
        else
            begin_of(to->half[0][r], to->half[1][r], x, at, count, l);
    }
}

/* What a tile's rows have so far: vectors of a unit, row by row. */
typedef vf unit_sums[ROWS_OF_TILE][UNIT_PARTS];

WKV_INLINE row_blocks blocks_of(const wkv_qrows *x, const unit_begins *begin, size_t row,
                                size_t block)
{
    const wkv_qrows at = wkv_qrows_from(x, row, block);
    return (row_blocks){at.q,        {begin->half[0][row], begin->half[1][row]},
                        UNIT_BLOCKS, at.scale,
                        at.offset,   at.pitch};
}

/* sums += R rows, from row r of the tile on, times parts of the unit from `part` on. */
WKV_INLINE void add_unit(unit_sums sums, unit *u, const wkv_qrows *x, const unit_begins *begin,
                         size_t r, int part, int R, lines_form form, wkv_layout l)
{
    const int P = parts_of(l);
    vf acc[QMUL_SUMS];
    size_t to[QMUL_PARTS];
    const unsigned char *first = u->bytes[part / PANEL_PARTS];
    row_blocks rows = blocks_of(x, begin, r, u->first);
    for (int i = 0; i < P; i++)
        to[i] = (size_t)(u->bytes[(part + i) / PANEL_PARTS] - first) + 4 * lane_of(part + i);
    for (int i = 0; i < P * R; i++)
        acc[i] = sums[r + (size_t)(i % R)][part + i / R];
    if (part == 0)
        ask_in_turn(u);
    for (size_t b = 0; b < u->count; b++, next_block(&rows)) {
        const block_lines w = {first + b * UNIT_BLOCK, to, form, &u->begin[b][part]};
        block_scales s[QMUL_PARTS];
        for (int i = 0; i < P; i++)
            s[i] = get_scales(u, b, part + i, l);
        add_block(acc, &rows, &w, s, P, R, l);
    }
    for (int i = 0; i < P * R; i++)
        sums[r + (size_t)(i % R)][part + i / R] = acc[i];
}

/* The same with all rows of the tile. */
WKV_INLINE void add_rows(unit_sums sums, unit *u, const wkv_qrows *x, const unit_begins *begin,
                         size_t rows, int part, lines_form form, wkv_layout l)
{
    const size_t many = many_rows(l);
    size_t r = 0;
    for (; r + many <= rows; r += many)
        add_unit(sums, u, x, begin, r, part, (int)many, form, l);
    for (; many > 2 && r + many / 2 <= rows; r += many / 2)
        add_unit(sums, u, x, begin, r, part, (int)many / 2, form, l);
    for (; many > 4 && r + many / 4 <= rows; r += many / 4)
        add_unit(sums, u, x, begin, r, part, (int)many / 4, form, l);
    for (; r < rows; r++)
        add_unit(sums, u, x, begin, r, part, 1, form, l);
}

/* And with all parts of the unit. */
WKV_INLINE void add_parts(unit_sums sums, unit *u, const wkv_qrows *x, const unit_begins *begin,
                          size_t rows, lines_form form, wkv_layout l)
{
    for (int part = 0; part < UNIT_PARTS; part += parts_of(l))
        add_rows(sums, u, x, begin, rows, part, form, l);
}

/* A function of its own for each layout: in the midst of others its loops would not get the
 * registers that they need.  None for flipped lines where no number of rows wants them. */
#define ADD_TILE(id, name, span, scales, block) \
    static WKV_NOINLINE void add_tile_##name(unit_sums sums, unit *u, const wkv_qrows *x, \
                                             const unit_begins *begin, size_t rows) \
    { \
        if (form_for(SIZE_MAX, WKV_LAYOUT_##id) == LINES_FLIPPED && u->form == LINES_FLIPPED) \
            add_parts(sums, u, x, begin, rows, LINES_FLIPPED, WKV_LAYOUT_##id); \
        else \
            add_parts(sums, u, x, begin, rows, LINES_OF_BYTES, WKV_LAYOUT_##id); \
    }
WKV_PANEL_LAYOUTS(ADD_TILE)
#undef ADD_TILE

/* By layout. */
static void (*const add_tile[WKV_LAYOUTS])(unit_sums, unit *, const wkv_qrows *,
                                           const unit_begins *, size_t) = {
#define ADD_TILE(id, name, span, scales, block) [WKV_LAYOUT_##id] = add_tile_##name,
    WKV_PANEL_LAYOUTS(ADD_TILE)
#undef ADD_TILE
};

WKV_INLINE void clear_sums(unit_sums sums, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (int i = 0; i < UNIT_PARTS; i++)
            sums[r][i] = vf_zero();
}

WKV_INLINE void store_sums(real *y, size_t ldy, unit_sums sums, size_t rows, size_t n_out, bool add)
{
    for (size_t r = 0; r < rows; r++)
        store_parts(y + r * ldy, sums[r], UNIT_PARTS, WKV_PANEL, n_out, add);
}

/* Panels that stand side by side, `apart` bytes from each other. */
typedef struct panel_row {
    const unsigned char *first;
    size_t apart, last, n; /* bytes from one to the next, how many follow the first, inputs */
} panel_row;

WKV_INLINE void unpack_unit(unit *u, unsigned char *room, const panel_row *from, wkv_layout l)
{
    for (size_t p = 0; p < UNIT_PANELS; p++) { /* one that does not exist is the last again */
        const size_t at = p < from->last ? p : from->last;
        unpack_panel(u, p, room, from->first + at * from->apart, from->n, l);
    }
}

/* What follows the unit's blocks: the next ones, or other panels. */
WKV_INLINE void plan_asking_panels(unit *u, const panel_row *from, size_t rows, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block, end = u->first + u->count;
    const bool more = end < from->n / WKV_QBLOCK;
    const size_t after =
        more ? wkv_panel_scales(l, from->n) + end * bytes : UNIT_PANELS * from->apart;
    for (size_t p = 0; p < UNIT_PANELS; p++)
        u->next[p] = from->first + p * from->apart + after;
    plan_asking(u, u->count * bytes, rows, l);
}

/* The rows of a tile times the outputs of a unit, n_out of them there. */
WKV_INLINE void multiply_unit(real *y, size_t ldy, const wkv_qrows *x, size_t rows,
                              const panel_row *from, size_t n_out, wkv_layout l, bool add)
{
    const size_t blocks = from->n / WKV_QBLOCK;
    unsigned char room[UNIT_PANELS * UNIT_PANEL];
    unit_begins begin;
    unit_sums sums;
    unit u;
    u.form = form_for(rows, l);
    clear_sums(sums, rows);
    for (u.first = 0; u.first < blocks; u.first += u.count) {
        const size_t rest = blocks - u.first;
        u.count = rest < UNIT_BLOCKS ? rest : UNIT_BLOCKS;
        unpack_unit(&u, room, from, l);
        plan_asking_panels(&u, from, rows, l);
        put_begins(&begin, x, rows, u.first, u.count, l);
        add_tile[l](sums, &u, x, &begin, rows);
    }
    store_sums(y, ldy, sums, rows, n_out, add);
}

WKV_INLINE void multiply_many(real *y, size_t ldy, const wkv_qrows *x, size_t rows,
                              const unsigned char *panels, size_t n_out, size_t n, wkv_layout l,
                              bool add)
{
    const size_t panel = wkv_panel_bytes(l, n);
    for (size_t row = 0; row < rows; row += ROWS_OF_TILE) {
        const wkv_qrows tile = wkv_qrows_from(x, row, 0);
        const size_t here = rows - row < ROWS_OF_TILE ? rows - row : ROWS_OF_TILE;
        for (size_t o = 0; o < n_out; o += UNIT_OUTPUTS) {
            const size_t outputs = n_out - o < UNIT_OUTPUTS ? n_out - o : UNIT_OUTPUTS;
            const panel_row from = {panels + o / WKV_PANEL * panel, panel,
                                    (outputs - 1) / WKV_PANEL, n};
            multiply_unit(y + row * ldy + o, ldy, &tile, here, &from, outputs, l, add);
        }
    }
}
