/* train/binidx.h - the index of Megatron's "binidx" token files, checked.
 *
 * PREFIX.bin is a flat array of token ids; PREFIX.idx says their type and where the
 * documents lie.  Training reads the ids as one stream, so all that is taken from the
 * index is the type and the count, and everything else in it is held against them. */
#ifndef WKV_TRAIN_BINIDX_H
#define WKV_TRAIN_BINIDX_H

#include <stdbool.h>

#include "base/error.h"

/* How one id is stored, little-endian. */
typedef struct wkv_id_type {
    int bytes;
    bool is_signed;
} wkv_id_type;

/* Reads the index (size bytes at idx) of a .bin file of bin_size bytes; path names the
 * index in errors. */
wkv_status wkv_binidx_parse(wkv_id_type *type, uint64_t *tokens, const char *path,
                            const uint8_t *idx, uint64_t size, uint64_t bin_size, wkv_error *err);

#endif
