/* store/gguf_meta.c - GGUF's metadata as text, and what of it is ours under our own keys:
 * the epsilons, and the vocabulary as the text of a vocabulary file.
 *
 * What only describes the container or repeats the tensors' shapes is left out for the
 * architectures whose tensors are in the canonical form, for it would no longer be true. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/literal.h"
#include "base/number.h"
#include "store/bytes.h"
#include "store/gguf.h"
#include "store/json.h"
#include "store/utf8.h"

/* Longer arrays (vocabularies, scores, merges) are data, not something to be read. */
enum { MAX_LISTED = 64 };

/* ---- text ---------------------------------------------------------------------------------- */

/* The shortest decimal number that is read as the same one again. */
static void put_real(wkv_strbuf *b, double v, int digits, bool narrow)
{
    char text[40];
    double back = NAN;
    for (int n = 6; n <= digits; n++) {
        wkv_number_print(text, sizeof text, "%.*g", n, v);
        back = wkv_number_parse(text, NULL);
        back = narrow ? (double)(float)back : back;
        if (back == v)
            break;
    }
    wkv_strbuf_puts(b, text);
}

static double real_at(const wkv_gguf_value *v)
{
    if (v->type == WKV_GGUF_F32) {
        float f;
        wkv_dtype_to_f32(&f, v->data, WKV_DTYPE_F32, 1);
        return (double)f;
    }
    double d;
    wkv_dtype_to_f64(&d, v->data, WKV_DTYPE_F64, 1);
    return d;
}

static uint64_t unsigned_at(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* Sign-extends the n bytes at p. */
static int64_t signed_at(const uint8_t *p, int n)
{
    const uint64_t sign = (uint64_t)1 << (8 * n - 1);
    return (int64_t)((unsigned_at(p, n) ^ sign) - sign);
}

static void put_number(wkv_strbuf *b, const wkv_gguf_value *v)
{
    switch (v->type) {
    case WKV_GGUF_F32:
        put_real(b, real_at(v), 9, true);
        break;
    case WKV_GGUF_F64:
        put_real(b, real_at(v), 17, false);
        break;
    case WKV_GGUF_BOOL:
        wkv_strbuf_puts(b, v->data[0] != 0 ? "true" : "false");
        break;
    case WKV_GGUF_I8:
    case WKV_GGUF_I16:
    case WKV_GGUF_I32:
    case WKV_GGUF_I64:
        wkv_strbuf_printf(b, "%" PRId64, signed_at(v->data, wkv_gguf_size(v->type)));
        break;
    default:
        wkv_strbuf_printf(b, "%" PRIu64, unsigned_at(v->data, wkv_gguf_size(v->type)));
        break;
    }
}

/* The next string of v, which must be text. */
static wkv_status text_at(const wkv_gguf_value *v, const uint8_t **p, const char **s, size_t *n,
                          wkv_error *err)
{
    *s = wkv_gguf_next_string(p, n);
    if (!wkv_text_valid(*s, *n))
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' is no valid UTF-8", v->key);
    return WKV_OK;
}

static wkv_status put_list(wkv_strbuf *b, const wkv_gguf_value *v, wkv_error *err)
{
    wkv_gguf_value one = *v;
    wkv_strbuf_puts(b, "[");
    for (uint64_t i = 0; i < v->count; i++) {
        wkv_strbuf_puts(b, i > 0 ? ", " : "");
        if (v->type == WKV_GGUF_STRING) {
            const char *s;
            size_t n;
            WKV_TRY(text_at(v, &one.data, &s, &n, err));
            wkv_json_put_string(b, s, n);
        } else {
            put_number(b, &one);
            one.data += wkv_gguf_size(v->type);
        }
    }
    wkv_strbuf_puts(b, "]");
    return WKV_OK;
}

static wkv_status put_value(wkv_strbuf *b, const wkv_gguf_value *v, wkv_error *err)
{
    if (v->array)
        return put_list(b, v, err);
    if (v->type != WKV_GGUF_STRING) {
        put_number(b, v);
        return WKV_OK;
    }
    const uint8_t *p = v->data;
    const char *s;
    size_t n;
    WKV_TRY(text_at(v, &p, &s, &n, err));
    wkv_strbuf_add(b, s, n);
    return WKV_OK;
}

/* Adds what is in b under key. */
static wkv_status add_text(wkv_store *s, const char *key, const wkv_strbuf *b, wkv_error *err)
{
    if (!wkv_strbuf_ok(b))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the metadata '%s'", key);
    return wkv_store_add_meta(s, key, b->len > 0 ? b->data : "", b->len, err);
}

static wkv_status add_value(wkv_store *s, const char *key, const wkv_gguf_value *v, wkv_error *err)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_status status = put_value(&b, v, err);
    if (status == WKV_OK)
        status = add_text(s, key, &b, err);
    wkv_strbuf_deinit(&b);
    return status;
}

