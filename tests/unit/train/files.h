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

/* PREFIX.bin and PREFIX.idx: one item of n ids, `bytes` wide, of type `code`. */
static inline void write_binidx(const char *prefix, const int64_t *ids, size_t n, int bytes,
                                int code)
{
    char path[256];
    snprintf(path, sizeof path, "%s.bin", prefix);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        put_le(f, (uint64_t)ids[i], bytes);
    fclose(f);
    snprintf(path, sizeof path, "%s.idx", prefix);
    f = fopen(path, "wb");
    assert_non_null(f);
    fwrite("MMIDIDX\0\0", 1, 9, f);
    put_le(f, 1, 8);
    put_le(f, (uint64_t)code, 1);
    put_le(f, 1, 8);
    put_le(f, 2, 8);
    put_le(f, n, 4);
    put_le(f, 0, 8);
    put_le(f, 0, 8);
    put_le(f, 1, 8);
    fclose(f);
}

#endif
