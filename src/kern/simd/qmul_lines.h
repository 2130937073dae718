/* kern/simd/qmul_lines.h - how a panel's blocks (panel.h) are read, for all that multiplies them:
 * the numbers that stand for weights, as unsigned bytes, what these are too large by, and the
 * scales; and groups' numbers. */

/* What the product of bytes wants Q8's numbers to be too large by, and what they lie there as:
 * this, but where others multiply them, too, and want them signed (Q8_SIGNED). */
enum {
    BIAS = VI_SIGNED ? 0 : 128,
#ifdef Q8_SIGNED
    Q8_BIAS = 0
#else
    Q8_BIAS = BIAS
#endif
};

/* From one to the other, and back. */
WKV_INLINE vi biased(vi w)
{
    return (int)BIAS == (int)Q8_BIAS ? w : vi_xor(w, vi_set1((int32_t)0x80808080));
}

/* Does a block lie as lines of bytes that the product takes? */
WKV_INLINE bool is_ready(wkv_layout l)
{
    return l == WKV_LAYOUT_Q8M || l == WKV_LAYOUT_Q8K ||
           (l == WKV_LAYOUT_Q8 && (int)BIAS == (int)Q8_BIAS);
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

/* Does a block have m? */
WKV_INLINE bool has_offsets(wkv_layout l)
{
    return l == WKV_LAYOUT_Q4K || l == WKV_LAYOUT_Q8K || l == WKV_LAYOUT_Q8M;
}

/* The scales of a block for the outputs of a vector.  Q4K, Q8K: d times s, m times t; Q6K: the s of
 * both halves apart. */
typedef struct block_scales {
    vf d, m;
    vi half[2];
} block_scales;

WKV_INLINE vf halves_at(const unsigned char *p)
{
    return vf_load_f16((const uint16_t *)(const void *)p);
}

/* Those of the inputs that share scales with block b. */
WKV_INLINE const unsigned char *scales_at(const unsigned char *scales, size_t b, wkv_layout l)
{
    const wkv_layout_info info = wkv_layout_of(l);
    return scales + b / (size_t)(info.span / WKV_QBLOCK) * (size_t)info.scales;
}

/* What blocks that share scales have alike: d and m, of a panel whose scales are at `scales`, from
 * output `lane` on. */
WKV_INLINE block_scales shared_scales(const unsigned char *scales, size_t b, size_t lane,
                                      wkv_layout l)
{
    scales = scales_at(scales, b, l);
    block_scales s = {.d = halves_at(scales + 2 * lane)};
    if (has_offsets(l))
        s.m = halves_at(scales + 32 + 2 * lane);
    return s;
}

/* Of block b, given what it shares. */
WKV_INLINE block_scales own_scales(block_scales s, const unsigned char *scales, size_t b,
                                   size_t lane, wkv_layout l)
{
    const size_t j = b % (WKV_QSUPER / WKV_QBLOCK);
    const unsigned char *bytes = scales_at(scales, b, l) + lane;
    if (l == WKV_LAYOUT_Q4K || l == WKV_LAYOUT_Q8K) {
        s.d = vf_mul(s.d, vi_to_float(vi_load_u8(bytes + 64 + 16 * j)));
        s.m = vf_mul(s.m, vi_to_float(vi_load_u8(bytes + 192 + 16 * j)));
    }
    for (size_t half = 0; half < 2 && l == WKV_LAYOUT_Q6K; half++)
        s.half[half] = vi_load_s8(bytes + 32 + 32 * j + 16 * half);
    return s;
}

WKV_INLINE block_scales scales_of(const unsigned char *scales, size_t b, size_t lane, wkv_layout l)
{
    return own_scales(shared_scales(scales, b, lane, l), scales, b, lane, l);
}

/* acc + what m adds to a product, given the sum of its activations: Q8M adds m, the others subtract
 * it. */
WKV_INLINE vf add_offset(vf acc, vf m, float sum, wkv_layout l)
{
    return l == WKV_LAYOUT_Q8M ? vf_fma(m, vf_set1(sum), acc) : vf_fnma(m, vf_set1(sum), acc);
}

/* ---- groups ------------------------------------------------------------------------------- */

/* Outputs of an input are read 64 at a time, in so many steps. */
enum { HALVES = WKV_GROUP / 64, STEPS = WKV_PANEL / VF_N };

WKV_INLINE bool in_nibbles(wkv_layout l)
{
    return l == WKV_LAYOUT_Q4 || l == WKV_LAYOUT_Q4K;
}

/* Numbers of half h of an input, as unsigned bytes. */
WKV_INLINE vi numbers_of(const unsigned char *line, int h, int s, wkv_layout l)
{
    if (in_nibbles(l)) {
        const vi both = vi_load(line + 4 * VF_N * s);
        return vi_and(h == 0 ? both : vi_right(both, 4), vi_set1(0x0f0f0f0f));
    }
    const vi bytes = vi_load(line + 64 * h + 4 * VF_N * s);
    return l == WKV_LAYOUT_Q8 ? biased(bytes) : bytes;
}

/* Of four inputs, whose numbers are at `input`: those of 64 outputs by panels, v[k] of the k-th. */
WKV_INLINE void numbers_by_panels(vi v[4], const unsigned char *const input[4], int h, int s,
                                  wkv_layout l)
{
    for (int i = 0; i < 4; i++)
        v[i] = numbers_of(input[i], h, s, l);
    vi_interleave(v);
}

/* Does what DO says with each layout as a constant. */
#define CASE_OF_LAYOUT(id, name, span, scales, block) \
    case WKV_LAYOUT_##id: \
        DO(WKV_LAYOUT_##id); \
        break;
