/* train/feed.h - which tokens every step is made of, in three ways:
 *
 *   STREAM  rows are windows of ctx tokens of the whole text, wherever documents begin
 *           (RWKV-LM's way); sample.h says which
 *   PACK    rows are filled with whole documents, those that are longer than a row cut from
 *           their beginning on into pieces of ctx; each starts from the initial state
 *   CARRY   every row reads a document from its first window to its last and keeps the state
 *           between them, then takes another one
 *
 * With several sources, the next window, piece or document is of the source that has had
 * the fewest tokens for its weight.  All of it follows from options, data and the number of
 * the step: a run that goes on plans through the steps before, without reading them. */
#ifndef WKV_TRAIN_FEED_H
#define WKV_TRAIN_FEED_H

#include "train/data.h"
#include "train/sample.h"
#include "train/window.h"

enum { WKV_SOURCES_MAX = 16 };

/* The sources of one feed. */
typedef struct wkv_mix {
    wkv_part part[WKV_SOURCES_MAX];
    uint64_t weight[WKV_SOURCES_MAX]; /* above 0 */
    int n;
    uint64_t tokens; /* of all */
} wkv_mix;

typedef enum wkv_feed_kind { WKV_FEED_STREAM, WKV_FEED_PACK, WKV_FEED_CARRY } wkv_feed_kind;

typedef struct wkv_feed_opts {
    wkv_feed_kind kind;
    wkv_order order; /* SEQUENTIAL: as they lie in their sources */
    int B, T;
    uint64_t seed;
    int32_t vocab; /* ids are below */
    bool once;     /* every window, piece or document once, in order: for validation */
} wkv_feed_opts;

/* A run of targets of one source, or with part < 0 nothing: padding. */
typedef struct wkv_segment {
    int part;
    uint64_t n;
    uint64_t first; /* target, as a token of the part; its input is the token before */
    bool lead;      /* but the first input is token 0, with which a document begins */
    bool fresh;     /* starts from the initial state */
} wkv_segment;

typedef struct wkv_feed wkv_feed; /* feed.c plans windows, feed_items.c says what comes next */

/* Tokens of a row that a sequence takes on average at least: bounds the states of a pass. */
enum { WKV_ROW_SHARE = 16 };

/* How many sequences a row may hold. */
int wkv_feed_per_row(wkv_feed_kind kind, int T);

/* The mix is borrowed and has been checked to hold something to learn (wkv_feed_check). */
wkv_status wkv_feed_open(wkv_feed **out, const wkv_feed_opts *o, const wkv_mix *mix,
                         wkv_error *err);
void wkv_feed_close(wkv_feed **f);

/* E_ARGUMENT when a part is too short for this kind of feed; `what` it is for. */
wkv_status wkv_feed_check(const wkv_feed_opts *o, const wkv_part *p, const char *what,
                          wkv_error *err);

/* The next window.  With once, *more is false when there is none.  E_TOKEN when an id is not
 * below vocab. */
wkv_status wkv_feed_next(wkv_feed *f, wkv_window *w, bool *more, wkv_error *err);

/* Goes to the state in which `windows` of them have been given out. */
void wkv_feed_seek(wkv_feed *f, uint64_t windows);
/* How many have been. */
uint64_t wkv_feed_position(const wkv_feed *f);

/* STREAM: whether all sources follow RWKV-LM's sampler. */
bool wkv_feed_magic(const wkv_feed *f);

#endif
