/* kern/simd/peak_tmpl.h - products of bytes as fast as the instruction set has them: as many sums
 * side by side as hide the time that one takes, and nothing to fetch but from the nearest cache. */

static double byte_products(int32_t *sum, size_t rounds)
{
    enum { SUMS = 12, ROUNDS = 4, BYTES_OF_LANE = 4 };
    volatile int32_t ones = 0x01010101; /* so that the compiler has to compute */
    _Alignas(64) int32_t weights[(ROUNDS + SUMS) * VF_N]; /* no line is split */
    for (size_t i = 0; i < (ROUNDS + SUMS) * VF_N; i++)
        weights[i] = ones;
    vi acc[SUMS];
    for (int i = 0; i < SUMS; i++)
        acc[i] = vi_set1(0);
    int8_t activations[VX_BYTES];
    memset(activations, 1, sizeof activations);
    const vx x = vx_of(activations, 0);
    for (size_t r = 0; r < rounds; r++) {
        /* other weights for each sum and round, or products would be made only once */
        const int32_t *w = weights + r % ROUNDS * VF_N;
#pragma GCC unroll 12                            /* acc stays in registers */
        for (int i = 0; i < SUMS; i++)
            acc[i] = vi_here(vi_dot_small(acc[i], vi_load(w + i * VF_N), x));
    }
    int32_t lane[VF_N], total = 0;
    for (int i = 0; i < SUMS; i++) {
        vi_store(lane, acc[i]);
        for (int j = 0; j < VF_N; j++)
            total += lane[j];
    }
    *sum = total;
    return 2.0 * SUMS * VF_N * BYTES_OF_LANE * (double)rounds;
}
