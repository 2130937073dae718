/* lines.c - see lines.h. */
#include "lines.h"

#include "test.h"

#include "os/os.h"

wkv_tok *lines_open_vocab(const char *relative)
{
    wkv_tok *t;
    wkv_error err;
    if (wkv_tok_open_spec(&t, test_data_path(relative), &err) != WKV_OK)
        fail_msg("%s", err.text);
    return t;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The line's text as bytes, in a buffer of the caller; from "text" or from "hex". */
static size_t line_bytes(const json_t *line, uint8_t *out, size_t cap)
{
    const json_t *text = json_object_get(line, "text");
    if (text != NULL) {
        size_t n = json_string_length(text);
        assert_true(n <= cap);
        memcpy(out, json_string_value(text), n);
        return n;
    }
    const char *hex = json_string_value(json_object_get(line, "hex"));
    size_t n = strlen(hex) / 2;
    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return n;
}

size_t lines_decode(const wkv_tok *t, const int32_t *ids, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        const uint8_t *bytes = t->kind->token(t, ids[i], &len);
        assert_non_null(bytes);
        assert_true(len <= LINE_CAP - at);
        memcpy(out + at, bytes, len);
        at += len;
    }
    return at;
}

size_t lines_each(const wkv_tok *t, const char *relative,
                  void (*check)(const wkv_tok *t, const json_t *line, const uint8_t *text,
                                size_t n))
{
    wkv_map map;
    assert_int_equal(wkv_map_open(&map, test_data_path(relative), NULL), WKV_OK);
    const char *p = (const char *)map.data, *end = p + map.size;
    size_t lines = 0;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline != NULL ? newline : end) - p);
        json_error_t err;
        json_t *line = json_loadb(p, n, JSON_ALLOW_NUL, &err);
        if (line == NULL)
            fail_msg("%s line %zu: %s", relative, lines + 1, err.text);
        static uint8_t text[LINE_CAP];
        check(t, line, text, line_bytes(line, text, LINE_CAP));
        json_decref(line);
        lines++;
        p += n + 1;
    }
    wkv_map_close(&map);
    return lines;
}
