/* train/binidx_write.h - writing a binidx pair, with a mask where it is needed, document by
 * document in bounded memory. */
#ifndef WKV_TRAIN_BINIDX_WRITE_H
#define WKV_TRAIN_BINIDX_WRITE_H

#include "os/os.h"

typedef struct wkv_binidx_out {
    char *prefix;
    wkv_writer *bin, *mask; /* mask: from the first token on that is not to be learnt */
    FILE *items;            /* u32 an item: its size, and LAST_ITEM where a document ends */
    int id_bytes;           /* 2: u16, 4: i32 */
    uint64_t tokens, n_items, documents;
    uint64_t length; /* of the document that is being written */
} wkv_binidx_out;

/* Ids are below vocab.  Zero *o before; deinit in any case, which removes what was not put
 * in place. */
wkv_status wkv_binidx_out_init(wkv_binidx_out *o, const char *prefix, int32_t vocab,
                               wkv_error *err);
void wkv_binidx_out_deinit(wkv_binidx_out *o);

/* n more tokens of the document; learn: a byte each, or NULL where all are. */
wkv_status wkv_binidx_out_add(wkv_binidx_out *o, const int32_t *ids, const uint8_t *learn, size_t n,
                              wkv_error *err);
wkv_status wkv_binidx_out_end_document(wkv_binidx_out *o, wkv_error *err);

/* Writes the index and puts all in place; an index that was there goes first, and the new one
 * comes last, so that what has one is whole. */
wkv_status wkv_binidx_out_finish(wkv_binidx_out *o, wkv_error *err);

#endif
