/* train/permute.c - see permute.h.  A Feistel network over the smallest even number of bits
 * that holds n - 1 is a bijection of a range at most four times too long; walking on from
 * what lies outside of it until one lies inside keeps it one. */
#include "train/permute.h"

#include "base/rng.h"

enum { ROUNDS = 6 };

static uint64_t feistel(uint64_t x, int half, uint64_t key)
{
    uint64_t mask = ((uint64_t)1 << half) - 1, left = x >> half, right = x & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t next = left ^ (wkv_splitmix64(wkv_splitmix64(key + round) ^ right) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

uint64_t wkv_permute(uint64_t i, uint64_t n, uint64_t key)
{
    int half = 1;
    while (half < 31 && (n - 1) >> 2 * half != 0)
        half++;
    do
        i = feistel(i, half, key);
    while (i >= n);
    return i;
}
