/* train/data.h - where tokens come from: one flat array of ids, whatever the file.
 *
 * A text file is encoded once and held in memory; a binidx pair is mapped and stays in
 * its file.  A part is a run of a source: what is trained on, or what is held out. */
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
} wkv_data;

typedef struct wkv_part {
    const wkv_data *data;
    uint64_t first, n;
} wkv_part;

/* A path for which <path>.bin and <path>.idx exist is binidx, any other a text, for which
 * tok is needed.  Zero *d before; close it in any case. */
wkv_status wkv_data_open(wkv_data *d, const char *path, const wkv_tok *tok, wkv_error *err);
void wkv_data_close(wkv_data *d);

/* The largest id.  E_TOKEN when one is negative or beyond 2^31 - 2. */
wkv_status wkv_data_largest(const wkv_data *d, int32_t *largest, wkv_error *err);

/* n ids of the part from `first`, which our own arithmetic keeps inside it.  E_TOKEN, with
 * the position, when an id is not below vocab. */
wkv_status wkv_part_read(const wkv_part *p, uint64_t first, size_t n, int32_t vocab, int32_t *out,
                         wkv_error *err);

/* CRC-32C of the part's stored bytes; of a part beyond 64 MiB, of 1024 pieces of 64 KiB
 * spread evenly over it. */
uint32_t wkv_part_fingerprint(const wkv_part *p);

#endif
