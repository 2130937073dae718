/* store/pth_write.c - writing a checkpoint that torch.load opens, also with
 * weights_only=True: an OrderedDict of contiguous tensors, each with a storage of its
 * own, in pickle protocol 2.
 *
 * The form has no place for metadata.  It goes into an entry of its own, which PyTorch
 * skips and our reader finds. */
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "store/bytes.h"
#include "store/json.h"
#include "store/pth.h"
#include "store/zip.h"

#define FOLDER "archive/"

/* "torch\nFloatStorage\n", as the pickle spells it; false when there is no such type. */
static bool storage_name(wkv_dtype dtype, char *out, size_t cap)
{
    for (const wkv_pickle_name *n = wkv_pth_names; n->name != NULL; n++) {
        if (n->tag != WKV_PTH_STORAGE + (int)dtype)
            continue;
        snprintf(out, cap, "torch\n%s\n", n->name + strlen("torch."));
        return true;
    }
    return false;
}

static void put_op(wkv_strbuf *b, unsigned char op)
{
    wkv_strbuf_add(b, &op, 1);
}

static void put_text(wkv_strbuf *b, const char *s)
{
    uint8_t n[4];
    wkv_put_u32(n, (uint32_t)strlen(s));
    put_op(b, 'X');
    wkv_strbuf_add(b, n, sizeof n);
    wkv_strbuf_puts(b, s);
}

static void put_int(wkv_strbuf *b, int64_t v)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, (uint64_t)v);
    if (v < 1 << 8) {
        put_op(b, 'K');
        wkv_strbuf_add(b, bytes, 1);
    } else if (v <= INT32_MAX) {
        put_op(b, 'J');
        wkv_strbuf_add(b, bytes, 4);
    } else {
        put_op(b, 0x8a);
        put_op(b, 8);
        wkv_strbuf_add(b, bytes, 8);
    }
}

static void put_tuple(wkv_strbuf *b, const int64_t *numbers, int n)
{
    put_op(b, '(');
    for (int i = 0; i < n; i++)
        put_int(b, numbers[i]);
    put_op(b, 't');
}

static void put_empty_dict(wkv_strbuf *b)
{
    wkv_strbuf_puts(b, "ccollections\nOrderedDict\n)R");
}

/* name -> _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static wkv_status put_tensor(wkv_strbuf *b, const wkv_store_out *what, size_t i, wkv_error *err)
{
    wkv_tensor t = what->tensors[i];
    const wkv_dtype dtype = wkv_store_out_dtype(what, &t);
    char storage[64], key[24];
    if (!storage_name(dtype, storage, sizeof storage))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is of type %s, which .pth does not know",
                 t.name, wkv_dtype_of(dtype)->name);
    snprintf(key, sizeof key, "%zu", i);
    wkv_tensor_set_strides(&t);
    put_text(b, t.name);
    wkv_strbuf_puts(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(b, "storage");
    put_op(b, 'c');
    wkv_strbuf_puts(b, storage);
    put_text(b, key);
    put_text(b, "cpu");
    put_int(b, wkv_tensor_count(&t));
    wkv_strbuf_puts(b, "tQ");
    put_int(b, 0);
    put_tuple(b, t.dim, t.ndim);
    put_tuple(b, t.stride, t.ndim);
    put_op(b, 0x89);
    put_empty_dict(b);
    wkv_strbuf_puts(b, "tR");
    return WKV_OK;
}

static wkv_status put_pickle(wkv_strbuf *b, const wkv_store_out *what, wkv_error *err)
{
    wkv_strbuf_puts(b, "\x80\x02");
    put_empty_dict(b);
    put_op(b, '(');
    for (size_t i = 0; i < what->n_tensors; i++)
        WKV_TRY(put_tensor(b, what, i, err));
    wkv_strbuf_puts(b, "u.");
    if (!wkv_strbuf_ok(b))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for data.pkl");
    return WKV_OK;
}

static wkv_status write_entry(wkv_zip_out *z, wkv_writer *w, const char *name, const void *data,
                              size_t n, wkv_error *err)
{
    WKV_TRY(wkv_zip_begin(z, name, n, wkv_crc32(0, data, n), err));
    return wkv_writer_write(w, data, n, err);
}

static wkv_status write_pickle(wkv_zip_out *z, wkv_writer *w, const wkv_store_out *what,
                               wkv_error *err)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_status status = put_pickle(&b, what, err);
    if (status == WKV_OK)
        status = write_entry(z, w, FOLDER "data.pkl", b.data, b.len, err);
    wkv_strbuf_deinit(&b);
    return status;
}

static wkv_status write_metadata(wkv_zip_out *z, wkv_writer *w, const wkv_store_out *what,
                                 wkv_error *err)
{
    wkv_strbuf b;
    if (what->n_meta == 0)
        return WKV_OK;
    wkv_strbuf_init(&b);
    wkv_status status = wkv_json_put_meta(&b, what, err);
    if (status == WKV_OK && !wkv_strbuf_ok(&b))
        status = WKV_SET(err, WKV_E_MEMORY, "out of memory for the metadata");
    if (status == WKV_OK)
        status = write_entry(z, w, FOLDER WKV_PTH_METADATA, b.data, b.len, err);
    wkv_strbuf_deinit(&b);
    return status;
}

static wkv_status to_crc(void *user, const void *data, size_t n, wkv_error *err)
{
    (void)err;
    uint32_t *crc = user;
    *crc = wkv_crc32(*crc, data, n);
    return WKV_OK;
}

/* Twice over the tensor: the checksum stands before the data. */
static wkv_status write_storage(wkv_zip_out *z, wkv_writer *w, const wkv_store_out *what, size_t i,
                                wkv_error *err)
{
    const wkv_tensor *t = &what->tensors[i];
    const wkv_dtype dtype = wkv_store_out_dtype(what, t);
    char name[48];
    uint64_t bytes;
    uint32_t crc = 0;
    snprintf(name, sizeof name, FOLDER "data/%zu", i);
    if (!wkv_dtype_bytes(dtype, (uint64_t)wkv_tensor_count(t), &bytes))
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' makes the file too large", t->name);
    const wkv_store_out unseen = {.dtype = what->dtype}; /* counted once, when it is written */
    WKV_TRY(wkv_store_stream(&unseen, t, dtype, to_crc, &crc, err));
    WKV_TRY(wkv_zip_begin(z, name, bytes, crc, err));
    return wkv_store_stream(what, t, dtype, wkv_store_to_writer, w, err);
}

static wkv_status write_all(wkv_zip_out *z, wkv_writer *w, const wkv_store_out *what,
                            wkv_error *err)
{
    WKV_TRY(write_pickle(z, w, what, err));
    WKV_TRY(write_entry(z, w, FOLDER "byteorder", "little", 6, err));
    for (size_t i = 0; i < what->n_tensors; i++)
        WKV_TRY(write_storage(z, w, what, i, err));
    WKV_TRY(write_metadata(z, w, what, err));
    return write_entry(z, w, FOLDER "version", "3\n", 2, err);
}

wkv_status wkv_pth_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err)
{
    wkv_zip_out *z;
    WKV_TRY(wkv_zip_create(&z, w, err));
    wkv_status status = write_all(z, w, what, err);
    if (status == WKV_OK)
        return wkv_zip_finish(&z, err);
    wkv_zip_abandon(&z);
    return status;
}
