/* tests/unit/store/archive.h - ZIP archives made by hand, right and wrong, and the
 * pickles that go into them. */
#ifndef WKV_TESTS_ARCHIVE_H
#define WKV_TESTS_ARCHIVE_H

#include <stdbool.h>

#include "base/strbuf.h"

typedef struct archive {
    wkv_strbuf bytes;   /* local headers and data */
    wkv_strbuf central; /* the directory */
    int count;
    bool wide;  /* write the numbers into 64-bit records */
    int method; /* as the directory claims */
} archive;

void archive_init(archive *a);
void archive_add(archive *a, const char *name, const void *data, size_t n);
/* Puts the directory behind the data; the caller owns the result and a is done with. */
wkv_strbuf archive_finish(archive *a);

/* An archive "m/" of this pickle and one storage "0" with the floats 0, 1, 2 ... */
wkv_strbuf checkpoint(const char *pickle, size_t n, int floats);

/* Pieces of pickles.  A tensor over `count` elements of storage "0"; offset, shape and
 * strides are opcodes. */
#define TENSOR(count, offset, shape, strides) \
    "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n" \
    "X\1\0\0\0" \
    "0X\3\0\0\0cpu" count "tQ" offset shape strides "\x89" ORDERED_DICT "tR"
#define ORDERED_DICT "ccollections\nOrderedDict\n)R"
#define W "X\1\0\0\0w"

#endif
