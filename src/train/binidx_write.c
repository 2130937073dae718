/* train/binidx_write.c - see binidx_write.h. */
#include "train/binidx_write.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

enum { CHUNK = 1 << 14 }; /* numbers that are put together before they are written */
enum { CODE_U8 = 1, CODE_I32 = 4, CODE_U16 = 8 };

static const uint32_t LAST_ITEM = (uint32_t)1 << 31;
static const uint32_t ITEM_MOST = ((uint32_t)1 << 31) - 1;

static wkv_status named(char **out, const wkv_binidx_out *o, const char *suffix, wkv_error *err)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_puts(&b, o->prefix);
    wkv_strbuf_puts(&b, suffix);
    *out = wkv_strbuf_take(&b);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", o->prefix);
    return WKV_OK;
}

static wkv_status open_writer(wkv_writer **w, const wkv_binidx_out *o, const char *suffix,
                              wkv_error *err)
{
    char *path;
    WKV_TRY(named(&path, o, suffix, err));
    wkv_status s = wkv_writer_open(w, path, err);
    wkv_free(path);
    return s;
}

static wkv_status remove_named(const wkv_binidx_out *o, const char *suffix, wkv_error *err)
{
    char *path;
    WKV_TRY(named(&path, o, suffix, err));
    wkv_status s = wkv_remove_file(path, err);
    wkv_free(path);
    return s;
}

