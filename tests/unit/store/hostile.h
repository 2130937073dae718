/* tests/unit/store/hostile.h - attacks that every parser has to stand: the file cut
 * short at every byte, every bit of it flipped, and memory running out. */
#ifndef WKV_TESTS_HOSTILE_H
#define WKV_TESTS_HOSTILE_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/* How many of the damaged copies were accepted. */
size_t truncate_everywhere(const void *data, size_t size);
size_t flip_every_bit(const void *data, size_t size);

/* Opens the bytes with all allocations after the n-th failing, for every n until none does. */
void fail_every_allocation(const void *data, size_t size);

/* The bytes of a file; the caller releases them with wkv_strbuf_deinit. */
wkv_strbuf read_file(const char *path);

/* Opens and asserts that it is refused with this status and a text that holds `words`. */
void assert_refused(const wkv_strbuf *file, wkv_status status, const char *words);
void assert_accepted(const wkv_strbuf *file);

#endif
