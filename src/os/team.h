/* os/team.h - threads that do short pieces of work together, many times a millisecond.
 *
 * A run is cut into parts.  Part i always goes to thread i, whose caches then know its data;
 * the caller is thread 0.  When he has done his own he takes back what nobody has begun, so that
 * he never waits for a thread that the system does not run.
 *
 * Who waits looks for a moment, then sleeps.  A run costs about a microsecond while the threads
 * look, and some ten when they must be woken. */
#ifndef WKV_OS_TEAM_H
#define WKV_OS_TEAM_H

#include "base/error.h"

typedef struct wkv_team wkv_team;

/* A part of some work, or a piece of it. */
typedef void wkv_team_fn(void *ctx, int part);

/* The caller owns *out until wkv_team_close.  Threads start with the first run that has use for
 * them; what the system refuses to start is done without. */
wkv_status wkv_team_open(wkv_team **out, int threads, wkv_error *err);
/* Not while it runs, but from any thread; harmless on NULL. */
void wkv_team_close(wkv_team **team);

/* Calls fn once for each part in [0, parts) and returns when all are done.  Those beyond the number
 * of threads are dealt out in turns.  While the team is at work already, for another thread or
 * further up in this one, and in a child process of the one whose threads they are, the caller
 * does all of it himself. */
void wkv_team_run(wkv_team *team, wkv_team_fn *fn, void *ctx, int parts);

/* fn for each piece in [0, pieces), which up to so many threads, made for this once, take as they
 * come. */
void wkv_team_once(int threads, wkv_team_fn *fn, void *ctx, int pieces);

#endif
