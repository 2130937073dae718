/* tests/support/open_all.h - what is asked of every parser, whatever bytes it gets: an
 * error that says which file, or a store of which every byte may be read. */
#ifndef WKV_TESTS_OPEN_ALL_H
#define WKV_TESTS_OPEN_ALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/format.h"

/* Opens the bytes and, when that works, reads every element of every tensor and looks
 * up every name.  False with *err when they were refused.  Ends the program when a
 * promise of store/tensor.h is broken. */
bool open_all(const void *data, size_t size, wkv_error *err);

#endif
