/* kern/simd/qmul_many.h - products of packed weights (panel.h) with several rows of activations.
 *
 * A few blocks at a time become bytes, where they do not lie so, and vectors of scales in the
 * nearest cache, where all rows of a tile pass by: taking weights apart is paid once for these. */

enum {
    MANY_ROWS = QMUL_SUMS / QMUL_PARTS, /* that go together */
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

/* Blocks [first, first + count) of some panels, unpacked. */
typedef struct unit {
    unsigned char room[UNIT_PANELS * UNIT_PANEL];
    const unsigned char *bytes[UNIT_PANELS]; /* in room, or where they lie ready */
    vf d[UNIT_BLOCKS][UNIT_PARTS], m[UNIT_BLOCKS][UNIT_PARTS];
    vi half[UNIT_BLOCKS][UNIT_PARTS][2];
    int32_t less[2][ROWS_OF_TILE][UNIT_BLOCKS];
    size_t first, count;
    const unsigned char *next[UNIT_PANELS]; /* what comes after these blocks: */
    size_t lines, share;                    /* lines of the cache, and those asked for at a time */
} unit;

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

/* The numbers of a part of a block as bytes. */
WKV_INLINE void unpack_lines(unsigned char *to, const unsigned char *block, wkv_layout l)
{
#pragma GCC unroll 8 /* all */
    for (int g = 0; g < 8; g++)
        vi_store(to + g * WKV_QGROUP_LINE, group_of(block, g, l));
}

/* The unit's blocks of a panel, as its panel p. */
WKV_INLINE void unpack_panel(unit *u, size_t p, const unsigned char *panel, size_t n, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block;
    const unsigned char *block = panel + wkv_panel_scales(l, n) + u->first * bytes;
    unsigned char *to = u->room + p * UNIT_PANEL;
    u->bytes[p] = is_ready(l) ? block : to;
    for (size_t b = 0; b < u->count; b++, block += bytes, to += UNIT_BLOCK) {
        for (size_t i = 0; i < PANEL_PARTS; i++) {
            const block_scales s = scales_of(panel, u->first + b, i * VF_N, l);
            put_scales(u, b, p * PANEL_PARTS + i, s, l);
            if (!is_ready(l))
                unpack_lines(to + 4 * VF_N * i, block + 4 * VF_N * i, l);
        }
    }
}

/* The next unit is asked for bit by bit while rows pass by this one: all at once it would keep them
 * waiting.  Of panels at `panels`, `apart` bytes from each other; in so many turns. */
WKV_INLINE void plan_asking(unit *u, const unsigned char *panels, size_t apart, const left *tile,
                            size_t turns, wkv_layout l)
{
    const size_t bytes = (size_t)wkv_layout_of(l).block, end = u->first + u->count;
    const size_t after =
        end < tile->blocks ? wkv_panel_scales(l, tile->n) + end * bytes : UNIT_PANELS * apart;
    for (size_t p = 0; p < UNIT_PANELS; p++)
        u->next[p] = panels + p * apart + after;
    u->lines = u->count * bytes / CACHE_LINE;
    u->share = (u->lines + turns - 1) / turns;
}

WKV_INLINE void ask_in_turn(const unit *u, size_t turn)
{
    for (size_t i = turn * u->share; i < u->lines && i < (turn + 1) * u->share; i++)
        for (size_t p = 0; p < UNIT_PANELS; p++)
            WKV_PREFETCH(u->next[p] + i * CACHE_LINE);
}

/* What rows begin with. */
WKV_INLINE void fill_less(unit *u, const left *tile, size_t rows, wkv_layout l)
{
    for (size_t r = 0; r < rows && offset_of(l) != 0; r++) {
        const size_t first = r * tile->rows.pitch + u->first;
        if (u->count == UNIT_BLOCKS) /* the compiler is to know it */
            less_of(u->less[0][r], u->less[1][r], &tile->rows, first, UNIT_BLOCKS, l);
        else
            less_of(u->less[0][r], u->less[1][r], &tile->rows, first, u->count, l);
    }
}

/* What a tile's rows have so far: vectors of a unit, row by row. */
typedef vf unit_sums[ROWS_OF_TILE][UNIT_PARTS];

/* sums += R rows, from row r of the tile on, times parts of the unit from `part` on. */
WKV_INLINE void add_unit(unit_sums sums, const unit *u, const left *tile, size_t r, int part, int R,
                         wkv_layout l)
{
    vf acc[QMUL_SUMS];
    size_t to[QMUL_PARTS];
    const left x = left_of(&tile->rows, r, tile->n);
    const unsigned char *first = u->bytes[part / PANEL_PARTS];
    for (int i = 0; i < QMUL_PARTS; i++)
        to[i] = (size_t)(u->bytes[(part + i) / PANEL_PARTS] - first) + 4 * lane_of(part + i);
    for (int i = 0; i < QMUL_PARTS * R; i++)
        acc[i] = sums[r + (size_t)(i % R)][part + i / R];
    for (size_t b = 0; b < u->count; b++) {
        const block_lines w = {first + b * UNIT_BLOCK, to, true};
        block_scales s[QMUL_PARTS];
        for (int i = 0; i < QMUL_PARTS; i++)
            s[i] = get_scales(u, b, part + i, l);
        if (part == 0)
            ask_in_turn(u, r / MANY_ROWS * u->count + b);
        const row_less less = {{u->less[0][r] + b, u->less[1][r] + b}, UNIT_BLOCKS};
        add_block(acc, &x, u->first + b, &less, &w, s, QMUL_PARTS, R, l);
    }
    for (int i = 0; i < QMUL_PARTS * R; i++)
        sums[r + (size_t)(i % R)][part + i / R] = acc[i];
}

/* The same with all rows of the tile. */
WKV_INLINE void add_tile(unit_sums sums, const unit *u, const left *tile, size_t rows, int part,
                         wkv_layout l)
{
    size_t r = 0;
    for (; r + MANY_ROWS <= rows; r += MANY_ROWS)
        add_unit(sums, u, tile, r, part, MANY_ROWS, l);
    for (; MANY_ROWS > 2 && r + MANY_ROWS / 2 <= rows; r += MANY_ROWS / 2)
        add_unit(sums, u, tile, r, part, MANY_ROWS / 2, l);
    for (; r < rows; r++)
        add_unit(sums, u, tile, r, part, 1, l);
}

/* The rows of a tile times the outputs of a unit, n_out of them there. */
WKV_INLINE void multiply_unit(real *y, size_t ldy, const left *tile, size_t rows,
                              const unsigned char *panels, size_t n_out, wkv_layout l, bool add)
{
    const size_t apart = wkv_panel_bytes(l, tile->n), last = (n_out - 1) / WKV_PANEL;
    unit_sums sums;
    unit u;
    for (size_t r = 0; r < rows; r++)
        for (int i = 0; i < UNIT_PARTS; i++)
            sums[r][i] = vf_zero();
    for (u.first = 0; u.first < tile->blocks; u.first += u.count) {
        const size_t rest = tile->blocks - u.first;
        u.count = rest < UNIT_BLOCKS ? rest : UNIT_BLOCKS;
        for (size_t p = 0; p < UNIT_PANELS; p++) /* one that does not exist is the last again */
            unpack_panel(&u, p, panels + (p < last ? p : last) * apart, tile->n, l);
        fill_less(&u, tile, rows, l);
        plan_asking(&u, panels, apart, tile, (rows + MANY_ROWS - 1) / MANY_ROWS * u.count, l);
        for (int part = 0; part < UNIT_PARTS; part += QMUL_PARTS)
            add_tile(sums, &u, tile, rows, part, l);
    }
    for (size_t r = 0; r < rows; r++)
        store_parts(y + r * ldy, sums[r], UNIT_PARTS, WKV_PANEL, n_out, add);
}

WKV_INLINE void multiply_many(real *y, size_t ldy, const wkv_qrows *x, size_t rows,
                              const unsigned char *panels, size_t n_out, size_t n, wkv_layout l,
                              bool add)
{
    const size_t step = UNIT_PANELS * wkv_panel_bytes(l, n);
    for (size_t row = 0; row < rows; row += ROWS_OF_TILE) {
        const left tile = left_of(x, row, n);
        const size_t here = rows - row < ROWS_OF_TILE ? rows - row : ROWS_OF_TILE;
        for (size_t o = 0; o < n_out; o += UNIT_OUTPUTS)
            multiply_unit(y + row * ldy + o, ldy, &tile, here, panels + o / UNIT_OUTPUTS * step,
                          n_out - o < UNIT_OUTPUTS ? n_out - o : UNIT_OUTPUTS, l, add);
    }
}
