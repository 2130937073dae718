/* apps/cli/train_manifest.h - manifest.json of a run's folder: what made it.  Data with their
 * checksums, and for each call of the program that worked on the run its whole command line,
 * the versions of what computed, the machine, when it began and ended and where. */
#ifndef WKV_APPS_TRAIN_MANIFEST_H
#define WKV_APPS_TRAIN_MANIFEST_H

#include <jansson.h>

#include "cli/train_run.h"

typedef struct wkv_train_manifest {
    char path[WKV_PATH_MAX];
    json_t *all;  /* NULL: none yet */
    json_t *call; /* this one's entry; borrowed from all */
} wkv_train_manifest;

/* Reads the manifest of a run that is resumed and looks whether the data are those that it
 * names: training data that are not are an error, with their names, held-out data a warning.
 * Without such a file there is nothing to compare.  False after a message. */
bool wkv_train_manifest_recall(wkv_train_manifest *m, const char *folder,
                               const wkv_train_options *o, const wkv_trainer *t);

/* Writes down that this call begins; for a new run, what the run is as well.  False after a
 * message. */
bool wkv_train_manifest_begin(wkv_train_manifest *m, const char *folder, const wkv_train_options *o,
                              const wkv_trainer *t);
/* And that it ends, after `step`, how ("finished", "stopped", "failed"). */
bool wkv_train_manifest_end(wkv_train_manifest *m, int64_t step, const char *how);

void wkv_train_manifest_deinit(wkv_train_manifest *m);

#endif
