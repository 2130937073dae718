/* store/zip_write.c - writing a ZIP archive of stored entries.
 *
 * Each entry's data begins at a multiple of 64 bytes, so that a mapping of the archive
 * gives aligned tensors; the gap is an extra field of the local header.  64-bit records
 * are written where a number needs them, and always at the end, as PyTorch does. */
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "store/bytes.h"
#include "store/zip.h"

enum {
    ALIGNMENT = 64,
    VERSION = 45,       /* of the format: has 64-bit records */
    UTF8_NAMES = 0x800, /* flag */
    FIRST_DAY = 0x21,   /* 1980-01-01: archives do not depend on the clock */
    EXTRA_ZIP64 = 1,
    EXTRA_PADDING = 0x4246 /* what PyTorch uses */
};

struct wkv_zip_out {
    wkv_writer *w;
    wkv_strbuf central;
    uint64_t count;
};

wkv_status wkv_zip_create(wkv_zip_out **out, wkv_writer *w, wkv_error *err)
{
    *out = wkv_calloc(1, sizeof **out);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the archive");
    (*out)->w = w;
    wkv_strbuf_init(&(*out)->central);
    return WKV_OK;
}

void wkv_zip_abandon(wkv_zip_out **z)
{
    if (*z == NULL)
        return;
    wkv_strbuf_deinit(&(*z)->central);
    wkv_free(*z);
    *z = NULL;
}

static void put16(wkv_strbuf *b, uint64_t v)
{
    uint8_t bytes[2];
    wkv_put_u16(bytes, (uint16_t)v);
    wkv_strbuf_add(b, bytes, sizeof bytes);
}

static void put32(wkv_strbuf *b, uint64_t v)
{
    uint8_t bytes[4];
    wkv_put_u32(bytes, (uint32_t)v);
    wkv_strbuf_add(b, bytes, sizeof bytes);
}

static void put64(wkv_strbuf *b, uint64_t v)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, v);
    wkv_strbuf_add(b, bytes, sizeof bytes);
}

/* A number in its 32-bit field, or the mark that says to look in the extra field. */
static uint64_t narrow(uint64_t v)
{
    return v < UINT32_MAX ? v : UINT32_MAX;
}

/* The fields that the local and the central header share. */
static void put_common(wkv_strbuf *b, uint64_t size, uint32_t crc, size_t name_len, size_t extra)
{
    put16(b, VERSION);
    put16(b, UTF8_NAMES);
    put16(b, 0); /* stored */
    put16(b, 0);
    put16(b, FIRST_DAY);
    put32(b, crc);
    put32(b, narrow(size));
    put32(b, narrow(size));
    put16(b, name_len);
    put16(b, extra);
}

static void put_central(wkv_zip_out *z, const char *name, uint64_t size, uint32_t crc,
                        uint64_t header)
{
    wkv_strbuf *b = &z->central;
    const size_t wide = (size >= UINT32_MAX ? 16u : 0u) + (header >= UINT32_MAX ? 8u : 0u);
    put32(b, 0x02014b50);
    put16(b, VERSION);
    put_common(b, size, crc, strlen(name), wide > 0 ? 4 + wide : 0);
    put16(b, 0); /* comment */
    put16(b, 0); /* disk */
    put16(b, 0); /* attributes */
    put32(b, 0);
    put32(b, narrow(header));
    wkv_strbuf_puts(b, name);
    if (wide == 0)
        return;
    put16(b, EXTRA_ZIP64);
    put16(b, wide);
    if (size >= UINT32_MAX) {
        put64(b, size);
        put64(b, size);
    }
    if (header >= UINT32_MAX)
        put64(b, header);
}

static void put_local(wkv_strbuf *b, const char *name, uint64_t size, uint32_t crc, uint64_t header)
{
    static const char zeros[ALIGNMENT] = {0};
    const size_t wide = size >= UINT32_MAX ? 20 : 0;
    const uint64_t unpadded = header + 30 + strlen(name) + wide + 4;
    const size_t padding = (size_t)((ALIGNMENT - unpadded % ALIGNMENT) % ALIGNMENT);
    put32(b, 0x04034b50);
    put_common(b, size, crc, strlen(name), wide + 4 + padding);
    wkv_strbuf_puts(b, name);
    if (wide > 0) {
        put16(b, EXTRA_ZIP64);
        put16(b, 16);
        put64(b, size);
        put64(b, size);
    }
    put16(b, EXTRA_PADDING);
    put16(b, padding);
    wkv_strbuf_add(b, zeros, padding);
}

/* Writes the bytes gathered in b and releases it. */
static wkv_status flush(wkv_writer *w, wkv_strbuf *b, wkv_error *err)
{
    wkv_status status = wkv_strbuf_ok(b)
                            ? wkv_writer_write(w, b->data, b->len, err)
                            : WKV_SET(err, WKV_E_MEMORY, "out of memory for the archive");
    wkv_strbuf_deinit(b);
    return status;
}

wkv_status wkv_zip_begin(wkv_zip_out *z, const char *name, uint64_t size, uint32_t crc,
                         wkv_error *err)
{
    const uint64_t header = wkv_writer_offset(z->w);
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    put_local(&b, name, size, crc, header);
    put_central(z, name, size, crc, header);
    z->count++;
    return flush(z->w, &b, err);
}

static void put_end(wkv_strbuf *b, uint64_t count, uint64_t size, uint64_t offset)
{
    put32(b, 0x06064b50);
    put64(b, 44); /* bytes that follow in this record */
    put16(b, VERSION);
    put16(b, VERSION);
    put32(b, 0);
    put32(b, 0);
    put64(b, count);
    put64(b, count);
    put64(b, size);
    put64(b, offset);

    put32(b, 0x07064b50);
    put32(b, 0);
    put64(b, offset + size); /* of the record above */
    put32(b, 1);

    const uint64_t few = count < UINT16_MAX ? count : UINT16_MAX;
    put32(b, 0x06054b50);
    put32(b, 0);
    put16(b, few);
    put16(b, few);
    put32(b, narrow(size));
    put32(b, narrow(offset));
    put16(b, 0);
}

wkv_status wkv_zip_finish(wkv_zip_out **pz, wkv_error *err)
{
    wkv_zip_out *z = *pz;
    const uint64_t offset = wkv_writer_offset(z->w), size = z->central.len;
    put_end(&z->central, z->count, size, offset);
    wkv_status status = flush(z->w, &z->central, err);
    wkv_zip_abandon(pz);
    return status;
}
