/* store/hf_vocab.c - the vocabulary of a Hugging Face folder: a World vocabulary under its own
 * name, the list of literals that the RWKV-6 repositories have, or a tokenizer.json. */
#include <string.h>

#include "base/literal.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/hf.h"

enum { MAX_BYTES = 1 << 26 };

/* The first, by name, of the folder's rwkv_vocab*.txt. */
static void find_world(void *user, const char *name)
{
    wkv_strbuf *best = user;
    const size_t n = strlen(name);
    if (strncmp(name, "rwkv_vocab", 10) != 0 || n < 14 || strcmp(name + n - 4, ".txt") != 0)
        return;
    if (best->len > 0 && strcmp(best->data, name) <= 0)
        return;
    wkv_strbuf_deinit(best);
    wkv_strbuf_puts(best, name);
}

static wkv_status add(wkv_store *s, const char *kind, const void *text, uint64_t n, wkv_error *err)
{
    WKV_TRY(wkv_store_add_meta(s, "wkv.tokenizer", kind, strlen(kind), err));
    return wkv_store_add_meta(s, "wkv.vocab", text, (size_t)n, err);
}

/* One line of vocab.txt, "b'...'". */
static wkv_status put_token(wkv_strbuf *out, uint8_t *room, size_t id, const char *line, size_t n,
                            wkv_error *err)
{
    size_t bytes;
    const char *expected = wkv_literal_decode(line, n, room, &bytes);
    if (expected != NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "line %zu of vocab.txt: expected %s", id + 1, expected);
    wkv_strbuf_printf(out, "%zu ", id);
    wkv_strbuf_add(out, line, n);
    wkv_strbuf_printf(out, " %zu\n", bytes);
    return WKV_OK;
}

static wkv_status put_tokens(wkv_strbuf *out, const char *text, size_t n, wkv_error *err)
{
    uint8_t *room = wkv_malloc(n + 1);
    wkv_status status = WKV_OK;
    if (room == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the vocabulary");
    for (size_t at = 0, id = 0; at < n && status == WKV_OK; id++) {
        const char *end = memchr(text + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - text) - at : n - at;
        const bool cr = length > 0 && text[at + length - 1] == '\r';
        if (id > 0 && length > cr)
            status = put_token(out, room, id, text + at, length - cr, err);
        at += length + 1;
    }
    wkv_free(room);
    return status;
}

wkv_status wkv_hf_vocab_txt(wkv_store *s, const char *text, size_t n, wkv_error *err)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_status status = put_tokens(&b, text, n, err);
    if (status == WKV_OK && !wkv_strbuf_ok(&b))
        status = WKV_SET(err, WKV_E_MEMORY, "out of memory for the vocabulary");
    if (status == WKV_OK && b.len == 0)
        status = WKV_SET(err, WKV_E_FORMAT, "vocab.txt has no token but the first");
    if (status == WKV_OK)
        status = add(s, "world", b.data, b.len, err);
    wkv_strbuf_deinit(&b);
    return status;
}

typedef wkv_status reader(wkv_store *s, const char *text, size_t n, wkv_error *err);

static wkv_status read_world(wkv_store *s, const char *text, size_t n, wkv_error *err)
{
    return add(s, "world", text, n, err);
}

static wkv_status read_bpe(wkv_store *s, const char *text, size_t n, wkv_error *err)
{
    return add(s, "bpe", text, n, err);
}

static bool is_literals(const wkv_map *map)
{
    return map->size > 2 && map->data[0] == 'b' && (map->data[1] == '\'' || map->data[1] == '"');
}

/* *found stays false when there is no such file, or, literals asked for, it holds others. */
static wkv_status read_file(wkv_store *s, const char *name, bool literals, reader *read,
                            bool *found, wkv_error *err)
{
    char *path = wkv_hf_path(s->path, name);
    if (path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the vocabulary");
    if (!wkv_path_exists(path)) {
        wkv_free(path);
        return WKV_OK;
    }
    wkv_map map = {0};
    wkv_status status = wkv_map_open(&map, path, err);
    wkv_free(path);
    if (status == WKV_OK && map.size > MAX_BYTES)
        status = WKV_SET(err, WKV_E_LIMIT, "%s has %llu bytes; a vocabulary has at most %d", name,
                         (unsigned long long)map.size, MAX_BYTES);
    if (status == WKV_OK && (!literals || is_literals(&map))) {
        *found = true;
        status = read(s, (const char *)map.data, (size_t)map.size, err);
    }
    wkv_map_close(&map);
    return status;
}

wkv_status wkv_hf_add_vocab(wkv_store *s, wkv_error *err)
{
    wkv_strbuf world;
    bool found = false;
    if (wkv_store_find_meta(s, "wkv.tokenizer") != NULL)
        return WKV_OK;
    wkv_strbuf_init(&world);
    wkv_status status = wkv_folder_each(s->path, find_world, &world, err);
    if (status == WKV_OK && world.len > 0)
        status = read_file(s, world.data, false, read_world, &found, err);
    wkv_strbuf_deinit(&world);
    if (status == WKV_OK && !found)
        status = read_file(s, "vocab.txt", true, wkv_hf_vocab_txt, &found, err);
    if (status == WKV_OK && !found)
        status = read_file(s, "tokenizer.json", false, read_bpe, &found, err);
    return status;
}
