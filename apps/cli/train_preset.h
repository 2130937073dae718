/* apps/cli/train_preset.h - named settings of `wkv train`: options as if they had been typed
 * before all others. */
#ifndef WKV_APPS_TRAIN_PRESET_H
#define WKV_APPS_TRAIN_PRESET_H

#include "cli/cli.h"

#define WKV_TRAIN_PRESETS "rwkv-lm-v7"

/* Sets what the preset (one of the above, or NULL) says and the command line does not. */
void wkv_train_preset_apply(const char *preset, const wkv_command *c, const wkv_args *args,
                            void *options);

#endif
