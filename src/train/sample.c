/* train/sample.c - see sample.h.
 *
 * RANDOM is RWKV-LM's sampler: windows of ctx tokens, numbered; sample ii = 1, 2, ... is
 * window phi ii^3 mod p.  For p mod 3 = 2 cubing permutes the residues, so that p samples
 * visit p windows once each.  The seed has no part in it.  Where no prime lies close
 * enough below the number of windows (the reference asks for more than nine tenths), rows
 * start anywhere, by a hash of seed, step and row. */
#include "train/sample.h"

#include <math.h>

#include "base/attr.h"
#include "base/rng.h"

static bool is_prime(uint64_t n)
{
    if (n < 4)
        return n >= 2;
    if (n % 2 == 0 || n % 3 == 0)
        return false;
    for (uint64_t i = 5; i <= n / i; i += 6)
        if (n % i == 0 || n % (i + 2) == 0)
            return false;
    return true;
}

uint64_t wkv_magic_prime(uint64_t tokens, uint64_t ctx)
{
    uint64_t windows = tokens / ctx;
    for (uint64_t p = windows > 0 ? windows - 1 : 0; p >= 2; p--)
        if (p % 3 == 2 && is_prime(p))
            return p;
    return 0;
}

void wkv_rows_init(wkv_sampler_rows *r, wkv_order order, uint64_t tokens, uint64_t ctx,
                   uint64_t batch, uint64_t seed)
{
    *r = (wkv_sampler_rows){
        .order = order,
        .tokens = tokens,
        .ctx = ctx,
        .batch = batch,
        .seed = seed,
        .windows = (tokens - 1) / ctx,
    };
    if (order != WKV_ORDER_RANDOM)
        return;
    uint64_t prime = wkv_magic_prime(tokens, ctx);
    if ((double)prime <= 0.9 * (double)(tokens / ctx))
        return;
    r->prime = prime;
    r->phi = (uint64_t)((double)prime * ((sqrt(5.0) - 1.0) / 2.0));
}

static uint64_t mulmod(uint64_t a, uint64_t b, uint64_t m)
{
    return (uint64_t)((wkv_u128)a * b % m);
}

static uint64_t magic_window(const wkv_sampler_rows *r, uint64_t ii)
{
    uint64_t x = ii % r->prime;
    uint64_t cube = mulmod(mulmod(x, x, r->prime), x, r->prime);
    return mulmod(r->phi, cube, r->prime);
}

/* Uniform in [0, tokens - ctx): the upper half of a 64 x 64 bit product. */
static uint64_t hashed_start(const wkv_sampler_rows *r, uint64_t step, uint64_t row)
{
    uint64_t h = wkv_splitmix64(wkv_splitmix64(wkv_splitmix64(r->seed) ^ step) ^ row);
    return (uint64_t)((wkv_u128)h * (r->tokens - r->ctx) >> 64);
}

uint64_t wkv_rows_start(const wkv_sampler_rows *r, uint64_t step, uint64_t row)
{
    uint64_t index = step * r->batch + row;
    if (r->order == WKV_ORDER_SEQUENTIAL)
        return index % r->windows * r->ctx;
    if (r->prime != 0)
        return magic_window(r, index + 1) * r->ctx;
    return hashed_start(r, step, row);
}
