/* kern/simd/amx.h - AMX's tile registers, and blocks of sums of bf16 products in them.
 *
 * The compiler's own tile intrinsics do not tell it which memory they touch. */
#ifndef WKV_KERN_AMX_H
#define WKV_KERN_AMX_H

#include <stdbool.h>

#include "kern/simd/simd.h"

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

enum { TILES = 8, TILE_ROWS = 16, TILE_LINE = 64 /* bytes of a row */ };

/* The same as tile loads want it. */
static const size_t TILE_STEP = TILE_LINE;

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

/* ---- blocks of sums -------------------------------------------------------------------- *
 *
 * Registers 0 to 3 are the sums of two 16s of rows times two of columns, 4 and 5 the rows, 6 and 7
 * the columns: four tiles are loaded for four products.  R and C say how many of these 16s there
 * are, 1 or 2; they are constants where they are used. */

/* Where the sums of 16 rows and columns lie: the bytes from row to row. */
typedef struct tile_sums {
    real *at;
    size_t step;
} tile_sums;

/* 0, or what lies there. */
WKV_INLINE void block_begin(const tile_sums s[4], bool add, int R, int C)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    if (!add)
        return;
    TILE_LOAD(0, s[0].at, s[0].step);
    if (C == 2)
        TILE_LOAD(1, s[1].at, s[1].step);
    if (R == 2)
        TILE_LOAD(2, s[2].at, s[2].step);
    if (R == 2 && C == 2)
        TILE_LOAD(3, s[3].at, s[3].step);
}

/* next: numbers to the tile of the second 16. */
WKV_INLINE void block_rows(const uint16_t *a, size_t next, int R)
{
    TILE_LOAD(4, a, TILE_STEP);
    if (R == 2)
        TILE_LOAD(5, a + next, TILE_STEP);
}

WKV_INLINE void block_columns(const uint16_t *b, size_t next, int C)
{
    TILE_LOAD(6, b, TILE_STEP);
    if (C == 2)
        TILE_LOAD(7, b + next, TILE_STEP);
}

#define TILE_MULTIPLY(sum, rows, columns) \
    __asm__ volatile("tdpbf16ps %tmm" #columns ", %tmm" #rows ", %tmm" #sum)

WKV_INLINE void block_multiply(int R, int C)
{
    TILE_MULTIPLY(0, 4, 6);
    if (C == 2)
        TILE_MULTIPLY(1, 4, 7);
    if (R == 2)
        TILE_MULTIPLY(2, 5, 6);
    if (R == 2 && C == 2)
        TILE_MULTIPLY(3, 5, 7);
}

WKV_INLINE void block_end(const tile_sums s[4], int R, int C)
{
    TILE_STORE(0, s[0].at, s[0].step);
    if (C == 2)
        TILE_STORE(1, s[1].at, s[1].step);
    if (R == 2)
        TILE_STORE(2, s[2].at, s[2].step);
    if (R == 2 && C == 2)
        TILE_STORE(3, s[3].at, s[3].step);
}

#endif
