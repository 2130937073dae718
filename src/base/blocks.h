/* base/blocks.h - the quantised element types, one block of ggml's layouts at a time. */
#ifndef WKV_BASE_BLOCKS_H
#define WKV_BASE_BLOCKS_H

#include <stdint.h>

#include "base/dtype.h"

/* Decodes the block at p, of any alignment, into as many floats as the type says, which
 * must be one with more than one element a block.  Bit for bit what ggml computes. */
void wkv_block_decode(float *y, const uint8_t *p, wkv_dtype t);

/* The sixteen values that the nibbles of IQ4_NL stand for, times the scale of their block. */
extern const int8_t wkv_iq4_values[16];

/* Multiplies what one block of any weight type stands for (of a plain type, one element)
 * by a power of two, in place and without touching the small integers. */
void wkv_block_scale(uint8_t *p, wkv_dtype t, float factor);

#endif
