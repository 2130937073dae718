/* apps/cli/train_keep.h - the checkpoints of a run's folder, "checkpoint-00000500.safetensors"
 * after step 500: which there are, going on from the newest that is whole, and which of the
 * older ones stay. */
#ifndef WKV_APPS_TRAIN_KEEP_H
#define WKV_APPS_TRAIN_KEEP_H

#include "cli/cli.h"
#include "common/files.h"

/* The name that the checkpoint after `step` has. */
const char *wkv_train_keep_path(char path[WKV_PATH_MAX], const char *dir, int64_t step);

/* The step of the newest checkpoint; -1: there is none. */
int64_t wkv_train_keep_newest(const char *dir);

/* Whether a file is called as a checkpoint is, or what is left of one. */
bool wkv_train_keep_names(const char *name);

/* Restores the newest checkpoint that is whole.  A damaged one is said, and set aside as
 * "...safetensors.damaged".  FAILED after messages: none is whole, also when all were set aside
 * before, or of this run. */
typedef enum wkv_train_kept { WKV_KEPT_NONE, WKV_KEPT_RESTORED, WKV_KEPT_FAILED } wkv_train_kept;
wkv_train_kept wkv_train_keep_restore(const char *dir, wkv_trainer *t);

/* Keeps the `newest` checkpoints, and those of multiples of `every` steps (0: none), and removes
 * the others; newest 0: removes nothing.  False after a message. */
bool wkv_train_keep_prune(const char *dir, int64_t newest, int64_t every);

/* Removes what killed processes left half written. */
void wkv_train_keep_sweep(const char *dir);

/* Removes all checkpoints, those set aside among them.  False after a message. */
bool wkv_train_keep_clear(const char *dir);

#endif
