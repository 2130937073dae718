/* base/rng.h - pseudo-random numbers that are the same on every machine.
 * xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64. */
#ifndef WKV_BASE_RNG_H
#define WKV_BASE_RNG_H

#include <stdint.h>

typedef struct wkv_rng {
    uint64_t s[4];
} wkv_rng;

void wkv_rng_seed(wkv_rng *r, uint64_t seed);
uint64_t wkv_rng_u64(wkv_rng *r);

/* Uniform in [0, 1), 53 bits. */
double wkv_rng_uniform(wkv_rng *r);

/* Standard normal, by Box and Muller; each call uses two uniforms. */
double wkv_rng_normal(wkv_rng *r);

/* One splitmix64 step of x: a good hash of a counter. */
uint64_t wkv_splitmix64(uint64_t x);

#endif
