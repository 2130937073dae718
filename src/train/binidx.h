/* train/binidx.h - the index of Megatron's "binidx" token files, checked.
 *
 * PREFIX.bin is a flat array of token ids; PREFIX.idx says their type and where the
 * documents lie. */
#ifndef WKV_TRAIN_BINIDX_H
#define WKV_TRAIN_BINIDX_H

#include <stdbool.h>

#include "base/error.h"

/* How one id is stored, little-endian. */
typedef struct wkv_id_type {
    int bytes;
    bool is_signed;
} wkv_id_type;

/* A view of the index: a number is read where it stands when it is asked for. */
typedef struct wkv_binidx {
    wkv_id_type type;
    uint64_t tokens, items, documents;
    const uint8_t *pointers; /* i64 an item: its first byte in the .bin file */
    const uint8_t *marks;    /* i64 a document: its first item; NULL: every item is one */
} wkv_binidx;

/* Reads the index (size bytes at idx, which must outlive *out) of a .bin file of bin_size
 * bytes; path names the index in errors.  Where the marks do not part all items into
 * documents, every item is a document. */
wkv_status wkv_binidx_parse(wkv_binidx *out, const char *path, const uint8_t *idx, uint64_t size,
                            uint64_t bin_size, wkv_error *err);

/* The first token of document i; for i = documents, all tokens. */
uint64_t wkv_binidx_document(const wkv_binidx *x, uint64_t i);

#endif
