/* kern/panel.h - how quantised weights lie in memory while a model runs.
 *
 * Files keep a row's blocks together, each block with its scale in front.  Products want
 * something else: the same four inputs of 16 outputs in one cache line, so that one
 * instruction multiplies them with four activations, and sums stay in their lanes.  So
 * weights are packed (panel.c), panel by panel, when they are first used again
 * (dev/cpu/pack.c):
 *
 *   a panel    16 outputs (the last one filled up with zeros), all inputs: first all
 *              scales, padded to a cache line with what nobody reads, then all blocks
 *   a block    32 inputs: eight groups of 4, a line of 64 bytes each: byte 4 o + i is
 *              input i of output o
 *   a scale    16 numbers side by side, one an output
 *
 * The layout is the same for every instruction set, but for the sign of Q8: one of 16 lanes takes a
 * line at once, one of 8 in two halves, one of 4 in four.
 *
 *   Q8    bytes are signed, or 128 more where products want that (wkv_kern.q8_bias); a block
 *         has 16 f16 scales d.                                         w = d byte
 *   Q4    lines are halved: line j holds group j in its low nibbles and group j + 4 in
 *         the high ones; scales as Q8.                                 w = d (nibble - 8)
 *   Q4K   nibbles as Q4; 256 inputs have 16 f16 d, 16 f16 m, then for each of their
 *         blocks 16 bytes s, then for each 16 bytes t.                 w = d s nibble - m t
 *   Q8M   bytes are weights; a block has 16 f16 d, then 16 f16 m.   w = d byte + m
 *   Q8K   scales as Q4K, but bytes.                                 w = d s byte - m t
 *   Q6K   nibbles as Q4, then two lines of 2-bit numbers h: line j holds groups 4 j to
 *         4 j + 3, from the low bits up; 256 inputs have 16 f16 d, then for each 16 of
 *         them 16 signed bytes s.                                      w = d s (16 h + nibble - 32)
 *
 * Where most activations are exactly zero (channel mixing's value, after relu^2), the
 * weights of one input lie together, so that those that meet a zero are never read:
 *
 *   a group    of any layout above, 128 outputs: the scales of eight panels, panel by panel,
 *              then for each input 128 numbers (Q6K: h and nibble together).  In each half of
 *              these, output 16 k + 4 l + j is number 16 l + 4 k + j: interleaving the numbers of
 *              four inputs, 16 at a time, makes lines of panels.  Numbers of 4 bits have the
 *              first half in the low nibbles of 64 bytes.
 *
 *   T     plain weights as the file has them, reals, f16 or bf16: a group has 64 outputs, and for
 * each input the weights of these side by side.  Low-rank factors lie so, too.
 *
 * Activations are rows of 8-bit numbers from -127 to 127, one scale a block (quant_rows).
 *
 * Processors that multiply tiles of bf16 (AMX) read prompts so: scales of blocks would cost them
 * more than the products.  A tile is 16 rows, or 16 outputs, times the 32 inputs of a block:
 *
 *   of activations   row after row
 *   of weights       number 32 p + 2 o + i is that of input 2 p + i and output o
 *
 * Plain weights of 16 bits are read so, too.  A number of more bits than bf16 has is then the sum
 * of several, in tiles one behind the other: f16 of two, an activation of three, its 24 bits being
 * those of 8, 8 and 8.  Of the products of such parts that of the two smallest is not made: it is
 * some 2^-26 of the whole. */
#ifndef WKV_KERN_PANEL_H
#define WKV_KERN_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

