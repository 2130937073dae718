/* apps/cli/progress.h - what the commands that write a model show meanwhile, and how they end when
 * they are asked to stop. */
#ifndef WKV_APPS_PROGRESS_H
#define WKV_APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <wkv/status.h>

/* What goes on now; zeroed memory before anything does. */
typedef struct wkv_progress {
    const char *did; /* "written" */
    double start;
} wkv_progress;

/* Shows "DID done of total UNIT", with rate and time left; another did than before begins anew.
 * Returns false when the command is to stop. */
bool wkv_progress_show(wkv_progress *p, const char *did, const char *unit, uint64_t done,
                       uint64_t total);

/* Says what came instead of the file or folder `out`: that the command was stopped, or err.  The
 * exit status. */
int wkv_progress_failed(const char *command, const char *out, const wkv_error *err);

#endif
