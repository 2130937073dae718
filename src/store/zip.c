/* store/zip.c - reading the directory of a ZIP archive.
 *
 * Sizes come from the central directory (local headers may leave them to a data
 * descriptor); where the data begins comes from the local header.  Every offset is
 * checked against the archive; nothing is decompressed. */
#include "store/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "store/bytes.h"

enum {
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    MAX_COMMENT = 0xffff,
    EXTRA_ZIP64 = 1,
    ENCRYPTED = 1
};

#define LOCAL_MAGIC 0x04034b50u
#define CENTRAL_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define END64_MAGIC 0x06064b50u
#define LOCATOR_MAGIC 0x07064b50u

typedef struct directory {
    uint64_t offset, size, count;
} directory;

/* The end record is the last thing in the file but for a comment. */
static wkv_status find_end(const wkv_zip *z, uint64_t *at, wkv_error *err)
{
    if (z->size >= END_SIZE) {
        uint64_t last = z->size - END_SIZE;
        uint64_t first = last > MAX_COMMENT ? last - MAX_COMMENT : 0;
        for (uint64_t p = last;; p--) {
            if (wkv_get_u32(z->data + p) == END_MAGIC &&
                wkv_get_u16(z->data + p + 20) == last - p) {
                *at = p;
                return WKV_OK;
            }
            if (p == first)
                break;
        }
    }
    WKV_FAIL(err, WKV_E_FORMAT, "the ZIP archive has no end record: it is damaged or not complete");
}

static wkv_status find_directory(const wkv_zip *z, directory *d, wkv_error *err)
{
    uint64_t end;
    WKV_TRY(find_end(z, &end, err));
    const uint8_t *p = z->data + end;
    *d = (directory){
        .count = wkv_get_u16(p + 10), .size = wkv_get_u32(p + 12), .offset = wkv_get_u32(p + 16)};
    if (end >= LOCATOR_SIZE && wkv_get_u32(p - LOCATOR_SIZE) == LOCATOR_MAGIC) {
        uint64_t end64 = wkv_get_u64(p - LOCATOR_SIZE + 8);
        if (!wkv_range_ok(end64, END64_SIZE, z->size) ||
            wkv_get_u32(z->data + end64) != END64_MAGIC)
            WKV_FAIL(err, WKV_E_FORMAT,
                     "the ZIP archive's 64-bit end record is not at byte "
                     "%" PRIu64 ", where its locator points",
                     end64);
        p = z->data + end64;
        *d = (directory){.count = wkv_get_u64(p + 32),
                         .size = wkv_get_u64(p + 40),
                         .offset = wkv_get_u64(p + 48)};
    }
    if (!wkv_range_ok(d->offset, d->size, z->size) || d->count > d->size / CENTRAL_SIZE)
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the ZIP archive claims a directory of %" PRIu64 " entries in %" PRIu64
                 " bytes at byte %" PRIu64 " of %" PRIu64,
                 d->count, d->size, d->offset, z->size);
    return WKV_OK;
}

/* Takes from the 64-bit extra field what did not fit into 32 bits. */
static bool read_extra(wkv_zip_entry *e, const uint8_t *p, size_t n)
{
    while (n >= 4) {
        size_t id = wkv_get_u16(p), size = wkv_get_u16(p + 2);
        p += 4;
        n -= 4;
        if (size > n)
            return false;
        if (id == EXTRA_ZIP64) {
            uint64_t *wide[] = {&e->size, &e->stored, &e->header};
            for (size_t i = 0; i < 3; i++) {
                if (*wide[i] != UINT32_MAX)
                    continue;
                if (size < 8)
                    return false;
                *wide[i] = wkv_get_u64(p);
                p += 8;
                n -= 8;
                size -= 8;
            }
        }
        p += size;
        n -= size;
    }
    return true;
}

