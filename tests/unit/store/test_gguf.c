/* Reading GGUF: metadata of all types, tensors in llama.cpp's manner turned into the
 * canonical form, the vocabulary, and files made to break a reader. */
#include "test.h"

#include "hostile.h"
#include "store/bytes.h"
#include "store/format.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };
enum { TYPE_F32 = 0, TYPE_F16 = 1, TYPE_Q8_0 = 8, TYPE_I8 = 24 };

/* ---- making files ---------------------------------------------------------------------- */

static void put(wkv_strbuf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, v);
    wkv_strbuf_add(b, bytes, n);
}

static void put_string(wkv_strbuf *b, const char *s)
{
    put(b, strlen(s), 8);
    wkv_strbuf_puts(b, s);
}

static wkv_strbuf file_of(uint64_t tensors, uint64_t values)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_puts(&b, "GGUF");
    put(&b, 3, 4);
    put(&b, tensors, 8);
    put(&b, values, 8);
    return b;
}

static void key(wkv_strbuf *b, const char *name, uint32_t type)
{
    put_string(b, name);
    put(b, type, 4);
}

static void number(wkv_strbuf *b, const char *name, uint32_t type, uint64_t v, size_t n)
{
    key(b, name, type);
    put(b, v, n);
}

static void string(wkv_strbuf *b, const char *name, const char *value)
{
    key(b, name, STRING);
    put_string(b, value);
}

static void array(wkv_strbuf *b, const char *name, uint32_t type, uint64_t count)
{
    key(b, name, ARRAY);
    put(b, type, 4);
    put(b, count, 8);
}

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* An entry; dimensions innermost first, those of 0 not written. */
static void entry(wkv_strbuf *b, const char *name, uint32_t type, uint64_t d0, uint64_t d1,
                  uint64_t d2, uint64_t d3, uint64_t offset)
{
    const uint64_t dim[4] = {d0, d1, d2, d3};
    uint32_t n = 0;
    while (n < 4 && dim[n] > 0)
        n++;
    put_string(b, name);
    put(b, n, 4);
    for (uint32_t d = 0; d < n; d++)
        put(b, dim[d], 8);
    put(b, type, 4);
    put(b, offset, 8);
}

static void align(wkv_strbuf *b, size_t alignment)
{
    while (b->len % alignment != 0)
        put(b, 0, 1);
}

/* n floats from `first` on, then what fills up to the alignment. */
static void floats(wkv_strbuf *b, float first, int n)
{
    for (int i = 0; i < n; i++)
        put(b, bits(first + (float)i), 4);
    align(b, 32);
}

/* ---- looking ---------------------------------------------------------------------------- */

