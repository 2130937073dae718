/* store/json.c - see json.h.  Parsing is jansson's. */
#include "store/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_bound.h"
#include "base/json_load.h"
#include "store/utf8.h"

wkv_status wkv_json_parse(json_t **out, const char *what, const void *text, uint64_t n,
                          int max_depth, wkv_error *err)
{
    *out = NULL;
    if (n > WKV_JSON_MAX_BYTES)
        WKV_FAIL(err, WKV_E_LIMIT, "%s has %" PRIu64 " bytes; at most %d are allowed", what, n,
                 WKV_JSON_MAX_BYTES);
    WKV_TRY(wkv_json_bound(what, text, n, max_depth, err));
    return wkv_json_load(out, what, text, (size_t)n, err);
}

wkv_status wkv_json_read_meta(wkv_store *s, json_t *object, wkv_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata is no JSON object");
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%.80s' is no string", key);
        WKV_TRY(
            wkv_store_add_meta(s, key, json_string_value(value), json_string_length(value), err));
    }
    return WKV_OK;
}

void wkv_json_put_string(wkv_strbuf *b, const char *s, size_t n)
{
    size_t from = 0; /* what is not yet copied */
    wkv_strbuf_puts(b, "\"");
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        wkv_strbuf_add(b, s + from, i - from);
        if (c < 0x20)
            wkv_strbuf_printf(b, "\\u%04x", c);
        else
            wkv_strbuf_printf(b, "\\%c", c);
        from = i + 1;
    }
    wkv_strbuf_add(b, s + from, n - from);
    wkv_strbuf_puts(b, "\"");
}

wkv_status wkv_json_put_meta(wkv_strbuf *b, const wkv_store_out *what, wkv_error *err)
{
    wkv_strbuf_puts(b, "{");
    for (size_t i = 0; i < what->n_meta; i++) {
        const wkv_meta *m = &what->meta[i];
        if (!wkv_text_valid(m->key, strlen(m->key)) || !wkv_text_valid(m->value, m->value_len))
            WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%.80s' is not valid UTF-8", m->key);
        wkv_strbuf_puts(b, i > 0 ? "," : "");
        wkv_json_put_string(b, m->key, strlen(m->key));
        wkv_strbuf_puts(b, ":");
        wkv_json_put_string(b, m->value, m->value_len);
    }
    wkv_strbuf_puts(b, "}");
    return WKV_OK;
}
