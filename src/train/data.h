/* train/data.h - where tokens come from: one flat array of ids, whatever the file, and the
 * documents that it is made of.
 *
 * A text file is encoded once and held in memory, and is one document; a binidx pair is
 * mapped and stays in its file.  A part is a run of a source: what is trained on, or what
 * is held out. */
#ifndef WKV_TRAIN_DATA_H
#define WKV_TRAIN_DATA_H

#include "os/os.h"
#include "tok/tok.h"
#include "train/binidx.h"

typedef struct wkv_data {
    char *path; /* for errors; owned */
    wkv_map map;
    void *heap;         /* the ids of a text */
    const uint8_t *ids; /* in map or heap */
    wkv_id_type type;
    uint64_t n;
    wkv_map index, mask;
    wkv_binidx documents; /* of a binidx pair; a text has none of this */
    const uint8_t *learn; /* a byte a token, 0: no target; NULL: all are */
    bool ended;           /* documents end with token 0 */
} wkv_data;

typedef struct wkv_part {
    const wkv_data *data;
    uint64_t first, n;
    uint64_t document, documents; /* the documents that it touches */
    uint32_t crc32c;              /* wkv_part_fingerprint, once the trainer has taken it */
} wkv_part;

/* A path for which <path>.bin and <path>.idx exist is binidx, any other a text, for which
 * tok is needed; E_ARGUMENT for one of those two files themselves.  <path>.mask.bin and
 * <path>.mask.idx, where they exist, say which tokens are to be learnt.  Zero *d before; close it
 * in any case. */
wkv_status wkv_data_open(wkv_data *d, const char *path, const wkv_tok *tok, wkv_error *err);
void wkv_data_close(wkv_data *d);

/* How many documents there are; and the first token of document i, all tokens for i =
 * documents. */
uint64_t wkv_data_documents(const wkv_data *d);
uint64_t wkv_data_document(const wkv_data *d, uint64_t i);

/* n tokens of d from first on. */
wkv_part wkv_part_of(const wkv_data *d, uint64_t first, uint64_t n);

/* Document i of the part, as far as it lies in the part. */
void wkv_part_document(const wkv_part *p, uint64_t i, uint64_t *first, uint64_t *n);

/* Sets to -1 the targets, tokens of the part from `first` on, that are not to be learnt. */
void wkv_part_mask(const wkv_part *p, uint64_t first, size_t n, int32_t *target);

/* The largest id.  E_TOKEN when one is negative or beyond 2^31 - 2. */
wkv_status wkv_data_largest(const wkv_data *d, int32_t *largest, wkv_error *err);

/* E_TOKEN, with the position, when an id is not below vocab; of more than 64 MiB, the pieces
 * that the fingerprint is taken of are looked at. */
wkv_status wkv_part_check(const wkv_part *p, int32_t vocab, wkv_error *err);

/* n ids of the part from `first`, which our own arithmetic keeps inside it.  E_TOKEN, with
 * the position, when an id is not below vocab. */
wkv_status wkv_part_read(const wkv_part *p, uint64_t first, size_t n, int32_t vocab, int32_t *out,
                         wkv_error *err);

/* CRC-32C of the part's stored bytes, then of its mask where it has one; of more than
 * 64 MiB, of 1024 pieces of 64 KiB spread evenly over it. */
uint32_t wkv_part_fingerprint(const wkv_part *p);

#endif
