/* dev/cpu/heads.h - the recurrences with a matrix for each head: every (sequence, head) is a
 * task of its own, and nothing is shared between tasks. */
#ifndef WKV_DEV_CPU_HEADS_H
#define WKV_DEV_CPU_HEADS_H

#include "dev/dev.h"

/* One head of one sequence: its place in the activations and the state. */
typedef struct wkv_head_task {
    int seq, T;
    size_t channel; /* offset of the head's first channel in (C) */
    size_t row0;    /* offset of its first value in (rows, C) */
    size_t state;   /* offset in the sequence's slot */
} wkv_head_task;

static inline wkv_head_task wkv_head_task_at(size_t i, int H, int N, const wkv_seqs *q)
{
    size_t h = i % (size_t)H, square = (size_t)N * (size_t)N;
    wkv_head_task t = {.seq = (int)(i / (size_t)H), .channel = h * (size_t)N, .state = h * square};
    t.T = q->start[t.seq + 1] - q->start[t.seq];
    t.row0 = (size_t)q->start[t.seq] * (size_t)H * (size_t)N + t.channel;
    return t;
}

/* Where in `keep` its states are.  It takes a look at all sequences before: not for who keeps
 * none. */
static inline size_t wkv_head_keep_at(const wkv_head_task *t, int H, int N, const wkv_seqs *q)
{
    const wkv_seqs before = {t->seq, q->start};
    const size_t chunks = (size_t)(t->T + WKV_WKV7_CHUNK - 1) / WKV_WKV7_CHUNK;
    return wkv_wkv7_keep_size(&before, H, N) + t->channel * chunks * (size_t)N;
}

/* The gradient of the task's final state, which becomes that of its first: in dslot, or, where
 * none comes in and none is wanted, zeros in `mine` (N, N). */
static inline real *wkv_head_dstate(const wkv_head_task *t, const wkv_slot *dslot, real *mine,
                                    int N)
{
    if (dslot->state != NULL)
        return dslot->state[t->seq] + dslot->offset + t->state;
    for (size_t i = 0; i < (size_t)N * (size_t)N; i++)
        mine[i] = 0;
    return mine;
}

#endif
