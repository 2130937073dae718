/* TensorBoard's event files: every byte of one, but for its times. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wkv/events.h>

#include "base/crc32.h"
#include "test.h"

enum { MOST = 4096 };

/* Reads the only file of the folder and removes both. */
static size_t take_file(const char *dir, uint8_t data[MOST])
{
    char path[512] = "";
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0)
            snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    closedir(d);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(data, 1, MOST, f);
    fclose(f);
    unlink(path);
    rmdir(dir);
    return n;
}

static uint64_t little(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static uint32_t unmask(uint32_t masked)
{
    uint32_t rotated = masked - UINT32_C(0xa282ead8);
    return rotated >> 17 | rotated << 15;
}

/* Checks the frame of the record at *at and its time, moves on, and returns what comes
 * after the time. */
static const uint8_t *next(const uint8_t *data, size_t n, size_t *at, size_t *length)
{
    const uint8_t *p = data + *at;
    assert_true(*at + 16 <= n);
    size_t size = (size_t)little(p, 8);
    assert_true(*at + 16 + size <= n);
    assert_int_equal(unmask((uint32_t)little(p + 8, 4)), wkv_crc32c(0, p, 8));
    assert_int_equal(unmask((uint32_t)little(p + 12 + size, 4)), wkv_crc32c(0, p + 12, size));
    *at += 16 + size;
    assert_int_equal(p[12], 1 << 3 | 1);
    uint64_t bits = little(p + 13, 8);
    double time;
    memcpy(&time, &bits, sizeof time);
    assert_true(time > 1.6e9 && time < 1e11);
    *length = size - 9;
    return p + 21;
}

static void expect(const uint8_t *data, size_t n, size_t *at, const char *want, size_t want_n)
{
    size_t length;
    const uint8_t *got = next(data, n, at, &length);
    assert_int_equal(length, want_n);
    assert_memory_equal(got, want, want_n);
}

static void writes_the_bytes_of_the_format(void **state)
{
    char dir[] = "events-XXXXXX";
    uint8_t data[MOST];
    wkv_events *e;
    size_t at = 0;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(wkv_events_open(&e, dir, 300, NULL), WKV_OK);
    assert_int_equal(wkv_events_scalar(e, "loss", 301, 1.5, NULL), WKV_OK);
    assert_int_equal(wkv_events_scalar(e, "a/b", INT64_C(1) << 40, (double)NAN, NULL), WKV_OK);
    wkv_events_close(&e);
    assert_null(e);
    size_t n = take_file(dir, data);
    static const char version[] = "\x10\x00\x1a\x0d"
                                  "brain.Event:2";
    expect(data, n, &at, version, sizeof version - 1);
    expect(data, n, &at, "\x10\xac\x02\x3a\x02\x08\x01", 7);
    static const char loss[] = "\x10\xad\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\xc0\x3f";
    expect(data, n, &at, loss, sizeof loss - 1);
    size_t length;
    const uint8_t *nan = next(data, n, &at, &length);
    assert_memory_equal(nan, "\x10\x80\x80\x80\x80\x80\x20\x2a", 8);
    assert_int_equal(at, n);
}

static void refuses_what_it_cannot_write(void **state)
{
    char dir[] = "events-XXXXXX", tag[512];
    uint8_t data[MOST];
    wkv_events *e;
    wkv_error err;
    memset(tag, 'x', sizeof tag);
    assert_int_equal(wkv_events_open(&e, "no/such/folder", 0, &err), WKV_E_IO);
    assert_null(e);
    assert_non_null(strstr(err.text, "no/such/folder/events.out.tfevents."));
    assert_non_null(mkdtemp(dir));
    assert_int_equal(wkv_events_open(&e, dir, 0, NULL), WKV_OK);
    tag[256] = '\0';
    assert_int_equal(wkv_events_scalar(e, tag, 1, 1, &err), WKV_E_ARGUMENT);
    tag[255] = '\0';
    assert_int_equal(wkv_events_scalar(e, tag, 1, 1, &err), WKV_OK);
    wkv_events_close(&e);
    size_t at = 0, length, n = take_file(dir, data);
    while (at < n)
        next(data, n, &at, &length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_bytes_of_the_format),
        cmocka_unit_test(refuses_what_it_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
