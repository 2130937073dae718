/* apps/cli/train_dir.h - the folder of a training run: who works in it, its options, and the
 * names of its files; its checkpoints are in train_keep.h. */
#ifndef WKV_APPS_TRAIN_DIR_H
#define WKV_APPS_TRAIN_DIR_H

#include <jansson.h>

#include "cli/cli.h"
#include "common/files.h"

#define WKV_TRAIN_OPTIONS "options.json"
#define WKV_TRAIN_METRICS "metrics.jsonl"
#define WKV_TRAIN_MANIFEST "manifest.json"

typedef struct wkv_train_dir {
    const char *path; /* of the folder; borrowed */
    char options[WKV_PATH_MAX], metrics[WKV_PATH_MAX], model[WKV_PATH_MAX];
    const char *made; /* what the run makes: "model", "adapter", "state"; at `model` */
    int lock;                        /* held while a process is at work in the folder, or -1 */
    json_t *kept;                    /* what options.json held; option texts point into it */
    char *text[WKV_ARG_OPTIONS_MAX]; /* numbers of it, as text */
    int n_text;
} wkv_train_dir;

void wkv_train_dir_init(wkv_train_dir *d, const char *path);
void wkv_train_dir_deinit(wkv_train_dir *d);

/* The run does not make a model but something else, whose file has its name. */
void wkv_train_dir_makes(wkv_train_dir *d, const char *what);

/* Whether a run has begun in it. */
bool wkv_train_dir_has_options(const wkv_train_dir *d);

/* Takes the folder, where it exists, for this process, and every option that the command line left
 * out from options.json.  An option that decides what is learnt must not be given another value,
 * and there must be no checkpoints without the options: then false, after a message.  *found: there
 * is an options.json. */
bool wkv_train_dir_recall(wkv_train_dir *d, const wkv_command *c, const wkv_args *args,
                          void *options, bool *found);

/* Takes the folder for this process, unless it is already, after creating it where it is absent,
 * and removes what killed ones left half written.  False after a message. */
bool wkv_train_dir_make(wkv_train_dir *d);

/* For a new run in a folder that is this process's: removes what an earlier run left there and
 * writes options.json.  False after a message. */
bool wkv_train_dir_begin(wkv_train_dir *d, const wkv_command *c, const void *options);

#endif
