/* base/quant.h - encoding into the quantised element types, ggml's layouts (blocks.h decodes).
 *
 * A block is chosen by its error: scales and offsets are tried around the range of its values,
 * improved by least squares, rounded as they are stored, and what is kept is the best by the
 * weighted sum of squared errors of what the block decodes to. */
#ifndef WKV_BASE_QUANT_H
#define WKV_BASE_QUANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"

/* Encodes one block of type t, which must be one with more than one element a block but not
 * IQ4_NL, which is only read, from as many floats.  weight says what an error of each counts,
 * >= 0, or is NULL: all the same.  False when a value is not finite or beyond +-32768: scales
 * are F16. */
bool wkv_block_encode(uint8_t *p, const float *x, const float *weight, wkv_dtype t);

#endif
