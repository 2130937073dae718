/* train/window.c - see window.h. */
#include "train/window.h"

#include "base/mem.h"

bool wkv_window_init(wkv_window *w, int B, int T, int most)
{
    size_t rows = (size_t)B * (size_t)T, n = (size_t)most;
    *w = (wkv_window){
        .B = B,
        .T = T,
        .most = most,
        .start = wkv_calloc(n + 1, sizeof *w->start),
        .kept = wkv_calloc(n, sizeof *w->kept),
        .ids = wkv_calloc(rows, sizeof *w->ids),
        .targets = wkv_calloc(rows, sizeof *w->targets),
    };
    return w->start != NULL && w->kept != NULL && w->ids != NULL && w->targets != NULL;
}

void wkv_window_deinit(wkv_window *w)
{
    wkv_free(w->start);
    wkv_free(w->kept);
    wkv_free(w->ids);
    wkv_free(w->targets);
    *w = (wkv_window){0};
}

uint64_t wkv_window_bytes(const wkv_window *w)
{
    return 4 * (2 * (uint64_t)w->most + 1 + 2 * (uint64_t)w->B * (uint64_t)w->T);
}
