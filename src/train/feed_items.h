/* train/feed_items.h - what a feed is made of, one item after another: windows of a stream,
 * pieces of documents to pack, or documents to read from end to end. */
#ifndef WKV_TRAIN_FEED_ITEMS_H
#define WKV_TRAIN_FEED_ITEMS_H

#include "train/feed.h"

typedef struct wkv_items {
    wkv_feed_opts o;
    const wkv_mix *mix;
    wkv_sampler_rows rows[WKV_SOURCES_MAX]; /* STREAM */
    uint64_t *pieces[WKV_SOURCES_MAX];      /* PACK: of all documents before each, and of all */
    uint64_t drawn[WKV_SOURCES_MAX];        /* items given out */
    uint64_t used[WKV_SOURCES_MAX];         /* tokens of them */
} wkv_items;

/* Zero *x before; deinit in any case. */
wkv_status wkv_items_init(wkv_items *x, const wkv_feed_opts *o, const wkv_mix *mix, wkv_error *err);
void wkv_items_deinit(wkv_items *x);
void wkv_items_rewind(wkv_items *x);

/* The next item, as one segment that may be longer than a row (CARRY); n is 0 for a document
 * that holds no target.  False, with once, when all have been. */
bool wkv_items_next(wkv_items *x, wkv_segment *out);

#endif
