/* train/window.h - what one pass works on: B rows of T tokens, cut into sequences.
 *
 * A row holds one or more sequences side by side.  Each begins from the initial state, or
 * goes on from the state that its row kept; so a document's border inside a row is where
 * one sequence ends and another begins, and nothing can leak across it. */
#ifndef WKV_TRAIN_WINDOW_H
#define WKV_TRAIN_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct wkv_window {
    int B, T, most;   /* rows, tokens of each, sequences there is room for */
    int n;            /* sequences */
    int32_t *start;   /* n + 1: sequence i is tokens start[i] .. of the B T */
    int32_t *kept;    /* n: the row whose state sequence i goes on from; -1: the initial one */
    int32_t *ids;     /* (B, T) */
    int32_t *targets; /* (B, T): the token after each; -1: nothing is to be learnt there */
    int64_t learnt;   /* targets that are not -1 */
} wkv_window;

/* Zero *w before; deinit in any case.  False when out of memory. */
bool wkv_window_init(wkv_window *w, int B, int T, int most);
void wkv_window_deinit(wkv_window *w);
uint64_t wkv_window_bytes(const wkv_window *w);

#endif
