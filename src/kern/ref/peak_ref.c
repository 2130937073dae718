/* kern/ref/peak_ref.c - what `wkv bench` holds products of bytes against. */
#include "kern/kern.h"

double wkv_byte_products_ref(int32_t *sum, size_t rounds)
{
    enum { BYTES = 64 };
    volatile int8_t one = 1; /* so that the compiler has to compute */
    int32_t total = 0;
    for (size_t r = 0; r < rounds; r++) {
        const int8_t w = one, x = one;
        for (int i = 0; i < BYTES; i++)
            total += w * x;
    }
    *sum = total;
    return 2.0 * BYTES * (double)rounds;
}