/* Reads the entry at p, of which `left` bytes exist; returns its size, 0 on damage. */
static size_t read_entry(wkv_zip_entry *e, const uint8_t *p, uint64_t left)
{
    if (left < CENTRAL_SIZE || wkv_get_u32(p) != CENTRAL_MAGIC)
        return 0;
    size_t name = wkv_get_u16(p + 28), extra = wkv_get_u16(p + 30);
    size_t size = CENTRAL_SIZE + name + extra + wkv_get_u16(p + 32);
    if (size > left)
        return 0;
    *e = (wkv_zip_entry){.name = (const char *)p + CENTRAL_SIZE,
                         .name_len = name,
                         .method = wkv_get_u16(p + 10),
                         .stored = wkv_get_u32(p + 20),
                         .size = wkv_get_u32(p + 24),
                         .header = wkv_get_u32(p + 42)};
    if (wkv_get_u16(p + 8) & ENCRYPTED)
        e->method = -1;
    return read_extra(e, p + CENTRAL_SIZE + name, extra) ? size : 0;
}

static int by_name(const void *a, const void *b)
{
    const wkv_zip_entry *x = a, *y = b;
    const int order =
        memcmp(x->name, y->name, x->name_len < y->name_len ? x->name_len : y->name_len);
    return order != 0 ? order : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

wkv_status wkv_zip_open(wkv_zip *z, const uint8_t *data, uint64_t size, wkv_error *err)
{
    *z = (wkv_zip){.data = data, .size = size};
    directory d;
    WKV_TRY(find_directory(z, &d, err));
    z->entries = wkv_calloc((size_t)d.count, sizeof *z->entries);
    if (z->entries == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the ZIP directory");
    uint64_t at = 0;
    for (; z->count < d.count; z->count++) {
        size_t n = read_entry(&z->entries[z->count], data + d.offset + at, d.size - at);
        if (n == 0) {
            wkv_zip_close(z);
            WKV_FAIL(err, WKV_E_FORMAT, "the ZIP directory is damaged at byte %" PRIu64,
                     d.offset + at);
        }
        at += n;
    }
    qsort(z->entries, z->count, sizeof *z->entries, by_name);
    return WKV_OK;
}

void wkv_zip_close(wkv_zip *z)
{
    wkv_free(z->entries);
    *z = (wkv_zip){0};
}

const wkv_zip_entry *wkv_zip_find(const wkv_zip *z, const char *name, size_t name_len)
{
    const wkv_zip_entry key = {.name = name, .name_len = name_len};
    return bsearch(&key, z->entries, z->count, sizeof key, by_name);
}

wkv_status wkv_zip_data(const wkv_zip *z, const wkv_zip_entry *e, const uint8_t **out,
                        wkv_error *err)
{
    const int name_len = (int)(e->name_len < 200 ? e->name_len : 200);
    if (e->method != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the entry '%.*s' is compressed or encrypted; only stored entries can be mapped",
                 name_len, e->name);
    if (e->stored != e->size)
        WKV_FAIL(err, WKV_E_FORMAT, "the entry '%.*s' is stored, but has two different sizes",
                 name_len, e->name);
    if (!wkv_range_ok(e->header, LOCAL_SIZE, z->size) ||
        wkv_get_u32(z->data + e->header) != LOCAL_MAGIC)
        WKV_FAIL(err, WKV_E_FORMAT, "the entry '%.*s' has no local header at byte %" PRIu64,
                 name_len, e->name, e->header);
    const uint8_t *p = z->data + e->header;
    uint64_t at = e->header + LOCAL_SIZE + wkv_get_u16(p + 26) + wkv_get_u16(p + 28);
    if (!wkv_range_ok(at, e->size, z->size))
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the entry '%.*s' claims %" PRIu64 " bytes at byte %" PRIu64 " of %" PRIu64,
                 name_len, e->name, e->size, at, z->size);
    *out = z->data + at;
    return WKV_OK;
}
