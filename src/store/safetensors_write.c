/* store/safetensors_write.c - writing .safetensors.
 *
 * The header is padded with spaces so that the data begins at a multiple of 64 bytes;
 * inside it tensors follow one another in the order given, without gaps. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "store/bytes.h"
#include "store/json.h"
#include "store/safetensors.h"

enum { ALIGNMENT = 64 };

static wkv_status put_tensor(wkv_strbuf *b, const wkv_store_out *what, const wkv_tensor *t,
                             uint64_t *offset, wkv_error *err)
{
    const wkv_dtype dtype = wkv_store_out_dtype(what, t);
    const wkv_dtype_info *info = wkv_dtype_of(dtype);
    uint64_t bytes, end;
    if (info->st_name == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "tensor '%s' is of type %s, which safetensors does not know", t->name, info->name);
    if (!wkv_dtype_bytes(dtype, (uint64_t)wkv_tensor_count(t), &bytes) ||
        !wkv_add_ok(*offset, bytes, &end) || end > INT64_MAX)
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' makes the file too large", t->name);
    wkv_json_put_string(b, t->name, strlen(t->name));
    wkv_strbuf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", info->st_name);
    for (int d = 0; d < t->ndim; d++)
        wkv_strbuf_printf(b, "%s%" PRId64, d > 0 ? "," : "", t->dim[d]);
    wkv_strbuf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", *offset, end);
    *offset = end;
    return WKV_OK;
}

static wkv_status put_header(wkv_strbuf *b, const wkv_store_out *what, wkv_error *err)
{
    uint64_t offset = 0;
    wkv_strbuf_puts(b, "{");
    if (what->n_meta > 0) {
        wkv_strbuf_puts(b, "\"__metadata__\":");
        WKV_TRY(wkv_json_put_meta(b, what, err));
        wkv_strbuf_puts(b, what->n_tensors > 0 ? "," : "");
    }
    for (size_t i = 0; i < what->n_tensors; i++) {
        wkv_strbuf_puts(b, i > 0 ? "," : "");
        WKV_TRY(put_tensor(b, what, &what->tensors[i], &offset, err));
    }
    wkv_strbuf_puts(b, "}");
    static const char spaces[ALIGNMENT] =
        "                                                               ";
    size_t over = (8 + b->len) % ALIGNMENT;
    if (over > 0)
        wkv_strbuf_add(b, spaces, ALIGNMENT - over);
    if (!wkv_strbuf_ok(b))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the header");
    if (b->len > WKV_JSON_MAX_BYTES)
        WKV_FAIL(err, WKV_E_LIMIT, "the header would have %zu bytes; at most %d are allowed",
                 b->len, WKV_JSON_MAX_BYTES);
    return WKV_OK;
}

static wkv_status write_header(wkv_writer *w, const wkv_store_out *what, wkv_error *err)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_status status = put_header(&b, what, err);
    uint8_t size[8];
    wkv_put_u64(size, b.len);
    if (status == WKV_OK)
        status = wkv_writer_write(w, size, sizeof size, err);
    if (status == WKV_OK)
        status = wkv_writer_write(w, b.data, b.len, err);
    wkv_strbuf_deinit(&b);
    return status;
}

wkv_status wkv_safetensors_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err)
{
    WKV_TRY(write_header(w, what, err));
    for (size_t i = 0; i < what->n_tensors; i++) {
        const wkv_tensor *t = &what->tensors[i];
        WKV_TRY(
            wkv_store_stream(what, t, wkv_store_out_dtype(what, t), wkv_store_to_writer, w, err));
    }
    return WKV_OK;
}
