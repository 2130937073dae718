/* tests/unit/train/files.h - small files that these tests write for themselves, each program
 * in a folder of its own below the working folder of the test run. */
#ifndef WKV_TESTS_UNIT_TRAIN_FILES_H
#define WKV_TESTS_UNIT_TRAIN_FILES_H

#include <errno.h>
#include <sys/stat.h>

#include "test.h"

/* A group setup: tests run at the same time must not write over each other's files. */
static inline int own_folder(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "%s.files", program_invocation_short_name);
    mkdir(name, 0777);
    return chdir(name);
}

static inline void write_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void put_le(FILE *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> (8 * i) & 255), f);
}

static inline FILE *file_beside(const char *prefix, const char *suffix)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", prefix, suffix);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    return f;
}

/* Id j of item i. */
typedef int64_t item_id(const void *user, size_t i, size_t j);

/* PREFIX.bin and PREFIX.idx: n items of these lengths, each a document, the ids `bytes` wide and
 * of type `code`. */
static inline void write_items(const char *prefix, int bytes, int code, const size_t *length,
                               size_t n, item_id *id, const void *user)
{
    FILE *bin = file_beside(prefix, ".bin"), *idx = file_beside(prefix, ".idx");
    fwrite("MMIDIDX\0\0", 1, 9, idx);
    put_le(idx, 1, 8);
    put_le(idx, (uint64_t)code, 1);
    put_le(idx, n, 8);
    put_le(idx, n + 1, 8);
    for (size_t i = 0; i < n; i++) {
        put_le(idx, length[i], 4);
        for (size_t j = 0; j < length[i]; j++)
            put_le(bin, (uint64_t)id(user, i, j), bytes);
    }
    for (size_t i = 0, at = 0; i < n; at += (size_t)bytes * length[i], i++)
        put_le(idx, at, 8);
    for (size_t i = 0; i <= n; i++)
        put_le(idx, i, 8);
    assert_int_equal(fclose(bin), 0);
    assert_int_equal(fclose(idx), 0);
}

static inline int64_t listed_id(const void *ids, size_t i, size_t j)
{
    (void)i;
    return ((const int64_t *)ids)[j];
}

/* The same with one item. */
static inline void write_binidx(const char *prefix, const int64_t *ids, size_t n, int bytes,
                                int code)
{
    write_items(prefix, bytes, code, &n, 1, listed_id, ids);
}

#endif
