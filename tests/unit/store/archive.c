/* See archive.h. */
#include "archive.h"

#include <stdint.h>
#include <string.h>

#include "store/bytes.h"

void archive_init(archive *a)
{
    *a = (archive){0};
    wkv_strbuf_init(&a->bytes);
    wkv_strbuf_init(&a->central);
}

static void put(wkv_strbuf *b, uint64_t v, size_t width)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, v);
    wkv_strbuf_add(b, bytes, width);
}

void archive_add(archive *a, const char *name, const void *data, size_t n)
{
    const size_t header = a->bytes.len;
    put(&a->bytes, 0x04034b50, 4);
    wkv_strbuf_add(&a->bytes, (char[22]){0}, 22); /* sizes are in the directory only */
    put(&a->bytes, strlen(name), 2);
    put(&a->bytes, 0, 2);
    wkv_strbuf_puts(&a->bytes, name);
    wkv_strbuf_add(&a->bytes, data, n);

    wkv_strbuf *c = &a->central;
    put(c, 0x02014b50, 4);
    put(c, 0, 6); /* versions, flags */
    put(c, (uint64_t)a->method, 2);
    put(c, 0, 8); /* time, date, CRC */
    put(c, a->wide ? UINT32_MAX : n, 4);
    put(c, a->wide ? UINT32_MAX : n, 4);
    put(c, strlen(name), 2);
    put(c, a->wide ? 28 : 0, 2);
    put(c, 0, 8); /* comment, disk, attributes */
    put(c, 0, 2);
    put(c, a->wide ? UINT32_MAX : header, 4);
    wkv_strbuf_puts(c, name);
    if (a->wide) {
        put(c, 1, 2);
        put(c, 24, 2);
        put(c, n, 8);
        put(c, n, 8);
        put(c, header, 8);
    }
    a->count++;
}

wkv_strbuf archive_finish(archive *a)
{
    wkv_strbuf b = a->bytes;
    const size_t offset = b.len;
    wkv_strbuf_add(&b, a->central.data, a->central.len);
    if (a->wide) {
        const size_t end = b.len;
        put(&b, 0x06064b50, 4);
        put(&b, 44, 8);
        put(&b, 0, 8);
        put(&b, 0, 4);
        put(&b, (uint64_t)a->count, 8);
        put(&b, (uint64_t)a->count, 8);
        put(&b, a->central.len, 8);
        put(&b, offset, 8);
        put(&b, 0x07064b50, 4);
        put(&b, 0, 4);
        put(&b, end, 8);
        put(&b, 1, 4);
    }
    put(&b, 0x06054b50, 4);
    put(&b, 0, 4);
    put(&b, (uint64_t)a->count, 2);
    put(&b, (uint64_t)a->count, 2);
    put(&b, a->central.len, 4);
    put(&b, offset, 4);
    put(&b, 0, 2);
    wkv_strbuf_deinit(&a->central);
    return b;
}

wkv_strbuf checkpoint(const char *pickle, size_t n, int floats)
{
    archive a;
    wkv_strbuf storage;
    wkv_strbuf_init(&storage);
    for (int i = 0; i < floats; i++) {
        float f = (float)i;
        wkv_strbuf_add(&storage, &f, sizeof f);
    }
    archive_init(&a);
    archive_add(&a, "m/data.pkl", pickle, n);
    archive_add(&a, "m/data/0", storage.data != NULL ? storage.data : "", storage.len);
    archive_add(&a, "m/version", "3\n", 2);
    wkv_strbuf_deinit(&storage);
    return archive_finish(&a);
}