enum {
    WKV_PANEL = 16,       /* outputs of a panel */
    WKV_QBLOCK = 32,      /* inputs of a block */
    WKV_QSUPER = 256,     /* inputs that share the scales of Q4K and Q6K */
    WKV_QGROUP_LINE = 64, /* bytes of 4 inputs of a panel, 8 bits each */
    WKV_TILE_ROWS = 16,   /* rows of a tile of activations */
    WKV_TILE = 512,       /* numbers of a tile */
    WKV_GROUP = 128,      /* outputs of a group, in two halves */
    WKV_GROUP_PANELS = WKV_GROUP / WKV_PANEL,
    WKV_COLUMNS = 64,          /* outputs of a group of T */
    WKV_GROUP_ROWS = 256,      /* rows that a group meets together */
    WKV_GROUP_ROOM = 192 << 10 /* bytes for their sums, and some blocks taken apart */
};

/* The layouts of panels.  X(ID, name of the kernel, inputs that share scales, bytes of these for a
 * panel, bytes of a block); the kernel is qmul_<name>. */
#define WKV_PANEL_LAYOUTS(X) \
    X(Q8, q8, WKV_QBLOCK, 32, 512) \
    X(Q8M, q8m, WKV_QBLOCK, 64, 512) \
    X(Q8K, q8k, WKV_QSUPER, 320, 512) \
    X(Q4, q4, WKV_QBLOCK, 32, 256) \
    X(Q4K, q4k, WKV_QSUPER, 320, 256) \
    X(Q6K, q6k, WKV_QSUPER, 288, 384)

typedef enum wkv_layout {
    WKV_LAYOUT_NONE, /* not packed */
#define LAYOUT(id, name, span, scales, block) WKV_LAYOUT_##id,
    WKV_PANEL_LAYOUTS(LAYOUT)
#undef LAYOUT
        WKV_LAYOUT_T,
    WKV_LAYOUTS
} wkv_layout;

/* Rows of activations.  A row has n / 32 blocks: their numbers, and for each its scale, the sum of
 * its numbers and of those of its first half, and scale times sum: what weights that are too small
 * by 1 lose. */
typedef struct wkv_qrows {
    int8_t *q;
    float *scale, *offset;
    int32_t *sum, *first_sum;
    size_t pitch; /* blocks from a row to the next */
} wkv_qrows;

/* An odd multiple of 256 inputs: so many of each of some rows, side by side, would else share a few
 * sets of the nearest cache, as where rows are 4096 bytes apart. */
static inline size_t wkv_qrows_pitch(size_t n)
{
    const size_t supers = (n + WKV_QSUPER - 1) / WKV_QSUPER;
    return (supers | 1) * (WKV_QSUPER / WKV_QBLOCK);
}

/* Bytes that rows of n inputs take, and such rows in a piece of memory of so many. */
static inline size_t wkv_qrows_bytes(size_t rows, size_t n)
{
    const size_t of_block = WKV_QBLOCK + 2 * sizeof(float) + 2 * sizeof(int32_t);
    return rows * wkv_qrows_pitch(n) * of_block;
}

static inline wkv_qrows wkv_qrows_in(void *memory, size_t rows, size_t n)
{
    const size_t pitch = wkv_qrows_pitch(n), blocks = rows * pitch;
    int8_t *q = memory;
    float *scale = (float *)(void *)(q + blocks * WKV_QBLOCK);
    int32_t *sum = (int32_t *)(void *)(scale + 2 * blocks);
    return (wkv_qrows){q, scale, scale + blocks, sum, sum + blocks, pitch};
}

/* The same from a block of a row on. */
static inline wkv_qrows wkv_qrows_from(const wkv_qrows *x, size_t row, size_t block)
{
    const size_t at = row * x->pitch + block;
    return (wkv_qrows){x->q + at * WKV_QBLOCK, x->scale + at, x->offset + at, x->sum + at,
                       x->first_sum + at,      x->pitch};
}

/* Inputs that share scales, bytes of these for a panel, bytes of a block. */
typedef struct wkv_layout_info {
    int span, scales, block;
} wkv_layout_info;

