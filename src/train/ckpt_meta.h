/* train/ckpt_meta.h - the metadata of a checkpoint: what shaped the run, how far it came,
 * and checksums of it all. */
#ifndef WKV_TRAIN_CKPT_META_H
#define WKV_TRAIN_CKPT_META_H

#include "train/trainer.h"

enum { WKV_CKPT_PAIRS = 64, WKV_CKPT_TEXT = 32 };

typedef struct wkv_ckpt_meta {
    wkv_config_meta config;
    wkv_meta pair[WKV_CKPT_PAIRS];
    size_t n;
    size_t n_shape; /* the first so many must agree between a run and its checkpoint */
    char text[WKV_CKPT_PAIRS][WKV_CKPT_TEXT];
    char guard[WKV_GUARD_TEXT];
} wkv_ckpt_meta;

/* Checksums over a checkpoint's tensors: their values, and their names, types and shapes. */
typedef struct wkv_ckpt_crc {
    uint32_t values, table;
} wkv_ckpt_crc;

/* Describes the trainer as it stands.  Pairs point into *m, which must not move. */
void wkv_ckpt_meta_fill(wkv_ckpt_meta *m, const wkv_trainer *t, wkv_ckpt_crc crc);

/* E_FORMAT when the file is no checkpoint or its metadata are damaged; E_SHAPE, naming the
 * option and both values, when it is of another run, as it also is when `table`, that of this
 * run's tensors, is another. */
wkv_status wkv_ckpt_meta_check(const wkv_store *file, const wkv_trainer *t, uint32_t table,
                               wkv_error *err);

/* Where the run stands, and the checksum over the tensors' values; after a successful check. */
typedef struct wkv_ckpt_state {
    int64_t step;
    wkv_guard guard;
    uint32_t tensors_crc;
    bool has_table; /* earlier versions did not say which tensors there are */
} wkv_ckpt_state;
wkv_status wkv_ckpt_meta_state(const wkv_store *file, int64_t steps, wkv_ckpt_state *s,
                               wkv_error *err);

#endif
