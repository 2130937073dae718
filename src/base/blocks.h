/* base/blocks.h - the quantised element types: decoding one block of ggml's layouts. */
#ifndef WKV_BASE_BLOCKS_H
#define WKV_BASE_BLOCKS_H

#include <stdint.h>

#include "base/dtype.h"

/* Decodes the block at p, of any alignment, into as many floats as the type says, which
 * must be one with more than one element a block.  Bit for bit what ggml computes. */
void wkv_block_decode(float *y, const uint8_t *p, wkv_dtype t);

#endif
