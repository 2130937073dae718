/* See hostile.h.  Every copy lies in a block of exactly its size, so that
 * AddressSanitizer sees the first byte too many. */
#include "hostile.h"

#include "support/heap.h"
#include "support/open_all.h"
#include "test.h"

static bool accepts(const void *data, size_t size, wkv_error *err)
{
    void *copy = malloc(size + (size == 0));
    memcpy(copy, data, size);
    bool ok = open_all(copy, size, err);
    free(copy);
    return ok;
}

size_t truncate_everywhere(const void *data, size_t size)
{
    wkv_error err;
    size_t accepted = 0;
    for (size_t n = 0; n < size; n++)
        accepted += accepts(data, n, &err);
    return accepted;
}

size_t flip_every_bit(const void *data, size_t size)
{
    wkv_error err;
    size_t accepted = 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        accepted += open_all(copy, size, &err);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(copy);
    return accepted;
}

void fail_every_allocation(const void *data, size_t size)
{
    bool ok = false;
    int n = 0;
    for (; !ok && n < 10000; n++) {
        wkv_error err;
        heap_limit(n);
        ok = open_all(data, size, &err);
        heap_release();
        if (!ok) {
            assert_int_equal(err.code, WKV_E_MEMORY);
            assert_non_null(strstr(err.text, "out of memory"));
        }
    }
    assert_true(ok && n > 4);
}

wkv_strbuf read_file(const char *path)
{
    wkv_strbuf b;
    char piece[4096];
    size_t n;
    wkv_strbuf_init(&b);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        wkv_strbuf_add(&b, piece, n);
    fclose(f);
    assert_true(wkv_strbuf_ok(&b));
    return b;
}

void assert_refused(const wkv_strbuf *file, wkv_status status, const char *words)
{
    wkv_error err;
    if (accepts(file->data, file->len, &err))
        fail_msg("accepted, but '%s' was expected", words);
    if (err.code != status || strstr(err.text, words) == NULL)
        fail_msg("%s: %s; '%s' was expected", wkv_status_name(err.code), err.text, words);
}

void assert_accepted(const wkv_strbuf *file)
{
    wkv_error err;
    if (!accepts(file->data, file->len, &err))
        fail_msg("%s", err.text);
}
