/* wkv/batch.h - many sequences at once, each with its own state and its own new tokens.
 *
 * Decoding reads every weight once for all sequences of a batch.  What a sequence gets does
 * not depend on the others: the bits are those that wkv_session_feed gives it alone. */
#ifndef WKV_BATCH_H
#define WKV_BATCH_H

#include <wkv/session.h>

WKV_BEGIN

/* The memory that a batch is computed in.  It borrows its model and is used by one thread
 * at a time; which sessions it feeds may change from call to call. */
typedef struct wkv_batch wkv_batch;

/* `width` (1 to 256): how many sequences share one pass.  The caller owns *out; on failure
 * *out is NULL. */
WKV_API wkv_status wkv_batch_open(wkv_batch **out, const wkv_model *m, int32_t width,
                                  wkv_error *err);
WKV_API void wkv_batch_close(wkv_batch **b);

/* A session that can be fed through batches alone: it has a state and logits, but none of
 * the memory that feeding takes.  wkv_session_feed and score answer E_STATE. */
WKV_API wkv_status wkv_batch_session_open(wkv_session **out, const wkv_batch *b, wkv_error *err);

typedef struct wkv_batch_item {
    wkv_session *session;  /* of the batch's model, once in a call */
    const int32_t *tokens; /* n of them, n >= 1 */
    size_t n;
} wkv_batch_item;

/* Feeds each session its tokens, as wkv_session_feed does; n_items >= 1 may exceed the
 * width.  E_TOKEN, E_LIMIT or E_ARGUMENT when an item is wrong: no session has then changed,
 * and *bad (unless NULL) is the item's index.  Takes memory only where feeding a session does
 * (session.h). */
WKV_API wkv_status wkv_batch_feed(wkv_batch *b, const wkv_batch_item *items, size_t n_items,
                                  size_t *bad);

WKV_END
#endif