wkv_status wkv_binidx_out_init(wkv_binidx_out *o, const char *prefix, int32_t vocab, wkv_error *err)
{
    char *path;
    *o = (wkv_binidx_out){.id_bytes = vocab <= 65536 ? 2 : 4};
    o->prefix = wkv_strndup(prefix, strlen(prefix));
    if (o->prefix == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", prefix);
    WKV_TRY(open_writer(&o->bin, o, ".bin", err));
    WKV_TRY(named(&path, o, ".items", err));
    wkv_status s = wkv_scratch_open(&o->items, path, err);
    wkv_free(path);
    return s;
}

void wkv_binidx_out_deinit(wkv_binidx_out *o)
{
    wkv_writer_abort(&o->bin);
    wkv_writer_abort(&o->mask);
    if (o->items != NULL)
        fclose(o->items);
    wkv_free(o->prefix);
    *o = (wkv_binidx_out){0};
}

/* ---- tokens ----------------------------------------------------------------------------- */

static wkv_status write_ids(wkv_binidx_out *o, const int32_t *ids, size_t n, wkv_error *err)
{
    uint8_t bytes[4 * CHUNK];
    for (size_t done = 0; done < n;) {
        size_t m = n - done < CHUNK ? n - done : CHUNK, at = 0;
        for (size_t i = 0; i < m; i++)
            for (int b = 0; b < o->id_bytes; b++)
                bytes[at++] = (uint8_t)((uint32_t)ids[done + i] >> (8 * b));
        WKV_TRY(wkv_writer_write(o->bin, bytes, at, err));
        done += m;
    }
    return WKV_OK;
}

/* n bytes of the mask; learn NULL: all 1. */
static wkv_status write_mask(wkv_binidx_out *o, const uint8_t *learn, uint64_t n, wkv_error *err)
{
    uint8_t ones[CHUNK];
    memset(ones, 1, sizeof ones);
    for (uint64_t done = 0; done < n;) {
        size_t m = n - done < CHUNK ? (size_t)(n - done) : CHUNK;
        WKV_TRY(wkv_writer_write(o->mask, learn != NULL ? learn + done : ones, m, err));
        done += m;
    }
    return WKV_OK;
}

wkv_status wkv_binidx_out_add(wkv_binidx_out *o, const int32_t *ids, const uint8_t *learn, size_t n,
                              wkv_error *err)
{
    if (o->mask == NULL && learn != NULL && memchr(learn, 0, n) != NULL) {
        WKV_TRY(open_writer(&o->mask, o, ".mask.bin", err));
        WKV_TRY(write_mask(o, NULL, o->tokens, err));
    }
    WKV_TRY(write_ids(o, ids, n, err));
    if (o->mask != NULL)
        WKV_TRY(write_mask(o, learn, n, err));
    o->tokens += n;
    o->length += n;
    return WKV_OK;
}

/* ---- documents ---------------------------------------------------------------------------- */

static wkv_status bad_scratch(const wkv_binidx_out *o, const char *what, wkv_error *err)
{
    WKV_FAIL(err, WKV_E_IO, "%s.items: cannot %s the list of documents: %s", o->prefix, what,
             strerror(errno));
}

wkv_status wkv_binidx_out_end_document(wkv_binidx_out *o, wkv_error *err)
{
    do {
        bool last = o->length <= ITEM_MOST;
        uint32_t item = last ? (uint32_t)o->length | LAST_ITEM : ITEM_MOST;
        if (fwrite(&item, sizeof item, 1, o->items) != 1)
            return bad_scratch(o, "write", err);
        o->n_items++;
        o->length -= item & ITEM_MOST;
        if (last)
            break;
    } while (true);
    o->documents++;
    return WKV_OK;
}

/* ---- the index ------------------------------------------------------------------------------ */

static wkv_status put(wkv_writer *w, uint64_t value, int bytes, wkv_error *err)
{
    uint8_t le[8];
    for (int i = 0; i < bytes; i++)
        le[i] = (uint8_t)(value >> (8 * i));
    return wkv_writer_write(w, le, (size_t)bytes, err);
}

/* The three arrays of the index, each in one sweep over the items. */
typedef enum sweep { SIZES, POINTERS, MARKS } sweep;

static wkv_status write_items(const wkv_binidx_out *o, wkv_writer *w, sweep what, int width,
                              wkv_error *err)
{
    uint64_t at = 0;
    rewind(o->items);
    if (what == MARKS)
        WKV_TRY(put(w, 0, 8, err));
    for (uint64_t i = 0; i < o->n_items; i++) {
        uint32_t item;
        if (fread(&item, sizeof item, 1, o->items) != 1)
            return bad_scratch(o, "read", err);
        uint32_t size = item & ITEM_MOST;
        if (what == SIZES)
            WKV_TRY(put(w, size, 4, err));
        else if (what == POINTERS)
            WKV_TRY(put(w, at, 8, err));
        else if ((item & LAST_ITEM) != 0)
            WKV_TRY(put(w, i + 1, 8, err));
        at += (uint64_t)size * (uint64_t)width;
    }
    return WKV_OK;
}

static wkv_status write_index(const wkv_binidx_out *o, wkv_writer *w, int code, int width,
                              wkv_error *err)
{
    WKV_TRY(wkv_writer_write(w, "MMIDIDX\0\0", 9, err));
    WKV_TRY(put(w, 1, 8, err));
    WKV_TRY(put(w, (uint64_t)code, 1, err));
    WKV_TRY(put(w, o->n_items, 8, err));
    WKV_TRY(put(w, o->documents + 1, 8, err));
    WKV_TRY(write_items(o, w, SIZES, width, err));
    WKV_TRY(write_items(o, w, POINTERS, width, err));
    WKV_TRY(write_items(o, w, MARKS, width, err));
    return wkv_writer_sync(w, err);
}

/* Everything is on the disk: from here on there are only removals and renames. */
static wkv_status put_in_place(wkv_binidx_out *o, wkv_writer **idx, wkv_writer **mask_idx,
                               wkv_error *err)
{
    WKV_TRY(remove_named(o, ".idx", err));
    WKV_TRY(remove_named(o, ".mask.idx", err));
    WKV_TRY(remove_named(o, ".mask.bin", err));
    WKV_TRY(wkv_writer_commit(&o->bin, err));
    if (o->mask != NULL) {
        WKV_TRY(wkv_writer_commit(&o->mask, err));
        WKV_TRY(wkv_writer_commit(mask_idx, err));
    }
    return wkv_writer_commit(idx, err);
}

wkv_status wkv_binidx_out_finish(wkv_binidx_out *o, wkv_error *err)
{
    wkv_writer *idx = NULL, *mask_idx = NULL;
    wkv_status s = wkv_writer_sync(o->bin, err);
    if (s == WKV_OK && o->mask != NULL)
        s = wkv_writer_sync(o->mask, err);
    if (s == WKV_OK)
        s = open_writer(&idx, o, ".idx", err);
    if (s == WKV_OK)
        s = write_index(o, idx, o->id_bytes == 2 ? CODE_U16 : CODE_I32, o->id_bytes, err);
    if (s == WKV_OK && o->mask != NULL)
        s = open_writer(&mask_idx, o, ".mask.idx", err);
    if (s == WKV_OK && o->mask != NULL)
        s = write_index(o, mask_idx, CODE_U8, 1, err);
    if (s == WKV_OK)
        s = put_in_place(o, &idx, &mask_idx, err);
    wkv_writer_abort(&idx);
    wkv_writer_abort(&mask_idx);
    return s;
}
