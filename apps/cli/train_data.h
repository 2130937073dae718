/* apps/cli/train_data.h - the sources of a training run as the command line gives them. */
#ifndef WKV_APPS_TRAIN_DATA_H
#define WKV_APPS_TRAIN_DATA_H

#include "cli/cli.h"
#include "common/files.h"

enum { WKV_TRAIN_DATA_TEXT = WKV_PATH_MAX + 32 };

/* Texts that must live as long as the options that point at them. */
typedef struct wkv_train_data {
    char spec[WKV_ARG_LIST_MAX][WKV_TRAIN_DATA_TEXT]; /* "PATH" or "PATH:W", absolute */
    char path[WKV_ARG_LIST_MAX][WKV_PATH_MAX];
    wkv_train_source source[WKV_ARG_LIST_MAX];
    int n;
} wkv_train_data;

/* True when PREFIX.bin and PREFIX.idx exist, as the library decides: a folder or a text of the
 * name itself may lie beside them. */
bool wkv_train_data_binidx(const char *prefix);

/* Turns the paths of the list into absolute ones, so that a run can be resumed from
 * anywhere. */
void wkv_train_data_absolute(wkv_train_data *d, wkv_arg_list *list);

/* Parts each text of the list into path and weight, and sets the sources of *o; false after a
 * message. */
bool wkv_train_data_fill(wkv_train_data *d, const wkv_arg_list *list, wkv_train_opts *o);

/* Says on stderr which sources are JSON lines, which training does not take apart. */
void wkv_train_data_remark(const wkv_train_data *d);

#endif
