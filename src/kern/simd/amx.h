/* kern/simd/amx.h - AMX's tile registers, which qmul_amx.c and tile_amx.c use each in its own way.
 *
 * The compiler's own tile intrinsics do not tell it which memory they touch. */
#ifndef WKV_KERN_AMX_H
#define WKV_KERN_AMX_H

#include "kern/simd/simd.h"

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

enum { TILES = 8, TILE_ROWS = 16, TILE_LINE = 64 /* bytes of a row */ };

#define TILE_ZERO(t) __asm__ volatile("tilezero %tmm" #t)
#define TILE_LOAD(t, from, step) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"(step) : "memory")
#define TILE_STORE(t, to, step) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(to), "r"(step) : "memory")
#define TILE_RELEASE() __asm__ volatile("tilerelease")

WKV_INLINE void tile_configure(const tile_config *c)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*c));
}

/* All of them as large as they can be. */
WKV_INLINE void tile_configure_all(void)
{
    tile_config c = {.palette = 1};
    for (int t = 0; t < TILES; t++) {
        c.rows[t] = TILE_ROWS;
        c.row_bytes[t] = TILE_LINE;
    }
    tile_configure(&c);
}

#endif
