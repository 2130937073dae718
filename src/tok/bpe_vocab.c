/* tok/bpe_vocab.c - reading a tokenizer.json with jansson.
 *
 * Strict: what would change the ids and is not done here is refused, not passed over;
 * what does not concern the text (truncation, padding, what is put around a sequence)
 * is ignored.  The file is hostile until read: its size, depth and number of values are
 * bounded before jansson sees it. */
#include "tok/bpe_vocab.h"

#include <jansson.h>
#include <string.h>

#include "base/json_bound.h"
#include "base/json_load.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/strbuf.h"
#include "tok/bytemap.h"

enum { MAX_ID = (1 << 20) - 1, MAX_DEPTH = 32 };

typedef struct reader {
    wkv_bpe_vocab *v;
    const char *where;
    const json_t *root, *model, *vocab, *merges, *added;
    size_t pool_len;
    wkv_strbuf name; /* a token's name, put together */
    wkv_error *err;
} reader;

/* ---- what kind of tokenizer it is --------------------------------------------------- */

static bool has_type(const json_t *object, const char *type)
{
    const char *found = json_string_value(json_object_get(object, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

/* A setting that is absent, null, false or empty. */
static bool is_off(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return v == NULL || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

static wkv_status check_model(const reader *r)
{
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix",
                                      "byte_fallback", "ignore_merges"};
    if (!has_type(r->model, "BPE"))
        WKV_FAIL(r->err, WKV_E_UNSUPPORTED, "%s: expected a model of type \"BPE\"", r->where);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!is_off(r->model, off[i]))
            WKV_FAIL(r->err, WKV_E_UNSUPPORTED, "%s: the model has \"%s\", which wkv does not do",
                     r->where, off[i]);
    if (!json_is_object(r->vocab) || json_object_size(r->vocab) == 0)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: expected an object \"vocab\" in the model", r->where);
    if (!json_is_array(r->merges))
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: expected an array \"merges\" in the model", r->where);
    return WKV_OK;
}

static wkv_status check_steps(const reader *r)
{
    const json_t *normalizer = json_object_get(r->root, "normalizer");
    const json_t *cut = json_object_get(r->root, "pre_tokenizer");
    const json_t *pattern = json_object_get(cut, "use_regex");
    r->v->nfc = has_type(normalizer, "NFC");
    if (!r->v->nfc && normalizer != NULL && !json_is_null(normalizer))
        WKV_FAIL(r->err, WKV_E_UNSUPPORTED, "%s: of normalizers, wkv knows \"NFC\" alone",
                 r->where);
    if (!has_type(cut, "ByteLevel") || !is_off(cut, "add_prefix_space") ||
        (pattern != NULL && !json_is_true(pattern)))
        WKV_FAIL(r->err, WKV_E_UNSUPPORTED,
                 "%s: of pre-tokenizers, wkv knows \"ByteLevel\" alone, with its own pattern and "
                 "without a space put before the text",
                 r->where);
    return WKV_OK;
}

/* ---- ids ---------------------------------------------------------------------------- */

static wkv_status read_id(const reader *r, const json_t *number, const char *token, int32_t *id)
{
    json_int_t v = json_is_integer(number) ? json_integer_value(number) : -1;
    if (v < 0 || v > MAX_ID)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: token '%.80s': expected an id from 0 to %d", r->where,
                 token, MAX_ID);
    *id = (int32_t)v;
    return WKV_OK;
}

static const char *added_content(const json_t *added, size_t *n)
{
    const json_t *content = json_object_get(added, "content");
    *n = json_string_length(content);
    return json_string_value(content);
}

