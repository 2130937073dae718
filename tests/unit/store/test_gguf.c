/* Reading GGUF: metadata of all types, tensors in llama.cpp's manner turned into the
 * canonical form, and the vocabulary. */
#include "test.h"

#include "gguf_made.h"
#include "store/format.h"

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

/* ---- metadata ----------------------------------------------------------------------------- */

static void every_type_of_metadata_is_text(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(0, 17);
    gguf_number(&b, "u8", GGUF_U8, 200, 1);
    gguf_number(&b, "i8", GGUF_I8, 200, 1);
    gguf_number(&b, "u16", GGUF_U16, 65535, 2);
    gguf_number(&b, "i16", GGUF_I16, 65535, 2);
    gguf_number(&b, "u32", GGUF_U32, UINT32_MAX, 4);
    gguf_number(&b, "i32", GGUF_I32, UINT32_MAX, 4);
    gguf_number(&b, "f32", GGUF_F32, gguf_bits(1e-5f), 4);
    gguf_number(&b, "yes", GGUF_BOOL, 1, 1);
    gguf_number(&b, "no", GGUF_BOOL, 0, 1);
    gguf_string(&b, "string", "caf\xc3\xa9");
    gguf_number(&b, "u64", GGUF_U64, UINT64_MAX, 8);
    gguf_number(&b, "i64", GGUF_I64, (uint64_t)INT64_MIN, 8);
    gguf_number(&b, "f64", GGUF_F64, 0x3fb999999999999a, 8);
    gguf_string(&b, "empty", "");
    gguf_array(&b, "list", GGUF_I16, 3);
    gguf_put(&b, 1, 2);
    gguf_put(&b, 0xfffe, 2);
    gguf_put(&b, 3, 2);
    gguf_array(&b, "texts", GGUF_STRING, 2);
    gguf_put_string(&b, "a \"b\"");
    gguf_put_string(&b, "c");
    gguf_array(&b, "long", GGUF_U8, 100);
    for (int i = 0; i < 100; i++)
        gguf_put(&b, 1, 1);
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

static void rwkv7_becomes_canonical(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_rwkv7();
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
    wkv_strbuf b = gguf_file(6, 3);
    gguf_string(&b, "general.architecture", "rwkv6");
    gguf_number(&b, "rwkv6.wkv.head_size", GGUF_U32, 2, 4);
    gguf_number(&b, "rwkv6.rescale_every_n_layers", GGUF_U32, 2, 4);
    gguf_entry(&b, "blk.4.time_mix_lerp_fused.weight", GGUF_TYPE_F32, 4, 1, 1, 5, 0);
    gguf_entry(&b, "blk.4.time_mix_w2.weight", GGUF_TYPE_F32, 2, 4, 5, 0, 96);
    gguf_entry(&b, "blk.4.time_mix_decay.weight", GGUF_TYPE_F32, 4, 0, 0, 0, 256);
    gguf_entry(&b, "blk.4.time_mix_output.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 288);
    gguf_entry(&b, "blk.5.channel_mix_value.weight", GGUF_TYPE_Q8_0, 32, 1, 0, 0, 320);
    gguf_entry(&b, "blk.1.time_mix_output.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 384);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 20);
    gguf_floats(&b, 100, 40);
    gguf_floats(&b, 200, 4);
    gguf_floats(&b, 300, 8);
    gguf_put(&b, 0x3c00, 2);
    for (int i = 0; i < 32; i++)
        gguf_put(&b, (uint64_t)i, 1);
    gguf_align(&b, 32);
    gguf_floats(&b, 400, 8);
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
    wkv_strbuf b = gguf_file(1, 1);
    gguf_string(&b, "general.architecture", "llama");
    gguf_entry(&b, "token_embd.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 0);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 8);
    wkv_store *s = open_bytes(&b);
    assert_meta(s, "general.architecture", "llama");
    assert_shape(s, "token_embd.weight", 2, 2, 4, 0);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void the_files_alignment_counts(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_file(2, 1);
    gguf_number(&b, "general.alignment", GGUF_U32, 8, 4);
    gguf_entry(&b, "a", GGUF_TYPE_F32, 1, 0, 0, 0, 0);
    gguf_entry(&b, "b", GGUF_TYPE_F32, 2, 0, 0, 0, 8);
    gguf_align(&b, 8);
    gguf_put(&b, gguf_bits(1), 8);
    gguf_put(&b, gguf_bits(2), 8);
    wkv_store *s = open_bytes(&b);
    assert_element(s, "b", 0, 2);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

/* ---- the vocabulary ----------------------------------------------------------------------------
 */

static void vocabulary_becomes_a_vocabulary_file(void **state)
{
    (void)state;
    wkv_strbuf b = gguf_with_tokens("\\xe4\\xBD", GGUF_I32, 5);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_metadata_is_text),
        cmocka_unit_test(rwkv7_becomes_canonical),
        cmocka_unit_test(rwkv6_becomes_canonical),
        cmocka_unit_test(other_architectures_are_shown_as_they_are),
        cmocka_unit_test(the_files_alignment_counts),
        cmocka_unit_test(vocabulary_becomes_a_vocabulary_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