/* ---- the vocabulary -------------------------------------------------------------------------- */

typedef struct vocabulary {
    const wkv_gguf_value *tokens, *types; /* types may be NULL */
} vocabulary;

/* Tokens of these types stand for no bytes of a text. */
enum { TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_UNUSED = 5 };

static bool is_text_token(const vocabulary *v, uint64_t id)
{
    if (v->types == NULL)
        return true;
    const uint32_t type = wkv_get_u32(v->types->data + 4 * id);
    return type != TYPE_UNKNOWN && type != TYPE_CONTROL && type != TYPE_UNUSED;
}

/* The byte of the escape that s, of which `left` characters exist, begins with; how many
 * characters it has, or 0 when it is cut short. */
static size_t unescape(const char *s, size_t left, uint8_t *byte)
{
    if (left < 2)
        return 0;
    *byte = (uint8_t)(s[1] == 'n' ? '\n' : s[1] == 't' ? '\t' : s[1] == 'r' ? '\r' : s[1]);
    if (s[1] != 'x')
        return 2;
    const int high = left >= 4 ? wkv_hex_value((uint8_t)s[2]) : -1;
    const int low = high >= 0 ? wkv_hex_value((uint8_t)s[3]) : -1;
    if (low < 0)
        return 0;
    *byte = (uint8_t)(high * 16 + low);
    return 4;
}

/* Not the quote, which ends a literal, nor what begins an escape. */
static bool stands_for_itself(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '\'' && byte != '\\';
}

/* Writes the escaped token s as the inside of a bytes literal, which takes four characters a
 * byte at most, and counts its bytes.  The end, or NULL when an escape is cut short. */
static char *write_bytes(char *to, const char *s, size_t n, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < n; ++*length) {
        uint8_t byte = (uint8_t)s[i];
        const size_t step = byte != '\\' ? 1 : unescape(s + i, n - i, &byte);
        if (step == 0)
            return NULL;
        i += step;
        if (stands_for_itself(byte))
            *to++ = (char)byte;
        else
            to = wkv_hex_escape(to, byte);
    }
    return to;
}

/* Adds a line of a vocabulary file: the id, the bytes as a literal, their number.  All in one
 * piece, for a vocabulary has tens of thousands. */
static bool put_token(wkv_strbuf *b, uint64_t id, const char *s, size_t n)
{
    enum { FRAME = 2 * WKV_NUMBER_DIGITS + 7 };
    uint64_t length;
    if (n == 0)
        return true;
    char *line = wkv_strbuf_room(b, n < SIZE_MAX / 8 ? 4 * n + FRAME : SIZE_MAX);
    if (line == NULL)
        return true; /* out of memory, which the buffer remembers */
    char *to = wkv_number_write(line, id);
    *to++ = ' ';
    *to++ = 'b';
    *to++ = '\'';
    to = write_bytes(to, s, n, &length);
    if (to == NULL)
        return false;
    *to++ = '\'';
    *to++ = ' ';
    to = wkv_number_write(to, length);
    *to++ = '\n';
    b->len += (size_t)(to - line);
    return true;
}

static wkv_status put_vocabulary(wkv_strbuf *b, const vocabulary *v, wkv_error *err)
{
    const uint8_t *p = v->tokens->data;
    for (uint64_t id = 0; id < v->tokens->count; id++) {
        size_t n;
        const char *s = wkv_gguf_next_string(&p, &n);
        if (is_text_token(v, id) && !put_token(b, id, s, n))
            WKV_FAIL(err, WKV_E_FORMAT, "token %" PRIu64 " ends inside an escape", id);
    }
    return WKV_OK;
}

static bool find_vocabulary(const wkv_gguf *g, vocabulary *v)
{
    v->tokens = wkv_gguf_find(g, "tokenizer.ggml.tokens");
    v->types = wkv_gguf_find(g, "tokenizer.ggml.token_type");
    if (v->tokens == NULL || !v->tokens->array || v->tokens->type != WKV_GGUF_STRING)
        return false;
    return v->types == NULL || (v->types->array && v->types->count == v->tokens->count &&
                                (v->types->type == WKV_GGUF_I32 || v->types->type == WKV_GGUF_U32));
}