/* The number of ids, and room for the tables. */
static wkv_status size_tables(reader *r, size_t text_len)
{
    int32_t id, highest = 0;
    const char *name;
    json_t *value;
    size_t i, n;
    json_object_foreach((json_t *)r->vocab, name, value)
    {
        WKV_TRY(read_id(r, value, name, &id));
        highest = id > highest ? id : highest;
    }
    json_array_foreach(r->added, i, value)
    {
        name = added_content(value, &n);
        if (n == 0)
            WKV_FAIL(r->err, WKV_E_FORMAT, "%s: added token %zu: expected its \"content\"",
                     r->where, i);
        WKV_TRY(read_id(r, json_object_get(value, "id"), name, &id));
        highest = id > highest ? id : highest;
    }
    r->v->size = highest + 1;
    r->v->spans = wkv_calloc((size_t)r->v->size, sizeof *r->v->spans);
    r->v->pool = wkv_malloc(text_len); /* no token is longer than its name in the file */
    if (r->v->spans == NULL || r->v->pool == NULL)
        WKV_FAIL(r->err, WKV_E_MEMORY, "%s: out of memory", r->where);
    return WKV_OK;
}

/* Gives the bytes at the end of the pool to an id. */
static wkv_status take_id(reader *r, int32_t id, size_t len, const char *name)
{
    wkv_bpe_span *span = &r->v->spans[id];
    if (span->len > 0)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: token '%.80s': id %d is taken by another", r->where,
                 name, (int)id);
    *span = (wkv_bpe_span){(uint32_t)r->pool_len, (uint32_t)len};
    r->pool_len += len;
    return WKV_OK;
}

/* The tokens of the model, after the added ones, which may stand here once more. */
static wkv_status read_vocab(reader *r)
{
    const char *name;
    json_t *value;
    for (int b = 0; b < 256; b++)
        r->v->of_byte[b] = -1;
    json_object_foreach((json_t *)r->vocab, name, value)
    {
        int32_t id = (int32_t)json_integer_value(value);
        const wkv_bpe_span *known = &r->v->spans[id];
        size_t n = strlen(name), len;
        uint8_t *bytes = r->v->pool + r->pool_len;
        if (n > 0 && known->len == n && memcmp(r->v->pool + known->at, name, n) == 0)
            continue;
        if (!wkv_bytemap_decode(name, n, bytes, &len) || len == 0)
            WKV_FAIL(r->err, WKV_E_FORMAT,
                     "%s: token %d '%.80s': expected characters that stand for bytes", r->where,
                     (int)id, name);
        WKV_TRY(take_id(r, id, len, name));
        if (len == 1)
            r->v->of_byte[bytes[0]] = id;
    }
    return WKV_OK;
}

/* ---- added tokens ------------------------------------------------------------------- */

/* The text is cut into chunks before white space that follows something else (bpe.c);
 * no added token may lie across such a place. */
static bool could_be_cut(const uint8_t *s, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (wkv_bpe_space(s[i]) && !wkv_bpe_space(s[i - 1]))
            return true;
    return false;
}

static wkv_status read_added(reader *r, const json_t *added, wkv_trie_entry *entry)
{
    static const char *const off[] = {"single_word", "lstrip", "rstrip"};
    size_t n;
    const char *content = added_content(added, &n);
    int32_t id = (int32_t)json_integer_value(json_object_get(added, "id"));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!is_off(added, off[i]))
            WKV_FAIL(r->err, WKV_E_UNSUPPORTED,
                     "%s: added token '%.80s' has \"%s\", which wkv does not do", r->where, content,
                     off[i]);
    uint8_t *bytes = r->v->pool + r->pool_len;
    memcpy(bytes, content, n);
    if (could_be_cut(bytes, n))
        WKV_FAIL(r->err, WKV_E_UNSUPPORTED,
                 "%s: added token '%.80s' has white space after other characters, which wkv does "
                 "not do",
                 r->where, content);
    WKV_TRY(take_id(r, id, n, content));
    *entry = (wkv_trie_entry){bytes, (uint32_t)n, id};
    return WKV_OK;
}

