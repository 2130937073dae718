/* train/memory.h - what memory a run will take, before it takes it. */
#ifndef WKV_TRAIN_MEMORY_H
#define WKV_TRAIN_MEMORY_H

#include "train/trainer.h"

/* E_MEMORY, with the figures and what would fit, when a planned run is to take more than limit
 * bytes; limit 0 is none. */
wkv_status wkv_trainer_check_memory(const wkv_trainer *t, uint64_t limit, wkv_error *err);

#endif
