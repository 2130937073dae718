/* base/rng.c - see rng.h. */
#include "base/rng.h"

#include <math.h>

uint64_t wkv_splitmix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void wkv_rng_seed(wkv_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = wkv_splitmix64(seed + (uint64_t)i * 0x9e3779b97f4a7c15u);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t wkv_rng_u64(wkv_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double wkv_rng_uniform(wkv_rng *r)
{
    return (double)(wkv_rng_u64(r) >> 11) * 0x1p-53;
}

double wkv_rng_normal(wkv_rng *r)
{
    double u = 1.0 - wkv_rng_uniform(r); /* in (0, 1]: the logarithm is finite */
    double v = wkv_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
