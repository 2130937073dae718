/* apps/cli/train_clear.h - emptying a folder for the run that begins there: what an earlier run
 * left, and when it must stay. */
#ifndef WKV_APPS_TRAIN_CLEAR_H
#define WKV_APPS_TRAIN_CLEAR_H

#include "cli/train_run.h"

/* Whether the folder may be emptied for a run of these options: not when that would remove a file
 * that the run reads, nor when files in it are those of no run.  False after a message. */
bool wkv_train_clear_check(const char *dir, const wkv_train_options *o);

/* Removes what an earlier run left, but for its options.  False after a message. */
bool wkv_train_clear(const char *dir);

/* Removes what killed processes left half written. */
void wkv_train_clear_sweep(const char *dir);

#endif
