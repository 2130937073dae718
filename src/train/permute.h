/* train/permute.h - a shuffled order of any length in no memory: a bijection of 0 .. n - 1. */
#ifndef WKV_TRAIN_PERMUTE_H
#define WKV_TRAIN_PERMUTE_H

#include <stdint.h>

/* Where the i-th of n (i < n) lies in the order that the key names. */
uint64_t wkv_permute(uint64_t i, uint64_t n, uint64_t key);

#endif
