/* apps/cli/train_init.h - what the command line says of a new model, beside a model that the run
 * starts from. */
#ifndef WKV_APPS_TRAIN_INIT_H
#define WKV_APPS_TRAIN_INIT_H

#include "cli/train_run.h"

/* The model in --init decides architecture, shapes and vocabulary: what is given of them must be
 * what it has.  False after a message that names the option. */
bool wkv_train_init_check(const wkv_train_options *o, const wkv_args *args);

#endif