static inline wkv_layout_info wkv_layout_of(wkv_layout l)
{
    static const wkv_layout_info info[WKV_LAYOUTS] = {
#define LAYOUT(id, name, span, scales, block) [WKV_LAYOUT_##id] = {span, scales, block},
        WKV_PANEL_LAYOUTS(LAYOUT)
#undef LAYOUT
    };
    return info[l];
}

/* Bytes of the scales of a panel with n inputs; of the whole panel. */
static inline size_t wkv_panel_scales(wkv_layout l, size_t n)
{
    wkv_layout_info i = wkv_layout_of(l);
    return (n / (size_t)i.span * (size_t)i.scales + 63) / 64 * 64;
}

static inline size_t wkv_panel_bytes(wkv_layout l, size_t n)
{
    return wkv_panel_scales(l, n) + n / WKV_QBLOCK * (size_t)wkv_layout_of(l).block;
}

/* Bytes of the scales of a group; of the numbers of an input of it; of the whole group. */
static inline size_t wkv_group_scales(wkv_layout l, size_t n)
{
    return WKV_GROUP_PANELS * wkv_panel_scales(l, n);
}

static inline size_t wkv_group_line(wkv_layout l)
{
    return l == WKV_LAYOUT_Q4 || l == WKV_LAYOUT_Q4K ? WKV_GROUP / 2 : WKV_GROUP;
}

static inline size_t wkv_group_bytes(wkv_layout l, size_t n)
{
    return wkv_group_scales(l, n) + n * wkv_group_line(l);
}

/* Room that a group's product with several rows takes: some want it as panels. */
static inline size_t wkv_group_room(wkv_layout l, size_t n)
{
    const size_t panels = WKV_GROUP_PANELS * wkv_panel_bytes(l, n);
    return panels > WKV_GROUP_ROOM ? panels : WKV_GROUP_ROOM;
}

/* Four inputs of a row that are not zero and go together: their places and numbers.  Where there
 * are fewer, the first stands in for the others, with 0. */
typedef struct wkv_quad {
    uint32_t at[4];
    int8_t q[4];
} wkv_quad;

/* Those of a row.  Half a block h has [end[h - 1], end[h]); where a block has one scale, all of its
 * own are in the second half. */
typedef struct wkv_quads {
    wkv_quad *quad;
    uint32_t *end;
} wkv_quads;

/* Quads that a row of n inputs may have. */
static inline size_t wkv_quads_most(size_t n)
{
    return n / 4;
}

/* Plain weights of 16 bits: f16, or else bf16.  Those of an input, or else of an output, are side
 * by side, and ld numbers after them come the next. */
typedef struct wkv_halves {
    const uint16_t *at;
    size_t ld;
    bool f16, by_inputs;
} wkv_halves;

/* `count` blocks of rows in 1 or 3 parts and of outputs in 1 or, where rows have 3, 2.  x_step:
 * numbers from one 16 rows' tiles to the next's; those of 16 outputs follow each other. */
typedef struct wkv_tile_factors {
    const uint16_t *x, *w;
    size_t x_step;
    int x_parts, w_parts, count;
} wkv_tile_factors;

/* Finds those of a row of n activations, for weights of the layout. */
void wkv_quads_find(const wkv_quads *z, const int8_t *q, size_t n, wkv_layout l);

/* Packs rows (at most 64) of n numbers of `size` bytes, 2, 4 or 8, into one group of T. */
void wkv_pack_columns(unsigned char *group, const void *rows, int n_rows, size_t n, size_t size);

/* The layout for weights stored as t with n inputs: NONE where they are used as stored.
 * Block types without a layout of their own are read and quantised anew, to Q8. */
wkv_layout wkv_layout_for(wkv_dtype t, size_t n);

/* Packs rows (at most 16) of n weights of type t, one after the other in memory, into one
 * panel.  wide: room for n floats; q8_bias: of the kernels that will read it. */
void wkv_pack_panel(unsigned char *panel, wkv_layout l, const void *rows, wkv_dtype t, int n_rows,
                    size_t n, float *wide, uint8_t q8_bias);

#endif
