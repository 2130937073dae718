/* os/team.c - a team for one piece of work. */
#include "os/team.h"

#include <stdatomic.h>

typedef struct pieces {
    wkv_team_fn *fn;
    void *ctx;
    int n;
    atomic_int next;
} pieces;

static void take_pieces(void *ctx, int part)
{
    (void)part;
    pieces *p = ctx;
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n;)
        p->fn(p->ctx, i);
}

void wkv_team_once(int threads, wkv_team_fn *fn, void *ctx, int n)
{
    pieces p = {.fn = fn, .ctx = ctx, .n = n};
    wkv_team *team = NULL;
    const int parts = threads < n ? threads : n;
    if (parts > 1 && wkv_team_open(&team, parts, NULL) == WKV_OK)
        wkv_team_run(team, take_pieces, &p, parts);
    take_pieces(&p, 0);
    wkv_team_close(&team);
}
