/* train/guard.h - which steps are not taken: those whose loss or gradient is not finite, or far
 * above those of the last steps that were.
 *
 * Far above means above median + factor * spread, over the last WKV_GUARD_WINDOW steps that
 * were taken; the spread is 1.4826 times the median distance from the median, which for a
 * normal distribution is its standard deviation, and which outliers hardly move.  A gradient's
 * norm varies by factors, so its logarithm is judged.  Spreads count as
 * no less than 0.02 nats of loss, since a run that has settled varies little, and 0.5 of the
 * logarithm, since norms have long tails in healthy runs, and clipping takes care of those. */
#ifndef WKV_TRAIN_GUARD_H
#define WKV_TRAIN_GUARD_H

#include <wkv/train.h>

enum { WKV_GUARD_WINDOW = 128, WKV_GUARD_FIRST = 32 /* steps before anything is an outlier */ };

/* Zero at the beginning of a run; part of its checkpoints. */
typedef struct wkv_guard {
    float last[2][WKV_GUARD_WINDOW]; /* rings: losses, and logarithms of norms */
    uint64_t taken;                  /* steps that went into the rings */
    int64_t skipped;                 /* steps that were not taken */
    int32_t in_row;                  /* of those, how many since one that was */
} wkv_guard;

/* Whether to take a step; *limit is what its loss or norm is above, NaN when it is not finite.
 * factor 0: nothing finite is an outlier. */
wkv_skip wkv_guard_judge(const wkv_guard *g, double loss, double norm, double factor,
                         double *limit);

void wkv_guard_take(wkv_guard *g, double loss, double norm);
void wkv_guard_skip(wkv_guard *g);

/* The rings as text, for a checkpoint, and back; false when it is none. */
enum { WKV_GUARD_TEXT = 2 * WKV_GUARD_WINDOW * 8 + 1 };
void wkv_guard_format(const wkv_guard *g, char text[WKV_GUARD_TEXT]);
bool wkv_guard_parse(wkv_guard *g, const char *text);

#endif
