/* dev/cpu/stretch.h - cutting a batch into stretches of rows, each inside one sequence, so
 * that a kernel which looks at the row before meets a sequence's start only at row 0. */
#ifndef WKV_DEV_CPU_STRETCH_H
#define WKV_DEV_CPU_STRETCH_H

#include "dev/dev.h"

/* Rows that one call of a kernel takes, so that its outputs stay in the cache. */
enum { WKV_STRETCH = 32 };

typedef struct wkv_stretch {
    int seq, end;
    bool first, last; /* touches the sequence's first, last row */
} wkv_stretch;

/* The sequence that holds this row. */
static inline int wkv_sequence_of(const wkv_seqs *q, int row)
{
    int lo = 0, hi = q->n - 1;
    while (lo < hi) {
        int mid = (lo + hi + 1) / 2;
        if (q->start[mid] <= row)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* The stretch that starts at row `begin` and does not pass `end`. */
static inline wkv_stretch wkv_stretch_at(const wkv_seqs *q, int begin, int end)
{
    int b = wkv_sequence_of(q, begin);
    if (end > begin + WKV_STRETCH)
        end = begin + WKV_STRETCH;
    if (end > q->start[b + 1])
        end = q->start[b + 1];
    return (wkv_stretch){b, end, begin == q->start[b], end == q->start[b + 1]};
}

#endif