static wkv_status build_added(reader *r, wkv_bpe_added *a, const wkv_trie_entry *entries, size_t n)
{
    int32_t twin[2];
    if (n == 0)
        return WKV_OK;
    for (size_t i = 0; i < n; i++)
        a->begins[entries[i].bytes[0]] = true;
    wkv_status s = wkv_trie_init(&a->trie, entries, n, twin);
    if (s == WKV_E_FORMAT)
        WKV_FAIL(r->err, s, "%s: added tokens %d and %d have the same content", r->where,
                 (int)twin[0], (int)twin[1]);
    if (s != WKV_OK)
        WKV_FAIL(r->err, s, "%s: out of memory", r->where);
    return WKV_OK;
}

/* Those of the raw text are collected from the front of the list, the others from its
 * back.  Absent, "normalized" means what it does to Hugging Face: not special. */
static wkv_status read_all_added(reader *r)
{
    size_t n = json_array_size(r->added), raw = 0, normal = n, i;
    json_t *value;
    wkv_trie_entry *entries = wkv_calloc(n + 1, sizeof *entries);
    if (entries == NULL)
        WKV_FAIL(r->err, WKV_E_MEMORY, "%s: out of memory", r->where);
    wkv_status s = WKV_OK;
    json_array_foreach(r->added, i, value)
    {
        const json_t *flag = json_object_get(value, "normalized");
        bool is_normal = flag != NULL ? json_is_true(flag) : is_off(value, "special");
        s = read_added(r, value, &entries[is_normal ? --normal : raw++]);
        if (s != WKV_OK)
            break;
    }
    if (s == WKV_OK)
        s = build_added(r, &r->v->raw, entries, raw);
    if (s == WKV_OK)
        s = build_added(r, &r->v->normal, entries + normal, n - normal);
    wkv_free(entries);
    return s;
}

/* ---- merges ------------------------------------------------------------------------- */

/* The id of the name in r->name; -1 when there is none. */
static int32_t id_of_name(const reader *r)
{
    const json_t *id = r->name.data != NULL ? json_object_get(r->vocab, r->name.data) : NULL;
    return id != NULL ? (int32_t)json_integer_value(id) : -1;
}

static int32_t id_of(reader *r, const char *s, size_t n)
{
    r->name.len = 0;
    wkv_strbuf_add(&r->name, s, n);
    return id_of_name(r);
}

/* A merge is "LEFT RIGHT" or ["LEFT", "RIGHT"]. */
static bool parse_merge(const json_t *merge, const char *half[2], size_t len[2])
{
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        for (size_t i = 0; i < 2; i++) {
            half[i] = json_string_value(json_array_get(merge, i));
            len[i] = json_string_length(json_array_get(merge, i));
        }
        return half[0] != NULL && half[1] != NULL && len[0] > 0 && len[1] > 0;
    }
    const char *s = json_string_value(merge);
    const char *space = s != NULL ? strchr(s, ' ') : NULL;
    if (space == NULL || space == s || space[1] == '\0' || strchr(space + 1, ' ') != NULL)
        return false;
    half[0] = s;
    len[0] = (size_t)(space - s);
    half[1] = space + 1;
    len[1] = strlen(space + 1);
    return true;
}

static wkv_status read_merge(reader *r, const json_t *merge, uint32_t rank)
{
    const char *half[2];
    size_t len[2];
    if (!parse_merge(merge, half, len))
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: merge %u: expected two tokens with a space between",
                 r->where, (unsigned)rank);
    int32_t left = id_of(r, half[0], len[0]), right = id_of(r, half[1], len[1]);
    r->name.len = 0;
    wkv_strbuf_add(&r->name, half[0], len[0]);
    wkv_strbuf_add(&r->name, half[1], len[1]);
    int32_t both = id_of_name(r);
    if (!wkv_strbuf_ok(&r->name))
        WKV_FAIL(r->err, WKV_E_MEMORY, "%s: out of memory", r->where);
    if (left < 0 || right < 0 || both < 0)
        WKV_FAIL(r->err, WKV_E_FORMAT,
                 "%s: merge %u: '%.80s' and its two parts must be in the vocabulary", r->where,
                 (unsigned)rank, r->name.data);
    wkv_bpe_pair *pair = wkv_bpe_find(r->v, left, right);
    if (pair->key != 0)
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: merge %u repeats merge %u", r->where, (unsigned)rank,
                 (unsigned)pair->rank);
    *pair = (wkv_bpe_pair){wkv_bpe_key(left, right), both, rank};
    r->v->merged[rank] = both;
    return WKV_OK;
}