static bool has_world_vocabulary(const wkv_gguf *g)
{
    const wkv_gguf_value *v = wkv_gguf_find(g, "tokenizer.ggml.model");
    if (v == NULL || v->array || v->type != WKV_GGUF_STRING)
        return false;
    const uint8_t *p = v->data;
    size_t n;
    const char *s = wkv_gguf_next_string(&p, &n);
    return n == 4 && memcmp(s, "rwkv", 4) == 0;
}

static wkv_status add_vocabulary(const wkv_gguf *g, wkv_error *err)
{
    vocabulary v;
    if (!find_vocabulary(g, &v))
        WKV_FAIL(err, WKV_E_FORMAT,
                 "the vocabulary is damaged: expected an array of strings as "
                 "'tokenizer.ggml.tokens' and as many integers of 32 bits as "
                 "'tokenizer.ggml.token_type'");
    WKV_TRY(wkv_store_add_meta(g->store, "wkv.tokenizer", "world", 5, err));
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_status status = put_vocabulary(&b, &v, err);
    if (status == WKV_OK)
        status = add_text(g->store, "wkv.vocab", &b, err);
    wkv_strbuf_deinit(&b);
    return status;
}

/* ---- which of it ----------------------------------------------------------------------------- */

static bool begins_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

/* True for what is expressed otherwise once the tensors are in the canonical form. */
static bool is_expressed(const char *key)
{
    static const char *const containers[] = {"general.architecture", "general.alignment",
                                             "general.file_type", "general.quantization_version",
                                             "tokenizer.ggml.model"};
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++)
        if (strcmp(key, containers[i]) == 0)
            return true;
    return begins_with(key, "rwkv6.") || begins_with(key, "rwkv7.");
}

static wkv_status add_epsilon(const wkv_gguf *g, const char *key, const char *ours, wkv_error *err)
{
    const wkv_gguf_value *v = wkv_gguf_find(g, key);
    if (v == NULL)
        return WKV_OK;
    if (v->array || (v->type != WKV_GGUF_F32 && v->type != WKV_GGUF_F64))
        WKV_FAIL(err, WKV_E_FORMAT, "the metadata '%s' is no floating point number", key);
    const double eps = real_at(v);
    if (!((float)eps > 0.0f && eps < 1.0))
        WKV_FAIL(err, WKV_E_FORMAT,
                 "metadata '%s': expected a number above 0 and below 1, found %g", key, eps);
    return add_value(g->store, ours, v, err);
}

static wkv_status add_epsilons(const wkv_gguf *g, wkv_error *err)
{
    WKV_TRY(add_epsilon(g, "rwkv6.attention.layer_norm_epsilon", "wkv.ln_eps", err));
    WKV_TRY(add_epsilon(g, "rwkv6.attention.group_norm_epsilon", "wkv.gn_eps", err));
    WKV_TRY(add_epsilon(g, "rwkv7.attention.layer_norm_epsilon", "wkv.ln_eps", err));
    return add_epsilon(g, "rwkv7.attention.group_norm_epsilon", "wkv.gn_eps", err);
}

/* Of the tokenizer's metadata, what our own vocabulary says as well. */
static bool is_array_or_model(const wkv_gguf_value *v)
{
    return v->array || strcmp(v->key, "tokenizer.ggml.model") == 0;
}

wkv_status wkv_gguf_add_meta(const wkv_gguf *g, wkv_error *err)
{
    const bool canonical = wkv_gguf_is(g, "rwkv6") || wkv_gguf_is(g, "rwkv7");
    const bool world = has_world_vocabulary(g);
    if (canonical)
        WKV_TRY(add_epsilons(g, err));
    if (world)
        WKV_TRY(add_vocabulary(g, err));
    const size_t ours = g->store->n_meta; /* already there, and not replaced */
    for (size_t i = 0; i < g->n_values; i++) {
        const wkv_gguf_value *v = &g->values[i];
        const bool listed = !v->array || v->count <= MAX_LISTED;
        if (!listed || wkv_meta_find(g->store->meta, ours, v->key) != NULL ||
            (canonical && is_expressed(v->key)) ||
            (world && begins_with(v->key, "tokenizer.ggml.") && is_array_or_model(v)))
            continue;
        WKV_TRY(add_value(g->store, v->key, v, err));
    }
    return WKV_OK;
}
