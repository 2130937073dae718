/* kern/simd/peak_tmpl.h - products of bytes as fast as the instruction set has them: all
 * operands in registers, as many sums side by side as hide the time that one takes. */

static double byte_products(int32_t *sum, size_t rounds)
{
    enum { SUMS = 12, BYTES_OF_LANE = 4 };
    volatile int32_t ones = 0x01010101; /* so that the compiler has to compute */
    vi acc[SUMS];
    for (int i = 0; i < SUMS; i++)
        acc[i] = vi_set1(0);
    for (size_t r = 0; r < rounds; r++) {
        const vi w = vi_set1(ones), x = w;
#pragma GCC unroll 12                            /* acc stays in registers */
        for (int i = 0; i < SUMS; i++)
            acc[i] = vi_dot_small(acc[i], w, x);
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