/* At most half of the places are taken. */
static wkv_status read_merges(reader *r)
{
    size_t n = json_array_size(r->merges), i;
    json_t *merge;
    r->v->pair_bits = 4;
    while (((size_t)1 << r->v->pair_bits) < 2 * n)
        r->v->pair_bits++;
    r->v->pairs = wkv_calloc((size_t)1 << r->v->pair_bits, sizeof *r->v->pairs);
    r->v->merged = wkv_calloc(n + 1, sizeof *r->v->merged);
    if (r->v->pairs == NULL || r->v->merged == NULL)
        WKV_FAIL(r->err, WKV_E_MEMORY, "%s: out of memory", r->where);
    json_array_foreach(r->merges, i, merge) WKV_TRY(read_merge(r, merge, (uint32_t)i));
    return WKV_OK;
}

/* ---- the whole ------------------------------------------------------------------------ */

static wkv_status read_root(reader *r, size_t text_len)
{
    r->model = json_object_get(r->root, "model");
    r->vocab = json_object_get(r->model, "vocab");
    r->merges = json_object_get(r->model, "merges");
    r->added = json_object_get(r->root, "added_tokens");
    WKV_TRY(check_model(r));
    WKV_TRY(check_steps(r));
    if (r->added != NULL && !json_is_array(r->added))
        WKV_FAIL(r->err, WKV_E_FORMAT, "%s: expected an array \"added_tokens\"", r->where);
    WKV_TRY(size_tables(r, text_len));
    WKV_TRY(read_all_added(r));
    WKV_TRY(read_vocab(r));
    return read_merges(r);
}

static wkv_status minify(char **out, const json_t *root, const char *where, wkv_error *err)
{
    const locale_t before = wkv_number_enter();
    size_t n = json_dumpb(root, NULL, 0, JSON_COMPACT);
    *out = n > 0 ? wkv_malloc(n + 1) : NULL;
    if (*out != NULL) {
        json_dumpb(root, *out, n, JSON_COMPACT);
        (*out)[n] = '\0';
    }
    uselocale(before);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", where);
    return WKV_OK;
}

wkv_status wkv_bpe_vocab_init(wkv_bpe_vocab *v, char **minified, const char *where,
                              const char *text, size_t n, wkv_error *err)
{
    *v = (wkv_bpe_vocab){0};
    *minified = NULL;
    if (n > WKV_BPE_MAX_TEXT)
        WKV_FAIL(err, WKV_E_LIMIT, "%s: a vocabulary of %zu bytes is larger than %d", where, n,
                 WKV_BPE_MAX_TEXT);
    WKV_TRY(wkv_json_bound(where, text, n, MAX_DEPTH, err));
    json_t *root;
    WKV_TRY(wkv_json_load(&root, where, text, n, err));
    reader r = {.v = v, .where = where, .root = root, .err = err};
    wkv_strbuf_init(&r.name);
    wkv_status s = read_root(&r, n);
    if (s == WKV_OK)
        s = minify(minified, root, where, err);
    wkv_strbuf_deinit(&r.name);
    json_decref(root);
    return s;
}

void wkv_bpe_vocab_deinit(wkv_bpe_vocab *v)
{
    wkv_trie_deinit(&v->raw.trie);
    wkv_trie_deinit(&v->normal.trie);
    wkv_free(v->merged);
    wkv_free(v->pairs);
    wkv_free(v->pool);
    wkv_free(v->spans);
    *v = (wkv_bpe_vocab){0};
}
