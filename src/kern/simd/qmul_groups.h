/* kern/simd/qmul_groups.h - products of weights that lie by inputs (groups of panel.h) with several
 * rows of activations.
 *
 * A few blocks of a group become lines of bytes, as its panels would have them, and all rows pass
 * by before the next blocks follow: sums of all its outputs are kept meanwhile.  So weights are
 * read once, in the order in which they lie, and never written. */

enum {
    GROUP_UNITS = WKV_GROUP_PANELS / UNIT_PANELS,
    ROW_TILES = WKV_GROUP_ROWS / ROWS_OF_TILE,
    /* Up to so many rows, half as many blocks go together: what they become then stays in the
     * nearest cache, and this is more than keeping sums in registers for longer. */
    FEW_ROWS = 32
};

/* What lies in the caller's room. */
typedef struct group_room {
    unit_sums sums[ROW_TILES][GROUP_UNITS];
    unit units[GROUP_UNITS];
    unsigned char bytes[WKV_GROUP_PANELS * UNIT_PANEL];
} group_room;

_Static_assert(sizeof(group_room) + CACHE_LINE <= WKV_GROUP_ROOM, "what callers give is enough");

WKV_INLINE group_room *room_in(void *room)
{
    return (group_room *)(((uintptr_t)room + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
}

/* A group, and what it meets. */
typedef struct meeting {
    const unsigned char *group;
    size_t n; /* inputs */
    const wkv_qrows *x;
    size_t rows;
    group_room *room;
} meeting;

WKV_INLINE size_t rows_from(const meeting *m, size_t row)
{
    return m->rows - row < ROWS_OF_TILE ? m->rows - row : ROWS_OF_TILE;
}

/* A block of half h's four panels, `panel` bytes from each other: step s of their outputs. */
WKV_INLINE void split_block(unsigned char *to, size_t panel, const unsigned char *lines, int h,
                            int s, wkv_layout l)
{
    const size_t line = wkv_group_line(l);
#pragma GCC unroll 8 /* all */
    for (size_t g = 0; g < 8; g++) {
        const unsigned char *at = lines + 4 * g * line;
        const unsigned char *const input[] = {at, at + line, at + 2 * line, at + 3 * line};
        vi v[4];
        numbers_by_panels(v, input, h, s, l);
        for (size_t k = 0; k < 4; k++)
            vi_store(to + k * panel + g * WKV_QGROUP_LINE + 4 * VF_N * s, v[k]);
    }
}

/* Block b of the units, whose lines start at `block`. */
WKV_INLINE void unpack_block(meeting *m, const unsigned char *block, size_t b, wkv_layout l)
{
    const size_t scales = wkv_panel_scales(l, m->n), panel = m->room->units[0].count * UNIT_BLOCK;
    unsigned char *to = m->room->bytes + b * UNIT_BLOCK;
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++)
            split_block(to + (size_t)(4 * h) * panel, panel, block, h, s, l);
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++) {
        unit *u = &m->room->units[p / UNIT_PANELS];
        for (size_t i = 0; i < PANEL_PARTS; i++)
            put_scales(u, b, p % UNIT_PANELS * PANEL_PARTS + i,
                       scales_of(m->group + p * scales, u->first + b, i * VF_N, l), l);
        put_flipped(u, b, p % UNIT_PANELS);
    }
}

/* Blocks [first, first + count) become units, which will ask for equal shares of what follows. */
WKV_INLINE void unpack_group(meeting *m, size_t first, size_t count, wkv_layout l)
{
    const size_t bytes = WKV_QBLOCK * wkv_group_line(l), share = count * bytes / WKV_GROUP_PANELS;
    const unsigned char *block = m->group + wkv_group_scales(l, m->n) + first * bytes;
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++) {
        unit *u = &m->room->units[p / UNIT_PANELS];
        u->first = first;
        u->count = count;
        u->form = form_for(m->rows, l);
        u->bytes[p % UNIT_PANELS] = m->room->bytes + p * count * UNIT_BLOCK;
        u->next[p % UNIT_PANELS] = block + count * bytes + p * share;
        plan_asking(u, share, m->rows, l);
    }
    for (size_t b = 0; b < count; b++)
        unpack_block(m, block + b * bytes, b, l);
}

/* The units meet all rows. */
WKV_INLINE void add_group(meeting *m, wkv_layout l)
{
    unit_begins begin;
    for (size_t row = 0; row < m->rows; row += ROWS_OF_TILE) {
        const wkv_qrows tile = wkv_qrows_from(m->x, row, 0);
        const size_t rows = rows_from(m, row);
        put_begins(&begin, &tile, rows, m->room->units[0].first, m->room->units[0].count, l);
        for (size_t i = 0; i < GROUP_UNITS; i++) {
            add_tile[l](m->room->sums[row / ROWS_OF_TILE][i], &m->room->units[i], &tile, &begin,
                        rows);
        }
    }
}

/* y = or += the group's n_out outputs of each row. */
WKV_INLINE void multiply_rows(real *y, size_t ldy, meeting *m, size_t n_out, wkv_layout l, bool add)
{
    const size_t blocks = m->n / WKV_QBLOCK;
    const size_t most = m->rows > FEW_ROWS ? UNIT_BLOCKS : UNIT_BLOCKS / 2;
    for (size_t row = 0; row < m->rows; row += ROWS_OF_TILE)
        for (size_t i = 0; i < GROUP_UNITS; i++)
            clear_sums(m->room->sums[row / ROWS_OF_TILE][i], rows_from(m, row));
    for (size_t first = 0; first < blocks; first += most) {
        unpack_group(m, first, blocks - first < most ? blocks - first : most, l);
        add_group(m, l);
    }
    for (size_t row = 0; row < m->rows; row += ROWS_OF_TILE)
        for (size_t i = 0; i < GROUP_UNITS && i * UNIT_OUTPUTS < n_out; i++)
            store_sums(y + row * ldy + i * UNIT_OUTPUTS, ldy, m->room->sums[row / ROWS_OF_TILE][i],
                       rows_from(m, row), n_out - i * UNIT_OUTPUTS, add);
}

WKV_INLINE void multiply_groups_many(real *y, size_t ldy, const wkv_qrows *x, size_t rows,
                                     const unsigned char *groups, size_t n_out, size_t n,
                                     wkv_layout l, bool add, void *room)
{
    for (size_t o = 0; o < n_out; o += WKV_GROUP, groups += wkv_group_bytes(l, n))
        for (size_t row = 0; row < rows; row += WKV_GROUP_ROWS) {
            const wkv_qrows some = wkv_qrows_from(x, row, 0);
            const size_t here = rows - row < WKV_GROUP_ROWS ? rows - row : WKV_GROUP_ROWS;
            meeting m = {groups, n, &some, here, room_in(room)};
            multiply_rows(y + row * ldy + o, ldy, &m, n_out - o < WKV_GROUP ? n_out - o : WKV_GROUP,
                          l, add);
        }
}

static void qmul_groups(real *y, int ldy, const wkv_qrows *x, int rows, const unsigned char *groups,
                        wkv_layout layout, int n_out, int n, bool add, void *room)
{
#define DO(l) \
    multiply_groups_many(y, (size_t)ldy, x, (size_t)rows, groups, (size_t)n_out, (size_t)n, l, \
                         add, room)
    switch (layout) {
        WKV_PANEL_LAYOUTS(CASE_OF_LAYOUT)
    default:
        break;
    }
#undef DO
}
