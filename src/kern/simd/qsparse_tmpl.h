/* kern/simd/qsparse_tmpl.h - products of weights that lie by inputs (Q8T of panel.h) with one
 * row of mostly zeros.
 *
 * The inputs of a block that are not zero are taken four at a time; interleaving their bytes
 * gives what qmul_tmpl.h finds in a line.  What the next blocks will need is asked for
 * early, since no prefetcher foresees it. */

enum { SPARSE_AHEAD = 4 }; /* blocks */

/* Bit i is set where activation i of a block is not zero. */
WKV_INLINE uint32_t nonzeros(const int8_t *x)
{
    uint32_t bits = 0;
    for (int i = 0; i < WKV_QBLOCK; i++)
        bits |= (uint32_t)(x[i] != 0) << i;
    return bits;
}

WKV_INLINE void ask_for(const unsigned char *lines, uint32_t bits)
{
    for (; bits != 0; bits &= bits - 1) {
        const unsigned char *p = lines + (size_t)__builtin_ctz(bits) * WKV_GROUP;
        WKV_PREFETCH(p);
        WKV_PREFETCH(p + 64);
    }
}

enum { HALVES = WKV_GROUP / 64, STEPS = 64 / (4 * VF_N), SUMS_OF_GROUP = WKV_GROUP / VF_N };

/* sum += up to four inputs of a block, the lowest of *bits, which are cleared.  Lanes of
 * sum[h][s][k]: outputs 64 h + 16 k + VF_N s on. */
WKV_INLINE void add_four(vi sum[HALVES][STEPS][4], const unsigned char *lines, const int8_t *x,
                         uint32_t *bits)
{
    const unsigned char *from[4];
    int8_t four[VX_BYTES] = {0};
    for (int i = 0; i < 4; i++) {
        const int at = *bits != 0 ? __builtin_ctz(*bits) : 0;
        four[i] = *bits != 0 ? x[at] : 0;
        from[i] = lines + (size_t)at * WKV_GROUP;
        *bits &= *bits - 1;
    }
    vx activations = vx_of(four, 0);
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++) {
            vi v[4];
            for (int i = 0; i < 4; i++)
                v[i] = biased(vi_load(from[i] + 64 * h + 4 * VF_N * s));
            vi_interleave(v);
            for (int k = 0; k < 4; k++)
                sum[h][s][k] = vi_dot(sum[h][s][k], v[k], activations);
        }
}

/* acc += one block. */
WKV_INLINE void add_sparse(vf acc[HALVES][STEPS][4], const unsigned char *lines,
                           const unsigned char *scales, const wkv_qrows *x, size_t b, uint32_t bits)
{
    vi sum[HALVES][STEPS][4];
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++)
            for (int k = 0; k < 4; k++)
                sum[h][s][k] = vi_set1(-BIAS * (x->sums[2 * b] + x->sums[2 * b + 1]));
    while (bits != 0)
        add_four(sum, lines, x->q + b * WKV_QBLOCK, &bits);
    const uint16_t *d = (const uint16_t *)(const void *)scales;
    vf dx = vf_set1(x->scale[b]);
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++)
            for (int k = 0; k < 4; k++) {
                vf scale = vf_mul(vf_load_f16(d + 64 * h + 16 * k + VF_N * s), dx);
                acc[h][s][k] = vf_fma(vi_to_float(sum[h][s][k]), scale, acc[h][s][k]);
            }
}

WKV_INLINE void multiply_group(real *y, const wkv_qrows *x, const unsigned char *group,
                               size_t n_out, size_t n, bool add)
{
    const unsigned char *lines = group + wkv_group_scales(n);
    const size_t blocks = n / WKV_QBLOCK, block = WKV_QBLOCK * WKV_GROUP;
    vf acc[HALVES][STEPS][4];
    for (int h = 0; h < HALVES; h++)
        for (int s = 0; s < STEPS; s++)
            for (int k = 0; k < 4; k++)
                acc[h][s][k] = vf_zero();
    for (size_t b = 0; b < SPARSE_AHEAD && b < blocks; b++)
        ask_for(lines + b * block, nonzeros(x->q + b * WKV_QBLOCK));
    for (size_t b = 0; b < blocks; b++) {
        const size_t next = b + SPARSE_AHEAD;
        if (next < blocks)
            ask_for(lines + next * block, nonzeros(x->q + next * WKV_QBLOCK));
        uint32_t bits = nonzeros(x->q + b * WKV_QBLOCK);
        if (bits != 0)
            add_sparse(acc, lines + b * block, group + b * WKV_GROUP_SCALES, x, b, bits);
    }
    for (size_t h = 0; h < HALVES; h++)
        for (size_t s = 0; s < STEPS; s++)
            for (size_t k = 0; k < 4; k++) {
                const size_t o = 64 * h + 16 * k + VF_N * s;
                const size_t lanes = o >= n_out ? 0 : n_out - o < VF_N ? n_out - o : VF_N;
                if (lanes == 0)
                    continue;
                vf before = add ? load_some(y + o, lanes) : vf_zero();
                store_some(y + o, add ? vf_add(before, acc[h][s][k]) : acc[h][s][k], lanes);
            }
}

static void qmul_q8t(real *y, const wkv_qrows *x, const unsigned char *groups, int n_out, int n,
                     bool add)
{
    const size_t all = (size_t)n_out;
    for (size_t o = 0; o < all; o += WKV_GROUP, groups += wkv_group_bytes((size_t)n))
        multiply_group(y + o, x, groups, all - o < WKV_GROUP ? all - o : WKV_GROUP, (size_t)n, add);
}

static void q8t_panels(unsigned char *panels, const unsigned char *group, int n)
{
    const size_t inputs = (size_t)n, bytes = wkv_panel_bytes(WKV_LAYOUT_Q8, inputs);
    const size_t scales = wkv_panel_scales(WKV_LAYOUT_Q8, inputs);
    const unsigned char *lines = group + wkv_group_scales(inputs);
    for (size_t p = 0; p < WKV_GROUP / WKV_PANEL; p++)
        for (size_t b = 0; b < inputs / WKV_QBLOCK; b++)
            memcpy(panels + p * bytes + 32 * b, group + b * WKV_GROUP_SCALES + 32 * p, 32);
    for (size_t i = 0; i < inputs; i += 4)
        for (size_t h = 0; h < HALVES; h++)
            for (size_t s = 0; s < STEPS; s++) {
                vi v[4];
                for (size_t j = 0; j < 4; j++)
                    v[j] = vi_load(lines + (i + j) * WKV_GROUP + 64 * h + 4 * VF_N * s);
                vi_interleave(v);
                for (size_t k = 0; k < 4; k++)
                    vi_store(panels + (4 * h + k) * bytes + scales + 16 * i + 4 * VF_N * s, v[k]);
            }
}
