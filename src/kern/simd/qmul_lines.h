/* kern/simd/qmul_lines.h - what qmul_tmpl.h and tile_amx.c share: the numbers that stand for
 * weights in a panel (panel.h), as unsigned bytes, and what these are too large by. */

/* Signed bytes as the product of bytes wants them, and what they are then too large by. */
enum { BIAS = VI_SIGNED ? 0 : 128 };

WKV_INLINE vi biased(vi w)
{
    return VI_SIGNED ? w : vi_xor(w, vi_set1((int32_t)0x80808080));
}

/* Group g of a block whose lines start at `block`. */
WKV_INLINE vi group_of(const unsigned char *block, int g, wkv_layout l)
{
    if (l == WKV_LAYOUT_Q8)
        return biased(vi_load(block + g * WKV_QGROUP_LINE));
    if (l == WKV_LAYOUT_Q8M || l == WKV_LAYOUT_Q8K)
        return vi_load(block + g * WKV_QGROUP_LINE);
    vi nibbles = vi_load(block + g % 4 * WKV_QGROUP_LINE);
    nibbles = vi_and(g < 4 ? nibbles : vi_right(nibbles, 4), vi_set1(0x0f0f0f0f));
    if (l != WKV_LAYOUT_Q6K)
        return nibbles;
    vi h = vi_load(block + 256 + g / 4 * WKV_QGROUP_LINE);
    h = g % 4 == 0 ? vi_left(h, 4) : g % 4 == 1 ? vi_left(h, 2) : g % 4 == 3 ? vi_right(h, 2) : h;
    return vi_or(nibbles, vi_and(h, vi_set1(0x30303030)));
}

/* What each number is too large by. */
WKV_INLINE int32_t offset_of(wkv_layout l)
{
    return l == WKV_LAYOUT_Q8 ? BIAS : l == WKV_LAYOUT_Q4 ? 8 : l == WKV_LAYOUT_Q6K ? 32 : 0;
}
