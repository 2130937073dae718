/* tests/support/sha256.c - SHA-256, written for reading; the constants are computed
 * from their definition (fractional parts of roots of primes) with integers. */
#include "support/sha256.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct sha256 {
    uint32_t h[8], k[64];
} sha256;

/* The first 32 bits of the fractional part of the square or cube root of n: the
 * largest r with r^2 <= n * 2^64, or r^3 <= n * 2^96, modulo 2^32. */
static uint32_t root_fraction(uint32_t n, int power)
{
    uint64_t r = 0;
    for (int bit = 36; bit >= 0; bit--) {
        uint64_t try = r | (uint64_t)1 << bit;
        uint64_t hi = 0, lo = 1; /* the power of try, in two halves */
        for (int i = 0; i < power; i++) {
            uint64_t a = (lo & 0xffffffffu) * (try & 0xffffffffu);
            uint64_t b = (lo >> 32) * (try & 0xffffffffu);
            uint64_t c = (lo & 0xffffffffu) * (try >> 32);
            uint64_t d = (lo >> 32) * (try >> 32) + hi * try;
            uint64_t middle = (a >> 32) + (b & 0xffffffffu) + (c & 0xffffffffu);
            lo = (a & 0xffffffffu) | middle << 32;
            hi = d + (b >> 32) + (c >> 32) + (middle >> 32);
        }
        uint64_t limit = power == 2 ? n : (uint64_t)n << 32;
        if (hi < limit || (hi == limit && lo == 0))
            r = try;
    }
    return (uint32_t)r;
}

static void init(sha256 *s)
{
    int found = 0;
    for (uint32_t n = 2; found < 64; n++) {
        uint32_t d = 2;
        while (n % d != 0)
            d++;
        if (d != n)
            continue;
        if (found < 8)
            s->h[found] = root_fraction(n, 2);
        s->k[found++] = root_fraction(n, 3);
    }
}

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void block(sha256 *s, const uint8_t *p)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
               w[i - 7] + (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + big1 + choice + s->k[i] + w[i];
        uint32_t big0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + big0 + majority;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

void sha256_hex(char out[65], const void *data, size_t n)
{
    sha256 s;
    init(&s);
    const uint8_t *p = data;
    size_t left = n;
    for (; left >= 64; left -= 64, p += 64)
        block(&s, p);
    uint8_t tail[128] = {0};
    if (left > 0)
        memcpy(tail, p, left);
    tail[left] = 0x80;
    size_t blocks = left + 9 > 64 ? 2 : 1;
    for (int i = 0; i < 8; i++)
        tail[64 * blocks - 1 - (size_t)i] = (uint8_t)((uint64_t)n * 8 >> 8 * i);
    for (size_t i = 0; i < blocks; i++)
        block(&s, tail + 64 * i);
    for (int i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", (unsigned)s.h[i]);
}
