/* store/zip.h - the part of the ZIP format that .pth files use: stored entries, found
 * through the central directory, with or without the 64-bit records. */
#ifndef WKV_STORE_ZIP_H
#define WKV_STORE_ZIP_H

#include "os/os.h"

/* ---- reading ------------------------------------------------------------------------ */

typedef struct wkv_zip_entry {
    const char *name; /* inside the archive, not NUL-terminated */
    size_t name_len;
    uint64_t header; /* where the local header lies */
    uint64_t size;
    uint64_t stored; /* size as stored; differs when compressed */
    int method;      /* 0: stored */
} wkv_zip_entry;

typedef struct wkv_zip {
    const uint8_t *data;
    uint64_t size;
    wkv_zip_entry *entries; /* sorted by name */
    size_t count;
} wkv_zip;

/* Reads the central directory.  The archive's bytes must outlive *z, which the caller
 * releases with wkv_zip_close (harmless on a zeroed one). */
wkv_status wkv_zip_open(wkv_zip *z, const uint8_t *data, uint64_t size, wkv_error *err);
void wkv_zip_close(wkv_zip *z);

/* The entry called name, or NULL. */
const wkv_zip_entry *wkv_zip_find(const wkv_zip *z, const char *name, size_t name_len);

/* Where the bytes of an entry lie: e->size of them at *out.  E_UNSUPPORTED when it is
 * compressed. */
wkv_status wkv_zip_data(const wkv_zip *z, const wkv_zip_entry *e, const uint8_t **out,
                        wkv_error *err);

/* ---- writing ------------------------------------------------------------------------ */

typedef struct wkv_zip_out wkv_zip_out;

/* Entries are written one after the other, each aligned to 64 bytes.  w stays the
 * caller's; *out is closed by wkv_zip_finish or wkv_zip_abandon. */
wkv_status wkv_zip_create(wkv_zip_out **out, wkv_writer *w, wkv_error *err);

/* Starts an entry of `size` bytes whose CRC-32 is known; the caller then writes
 * exactly that many bytes to w. */
wkv_status wkv_zip_begin(wkv_zip_out *z, const char *name, uint64_t size, uint32_t crc,
                         wkv_error *err);

/* Writes the central directory.  Frees *z either way. */
wkv_status wkv_zip_finish(wkv_zip_out **z, wkv_error *err);
void wkv_zip_abandon(wkv_zip_out **z);

#endif