static wkv_store *open_bytes(const wkv_strbuf *b)
{
    wkv_store *s;
    wkv_error err;
    if (wkv_store_open_memory(&s, "m.gguf", b->data, b->len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static void assert_meta(const wkv_store *s, const char *name, const char *value)
{
    if (wkv_store_meta(s, name) == NULL)
        fail_msg("no %s", name);
    assert_string_equal(wkv_store_meta(s, name), value);
}

static void assert_shape(const wkv_store *s, const char *name, int ndim, int64_t d0, int64_t d1,
                         int64_t d2)
{
    const int64_t dim[3] = {d0, d1, d2};
    const wkv_tensor *t = wkv_store_find(s, name);
    if (t == NULL)
        fail_msg("no %s", name);
    assert_int_equal(t->ndim, ndim);
    for (int d = 0; d < ndim; d++)
        assert_int_equal(t->dim[d], dim[d]);
}

static void assert_element(const wkv_store *s, const char *name, int64_t i, double expected)
{
    double v[64];
    const wkv_tensor *t = wkv_store_find(s, name);
    assert_non_null(t);
    assert_true(i < wkv_tensor_count(t) && wkv_tensor_count(t) <= 64);
    wkv_tensor_copy(v, t, WKV_DTYPE_F64);
    if (v[i] != expected)
        fail_msg("%s[%d] is %g, expected %g", name, (int)i, v[i], expected);
}

static void refuse(wkv_strbuf *b, wkv_status status, const char *words)
{
    assert_refused(b, status, words);
    wkv_strbuf_deinit(b);
}

/* ---- metadata ----------------------------------------------------------------------------- */

static void every_type_of_metadata_is_text(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(0, 17);
    number(&b, "u8", U8, 200, 1);
    number(&b, "i8", I8, 200, 1);
    number(&b, "u16", U16, 65535, 2);
    number(&b, "i16", I16, 65535, 2);
    number(&b, "u32", U32, UINT32_MAX, 4);
    number(&b, "i32", I32, UINT32_MAX, 4);
    number(&b, "f32", F32, bits(1e-5f), 4);
    number(&b, "yes", BOOL, 1, 1);
    number(&b, "no", BOOL, 0, 1);
    string(&b, "string", "caf\xc3\xa9");
    number(&b, "u64", U64, UINT64_MAX, 8);
    number(&b, "i64", I64, (uint64_t)INT64_MIN, 8);
    number(&b, "f64", F64, 0x3fb999999999999a, 8);
    string(&b, "empty", "");
    array(&b, "list", I16, 3);
    put(&b, 1, 2);
    put(&b, 0xfffe, 2);
    put(&b, 3, 2);
    array(&b, "texts", STRING, 2);
    put_string(&b, "a \"b\"");
    put_string(&b, "c");
    array(&b, "long", U8, 100);
    for (int i = 0; i < 100; i++)
        put(&b, 1, 1);
    wkv_store *s = open_bytes(&b);
    assert_meta(s, "u8", "200");
    assert_meta(s, "i8", "-56");
    assert_meta(s, "u16", "65535");
    assert_meta(s, "i16", "-1");
    assert_meta(s, "u32", "4294967295");
    assert_meta(s, "i32", "-1");
    assert_meta(s, "f32", "1e-05");
    assert_meta(s, "yes", "true");
    assert_meta(s, "no", "false");
    assert_meta(s, "string", "caf\xc3\xa9");
    assert_meta(s, "u64", "18446744073709551615");
    assert_meta(s, "i64", "-9223372036854775808");
    assert_meta(s, "f64", "0.1");
    assert_meta(s, "empty", "");
    assert_meta(s, "list", "[1, -2, 3]");
    assert_meta(s, "texts", "[\"a \\\"b\\\"\", \"c\"]");
    assert_null(wkv_store_meta(s, "long"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

/* ---- the canonical form --------------------------------------------------------------------- */

static wkv_strbuf rwkv7(void)
{
    wkv_strbuf b = file_of(7, 3);
    string(&b, "general.architecture", "rwkv7");
    number(&b, "rwkv7.wkv.head_size", U32, 2, 4);
    number(&b, "rwkv7.attention.layer_norm_epsilon", F32, bits(1e-6f), 4);
    entry(&b, "token_embd.weight", TYPE_F32, 4, 2, 0, 0, 0);
    entry(&b, "blk.1.time_mix_lerp_fused.weight", TYPE_F32, 4, 1, 1, 6, 32);
    entry(&b, "blk.1.time_mix_w1.weight", TYPE_F32, 4, 2, 0, 0, 128);
    entry(&b, "blk.1.time_mix_r_k.weight", TYPE_F32, 4, 0, 0, 0, 160);
    entry(&b, "blk.0.time_mix_v1.weight", TYPE_F32, 4, 2, 0, 0, 192);
    entry(&b, "blk.1.time_mix_k_a.weight", TYPE_F32, 4, 0, 0, 0, 224);
    entry(&b, "token_embd_norm.bias", TYPE_F32, 4, 0, 0, 0, 256);
    align(&b, 32);
    floats(&b, 0, 8);
    floats(&b, 100, 24);
    floats(&b, 200, 8);
    floats(&b, 300, 4);
    floats(&b, 400, 8);
    floats(&b, 500, 4);
    floats(&b, 600, 4);
    return b;
}

static void rwkv7_becomes_canonical(void **state)
{
    (void)state;
    wkv_strbuf b = rwkv7();
    wkv_store *s = open_bytes(&b);
    assert_string_equal(wkv_store_format(s), "gguf");
    assert_meta(s, "wkv.ln_eps", "1e-06");
    assert_null(wkv_store_meta(s, "wkv.gn_eps"));
    assert_null(wkv_store_meta(s, "rwkv7.wkv.head_size"));
    assert_int_equal(wkv_store_count(s), 11);
    assert_shape(s, "emb.weight", 2, 2, 4, 0);
    assert_shape(s, "blocks.0.ln0.bias", 1, 4, 0, 0);
    for (int i = 0; i < 6; i++) {
        char name[] = "blocks.1.att.x_?";
        name[15] = "rwkvag"[i];
        assert_shape(s, name, 3, 1, 1, 4);
        assert_element(s, name, 3, 103 + 4 * i);
    }
    assert_shape(s, "blocks.1.att.w1", 2, 4, 2, 0);
    assert_element(s, "blocks.1.att.w1", 1, 204);
    assert_shape(s, "blocks.1.att.r_k", 2, 2, 2, 0);
    assert_shape(s, "blocks.1.att.k_a", 3, 1, 1, 4);
    assert_null(wkv_store_find(s, "blocks.0.att.v1"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void rwkv6_becomes_canonical(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(6, 3);
    string(&b, "general.architecture", "rwkv6");
    number(&b, "rwkv6.wkv.head_size", U32, 2, 4);
    number(&b, "rwkv6.rescale_every_n_layers", U32, 2, 4);
    entry(&b, "blk.4.time_mix_lerp_fused.weight", TYPE_F32, 4, 1, 1, 5, 0);
    entry(&b, "blk.4.time_mix_w2.weight", TYPE_F32, 2, 4, 5, 0, 96);
    entry(&b, "blk.4.time_mix_decay.weight", TYPE_F32, 4, 0, 0, 0, 256);
    entry(&b, "blk.4.time_mix_output.weight", TYPE_F32, 4, 2, 0, 0, 288);
    entry(&b, "blk.5.channel_mix_value.weight", TYPE_Q8_0, 32, 1, 0, 0, 320);
    entry(&b, "blk.1.time_mix_output.weight", TYPE_F32, 4, 2, 0, 0, 384);
    align(&b, 32);
    floats(&b, 0, 20);
    floats(&b, 100, 40);
    floats(&b, 200, 4);
    floats(&b, 300, 8);
    put(&b, 0x3c00, 2);
    for (int i = 0; i < 32; i++)
        put(&b, (uint64_t)i, 1);
    align(&b, 32);
    floats(&b, 400, 8);
    wkv_store *s = open_bytes(&b);
    assert_shape(s, "blocks.4.att.time_maa_v", 3, 1, 1, 4);
    assert_element(s, "blocks.4.att.time_maa_w", 0, 0);
    assert_element(s, "blocks.4.att.time_maa_k", 0, 4);
    assert_element(s, "blocks.4.att.time_maa_v", 0, 8);
    assert_element(s, "blocks.4.att.time_maa_r", 0, 12);
    assert_element(s, "blocks.4.att.time_maa_g", 0, 16);
    assert_shape(s, "blocks.4.att.time_maa_w2", 3, 5, 2, 4);
    assert_element(s, "blocks.4.att.time_maa_w2", 1, 102);
    assert_shape(s, "blocks.4.att.time_decay", 3, 1, 1, 4);
    /* What the converter divided by 2^(layer / 2) is whole again. */
    assert_element(s, "blocks.4.att.output.weight", 1, 301 * 4);
    assert_element(s, "blocks.5.ffn.value.weight", 3, 3 * 4);
    assert_element(s, "blocks.1.att.output.weight", 1, 401);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void other_architectures_are_shown_as_they_are(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(1, 1);
    string(&b, "general.architecture", "llama");
    entry(&b, "token_embd.weight", TYPE_F32, 4, 2, 0, 0, 0);
    align(&b, 32);
    floats(&b, 0, 8);
    wkv_store *s = open_bytes(&b);
    assert_meta(s, "general.architecture", "llama");
    assert_shape(s, "token_embd.weight", 2, 2, 4, 0);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

/* ---- the vocabulary ----------------------------------------------------------------------------
 */

static wkv_strbuf with_tokens(const char *last, uint32_t type, uint64_t types)
{
    wkv_strbuf b = file_of(0, 3);
    string(&b, "tokenizer.ggml.model", "rwkv");
    array(&b, "tokenizer.ggml.tokens", STRING, 5);
    put_string(&b, "<s>");
    put_string(&b, "a'\"");
    put_string(&b, "\\n\\t\\r\\\\\\x00\\'");
    put_string(&b, "[PAD3]");
    put_string(&b, last);
    array(&b, "tokenizer.ggml.token_type", type, types);
    const uint32_t kinds[] = {3, 1, 1, 5, 1};
    for (uint64_t i = 0; i < types && i < 5; i++)
        put(&b, kinds[i], type == U8 ? 1 : 4);
    return b;
}

static void vocabulary_becomes_a_vocabulary_file(void **state)
{
    (void)state;
    wkv_strbuf b = with_tokens("\\xe4\\xBD", I32, 5);
    wkv_store *s = open_bytes(&b);
    assert_meta(s, "wkv.tokenizer", "world");
    assert_meta(s, "wkv.vocab",
                "1 b'a\\x27\"' 3\n"
                "2 b'\\x0a\\x09\\x0d\\x5c\\x00\\x27' 6\n"
                "4 b'\\xe4\\xbd' 2\n");
    assert_null(wkv_store_meta(s, "tokenizer.ggml.tokens"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void damaged_vocabularies_are_refused(void **state)
{
    (void)state;
    static const char *const cut[] = {"\\", "\\x", "\\x1", "\\xg0"};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        wkv_strbuf b = with_tokens(cut[i], I32, 5);
        refuse(&b, WKV_E_FORMAT, "token 4 ends inside an escape");
    }
    wkv_strbuf narrow = with_tokens("a", U8, 5);
    refuse(&narrow, WKV_E_FORMAT, "the vocabulary is damaged");
    wkv_strbuf few = with_tokens("a", I32, 4);
    refuse(&few, WKV_E_FORMAT, "the vocabulary is damaged");
}

/* ---- hostile files
 * --------------------------------------------------------------------------------- */

static void counts_that_overflow_are_refused(void **state)
{
    (void)state;
    static const uint64_t counts[] = {UINT64_MAX, (uint64_t)1 << 61, (uint64_t)1 << 32, 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        wkv_strbuf tensors = file_of(counts[i], 0);
        refuse(&tensors, WKV_E_FORMAT, "tensors, more than it can hold");
        wkv_strbuf values = file_of(0, counts[i]);
        refuse(&values, WKV_E_FORMAT, "metadata values, more than it can hold");
        static const uint32_t types[] = {U8, U16, F32, F64, STRING};
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            wkv_strbuf list = file_of(0, 1);
            array(&list, "list", types[t], counts[i]);
            refuse(&list, WKV_E_FORMAT, "'list' reaches beyond the end of the file");
        }
    }
}

static void lengths_of_strings_are_checked(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(0, 1);
    put(&b, UINT64_MAX, 8);
    put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "the key at byte 24 is cut short");
    b = file_of(0, 1);
    key(&b, "text", STRING);
    put(&b, UINT64_MAX, 8);
    refuse(&b, WKV_E_FORMAT, "'text' reaches beyond the end of the file");
    static const uint64_t longs[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 64};
    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++) {
        b = file_of(0, 1);
        array(&b, "list", STRING, 2); /* the first is good, the second is not */
        put_string(&b, "a");
        put(&b, longs[i], 8);
        put(&b, 0, 8);
        refuse(&b, WKV_E_FORMAT, "'list' reaches beyond the end of the file");
    }
    b = file_of(0, 1);
    put(&b, 3, 8);
    put(&b, 'a' | (uint64_t)'b' << 16, 3); /* "a", NUL, "b" */
    put(&b, U8, 4);
    put(&b, 1, 1);
    refuse(&b, WKV_E_FORMAT, "is empty or no valid UTF-8");
    b = file_of(1, 0);
    put(&b, UINT64_MAX - 7, 8);
    put(&b, 0, 8);
    put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "the name of a tensor at byte 24 is cut short");
    b = file_of(0, 1);
    number(&b, "\xff\xfe", U64, 1, 8);
    refuse(&b, WKV_E_FORMAT, "no valid UTF-8");
    b = file_of(0, 1);
    string(&b, "text", "\xff");
    refuse(&b, WKV_E_FORMAT, "'text' is no valid UTF-8");
}

static void keys_are_unique_and_of_known_types(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(0, 3);
    number(&b, "a", U32, 1, 4);
    number(&b, "b", U32, 1, 4);
    number(&b, "a", U32, 2, 4);
    refuse(&b, WKV_E_FORMAT, "'a' is there twice");
    b = file_of(0, 1);
    number(&b, "a", 13, 1, 8);
    refuse(&b, WKV_E_FORMAT, "'a' is of the unknown type 13");
    b = file_of(0, 1);
    array(&b, "a", 77, 1);
    refuse(&b, WKV_E_FORMAT, "'a' is of the unknown type 77");
}

static void nested_arrays_are_refused(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(0, 1);
    key(&b, "deep", ARRAY);
    for (int i = 0; i < 10000; i++) {
        put(&b, ARRAY, 4);
        put(&b, 1, 8);
    }
    refuse(&b, WKV_E_UNSUPPORTED, "'deep' is an array of arrays");
}

static void alignments_are_checked(void **state)
{
    (void)state;
    static const uint64_t bad[] = {
        0, 3, 31, 48, UINT32_MAX, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const bool narrow = bad[i] <= UINT32_MAX;
        wkv_strbuf b = file_of(0, 1);
        number(&b, "general.alignment", narrow ? U32 : U64, bad[i], narrow ? 4 : 8);
        refuse(&b, WKV_E_FORMAT, "; a power of two below 2^32 was expected");
    }
    wkv_strbuf b = file_of(0, 1);
    number(&b, "general.alignment", I32, 32, 4);
    refuse(&b, WKV_E_FORMAT, "'general.alignment' is no unsigned integer");
    b = file_of(0, 1);
    string(&b, "general.alignment", "32");
    refuse(&b, WKV_E_FORMAT, "'general.alignment' is no unsigned integer");
    b = file_of(2, 1);
    number(&b, "general.alignment", U32, 8, 4);
    entry(&b, "a", TYPE_F32, 1, 0, 0, 0, 0);
    entry(&b, "b", TYPE_F32, 2, 0, 0, 0, 8);
    align(&b, 8);
    put(&b, bits(1), 8);
    put(&b, bits(2), 8);
    wkv_store *s = open_bytes(&b);
    assert_element(s, "b", 0, 2);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
    b = file_of(1, 1);
    number(&b, "general.alignment", U32, (uint32_t)1 << 31, 4);
    entry(&b, "a", TYPE_F32, 1, 0, 0, 0, 0);
    floats(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'a' reaches beyond the end of the file");
}

/* One tensor with eight floats of data. */
static wkv_strbuf lone(uint32_t type, uint64_t d0, uint64_t d1, uint64_t d2, uint64_t d3,
                       uint64_t offset)
{
    wkv_strbuf b = file_of(1, 0);
    entry(&b, "t", type, d0, d1, d2, d3, offset);
    align(&b, 32);
    floats(&b, 0, 8);
    return b;
}

static void shapes_that_wrap_are_refused(void **state)
{
    (void)state;
    static const uint64_t dim[][4] = {{UINT64_MAX, 2, 1, 1},
                                      {(uint64_t)1 << 63, 2, 0, 0},
                                      {(uint64_t)1 << 32, (uint64_t)1 << 32, 0, 0},
                                      {4, ((uint64_t)1 << 42) + 1, (uint64_t)1 << 20, 1},
                                      {(uint64_t)1 << 62, 1, 0, 0}};
    for (size_t i = 0; i < sizeof dim / sizeof dim[0]; i++) {
        wkv_strbuf b = lone(TYPE_F32, dim[i][0], dim[i][1], dim[i][2], dim[i][3], 0);
        refuse(&b, WKV_E_FORMAT, "'t' is impossible");
    }
    wkv_strbuf b = lone(TYPE_F32, 4, ((uint64_t)1 << 42) + 1, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' reaches beyond the end of the file");
    b = lone(TYPE_F32, 9, 0, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' reaches beyond the end of the file");
    b = lone(TYPE_Q8_0, 16, 2, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "'t' is impossible");
    b = file_of(1, 0);
    put_string(&b, "t");
    put(&b, 1, 4);
    put(&b, 0, 8);
    put(&b, TYPE_F32, 4);
    put(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'t' is impossible");
}

/* Each size is possible; their sum, padded, is past 2^64, so that the last would lie at its
 * place again. */
static void sums_that_wrap_are_refused(void **state)
{
    (void)state;
    const uint64_t half = (uint64_t)1 << 63;
    wkv_strbuf b = file_of(3, 0);
    entry(&b, "a", TYPE_I8, half - 32, 0, 0, 0, 0);
    entry(&b, "b", TYPE_I8, half - 32, 0, 0, 0, half - 32);
    entry(&b, "c", TYPE_I8, 96, 0, 0, 0, 0);
    align(&b, 32);
    floats(&b, 0, 32);
    refuse(&b, WKV_E_FORMAT, "'a' reaches beyond the end of the file");
    b = file_of(2, 0);
    entry(&b, "a", TYPE_F32, 8, 0, 0, 0, 0);
    entry(&b, "b", TYPE_I8, half - 32, 0, 0, 0, 32);
    align(&b, 32);
    floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "'b' reaches beyond the end of the file");
}

static void entries_are_checked(void **state)
{
    (void)state;
    static const uint32_t dims[] = {5, 9, UINT32_MAX};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        wkv_strbuf b = file_of(1, 0);
        put_string(&b, "t");
        put(&b, dims[i], 4);
        for (int d = 0; d < 20; d++)
            put(&b, 1, 8);
        refuse(&b, WKV_E_FORMAT, "dimensions; GGUF has 4");
    }
    static const uint32_t types[] = {4, 15, 16, 40, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        wkv_strbuf b = lone(types[i], 8, 0, 0, 0, 0);
        refuse(&b, WKV_E_UNSUPPORTED, "which is not supported");
    }
}

static void offsets_are_checked(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {UINT64_MAX, 32, 1, (uint64_t)1 << 63, UINT64_MAX - 31};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        wkv_strbuf b = lone(TYPE_F32, 8, 0, 0, 0, offsets[i]);
        refuse(&b, WKV_E_FORMAT, "0 was expected");
    }
    wkv_strbuf b = file_of(2, 0);
    entry(&b, "a", TYPE_F32, 8, 0, 0, 0, 0);
    entry(&b, "b", TYPE_F32, 8, 0, 0, 0, 0);
    align(&b, 32);
    floats(&b, 0, 8);
    refuse(&b, WKV_E_FORMAT, "'b' begins at byte 0 of the data; 32 was expected");
    b = file_of(2, 0);
    entry(&b, "a", TYPE_F32, 8, 0, 0, 0, 0);
    entry(&b, "a", TYPE_F32, 8, 0, 0, 0, 32);
    align(&b, 32);
    floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "two tensors are called 'a'");
    b = file_of(2, 1); /* two names that mean the same */
    string(&b, "general.architecture", "rwkv7");
    entry(&b, "blk.0.attn_norm.weight", TYPE_F32, 8, 0, 0, 0, 0);
    entry(&b, "blocks.0.ln1.weight", TYPE_F32, 8, 0, 0, 0, 32);
    align(&b, 32);
    floats(&b, 0, 16);
    refuse(&b, WKV_E_FORMAT, "two tensors are called 'blocks.0.ln1.weight'");
}

static void versions_are_checked(void **state)
{
    (void)state;
    wkv_strbuf b = file_of(0, 0);
    b.data[4] = 2;
    assert_accepted(&b);
    b.data[4] = 1;
    assert_refused(&b, WKV_E_UNSUPPORTED, "version 1;");
    b.data[4] = 4;
    assert_refused(&b, WKV_E_UNSUPPORTED, "version 4;");
    b.data[4] = 0;
    b.data[7] = 3;
    assert_refused(&b, WKV_E_UNSUPPORTED, "big-endian");
    wkv_strbuf_deinit(&b);
}

static void a_count_of_123_tensors_is_no_brace(void **state)
{
    (void)state;
    wkv_strbuf b = file_of('{', 0);
    refuse(&b, WKV_E_FORMAT, "the file claims 123 tensors");
}

static void damage_is_survived(void **state)
{
    (void)state;
    wkv_strbuf b = rwkv7();
    truncate_everywhere(b.data, b.len);
    flip_every_bit(b.data, b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
    b = with_tokens("a", I32, 5);
    truncate_everywhere(b.data, b.len);
    flip_every_bit(b.data, b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_metadata_is_text),
        cmocka_unit_test(rwkv7_becomes_canonical),
        cmocka_unit_test(rwkv6_becomes_canonical),
        cmocka_unit_test(other_architectures_are_shown_as_they_are),
        cmocka_unit_test(vocabulary_becomes_a_vocabulary_file),
        cmocka_unit_test(damaged_vocabularies_are_refused),
        cmocka_unit_test(counts_that_overflow_are_refused),
        cmocka_unit_test(lengths_of_strings_are_checked),
        cmocka_unit_test(keys_are_unique_and_of_known_types),
        cmocka_unit_test(nested_arrays_are_refused),
        cmocka_unit_test(alignments_are_checked),
        cmocka_unit_test(shapes_that_wrap_are_refused),
        cmocka_unit_test(sums_that_wrap_are_refused),
        cmocka_unit_test(entries_are_checked),
        cmocka_unit_test(offsets_are_checked),
        cmocka_unit_test(versions_are_checked),
        cmocka_unit_test(a_count_of_123_tensors_is_no_brace),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
