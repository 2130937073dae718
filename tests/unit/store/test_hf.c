/* Hugging Face folders: shards, index, configuration and vocabulary, right and wrong. */
#include "test.h"

#include <sys/stat.h>

#include "hostile.h"
#include "store/hf.h"
#include "support/heap.h"

#define DIR "hf_test"
#define ONE "model-00001-of-00002.safetensors"
#define TWO "model-00002-of-00002.safetensors"
#define INDEX "model.safetensors.index.json"

static const float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static void remove_file(void *user, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)user, name);
    if (remove(path) != 0)
        fail_msg("cannot remove %s", path);
}

static int make_folder(void **state)
{
    return mkdir(DIR, 0777);
}

static int remove_folder(void **state)
{
    wkv_folder_each(DIR, remove_file, DIR, NULL);
    return rmdir(DIR);
}

static void put(const char *name, const void *text, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, DIR "/%s", name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* A file of weights with up to two tensors of [2, 2]. */
static void put_weights(const char *name, const char *format, const char *a, const char *b)
{
    wkv_error err;
    char path[512];
    wkv_tensor t[2] = {{.name = a}, {.name = b}};
    for (int i = 0; i < 2; i++) {
        t[i].dtype = WKV_DTYPE_F32;
        t[i].ndim = 2;
        t[i].dim[0] = t[i].dim[1] = 2;
        t[i].data = (const uint8_t *)(values + 4 * i);
        wkv_tensor_set_strides(&t[i]);
    }
    const wkv_meta meta = {"format", "pt", 2};
    const wkv_store_out out = {.tensors = t,
                               .n_tensors = b != NULL ? 2 : 1,
                               .meta = &meta,
                               .n_meta = 1,
                               .dtype = WKV_DTYPE_COUNT};
    snprintf(path, sizeof path, DIR "/%s", name);
    if (wkv_store_write(path, format, &out, &err) != WKV_OK)
        fail_msg("%s", err.text);
}

static wkv_store *must_open(void)
{
    wkv_error err;
    wkv_store *s;
    if (wkv_store_open(&s, DIR, &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_string_equal(wkv_store_format(s), "hf");
    return s;
}

static void must_fail(wkv_status want, const char *words)
{
    wkv_error err;
    wkv_store *s;
    wkv_status status = wkv_store_open(&s, DIR, &err);
    if (status == WKV_OK)
        fail_msg("opened, but '%s' was expected", words);
    if (status != want || strstr(err.text, words) == NULL)
        fail_msg("%s: %s; '%s' was expected", wkv_status_name(status), err.text, words);
    assert_memory_equal(err.text, DIR, strlen(DIR));
    assert_null(s);
}

static const char good_index[] =
    "{\"metadata\": {\"total_size\": 48}, \"weight_map\": {"
    "\"model.embeddings.weight\": \"" ONE "\", "
    "\"model.layers.0.attn.w_lora.lora.0.weight\": \"" TWO "\", \"lm_head.weight\": \"" TWO "\"}}";

static void put_shards(void)
{
    put_weights(ONE, "safetensors", "model.embeddings.weight", NULL);
    put_weights(TWO, "safetensors", "lm_head.weight", "model.layers.0.attn.w_lora.lora.0.weight");
}

static void test_shards_make_one_model(void **state)
{
    put_shards();
    put_text(INDEX, good_index);
    wkv_store *s = must_open();
    float w1[4];
    assert_int_equal(wkv_store_count(s), 3);
    assert_string_equal(wkv_store_scheme(s), "flash-linear-attention");
    assert_string_equal(wkv_store_meta(s, "format"), "pt");
    assert_non_null(wkv_store_find(s, "emb.weight"));
    assert_non_null(wkv_store_find(s, "head.weight"));
    wkv_tensor_copy(w1, wkv_store_find(s, "blocks.0.att.w1"), WKV_DTYPE_F32);
    assert_true(w1[0] == 4 && w1[1] == 6 && w1[2] == 5 && w1[3] == 7);
    wkv_store_close(&s);
}

/* By content: safetensors that are called .bin, and the other way round. */
static void test_the_names_of_files_say_nothing_of_their_form(void **state)
{
    put_weights("pytorch_model.bin", "safetensors", "emb.weight", NULL);
    wkv_store *s = must_open();
    assert_int_equal(wkv_store_count(s), 1);
    wkv_store_close(&s);
    put_weights("model.safetensors", "pth", "emb.weight", "head.weight");
    s = must_open(); /* and comes first */
    assert_int_equal(wkv_store_count(s), 2);
    wkv_store_close(&s);
}

static void test_a_pytorch_index(void **state)
{
    put_weights("a.bin", "pth", "rwkv.blocks.0.attention.key.weight", NULL);
    put_weights("b.bin", "pth", "rwkv.embeddings.weight", "head.weight");
    put_text("pytorch_model.bin.index.json",
             "{\"weight_map\": {\"rwkv.blocks.0.attention.key.weight\": \"a.bin\", "
             "\"rwkv.embeddings.weight\": \"b.bin\", \"head.weight\": \"b.bin\"}}");
    wkv_store *s = must_open();
    assert_string_equal(wkv_store_scheme(s), "transformers");
    assert_non_null(wkv_store_find(s, "blocks.0.att.key.weight"));
    wkv_store_close(&s);
}

static void test_files_that_are_not_there(void **state)
{
    must_fail(WKV_E_MISSING, "a folder without a model");
    put_text("README.md", "nothing");
    must_fail(WKV_E_MISSING, "expected model.safetensors");
    put_text(INDEX, good_index);
    must_fail(WKV_E_MISSING, "'" ONE "', in which tensors should lie, is missing");
    put_shards();
    remove(DIR "/" TWO);
    must_fail(WKV_E_MISSING, "'" TWO "'");
    mkdir(DIR "/" TWO, 0777);
    must_fail(WKV_E_FORMAT, "is a folder");
    put_text("model.safetensors", "nothing of the kind");
    must_fail(WKV_E_FORMAT, "model.safetensors: not a model file of a known form");
}

static void index_fails(const char *index, wkv_status want, const char *words)
{
    put_text(INDEX, index);
    must_fail(want, words);
}

static void test_an_index_that_is_wrong(void **state)
{
    put_shards();
    index_fails("", WKV_E_FORMAT, INDEX);
    index_fails("[]", WKV_E_FORMAT, "weight_map");
    index_fails("{}", WKV_E_FORMAT, "weight_map");
    index_fails("{\"weight_map\": {}}", WKV_E_FORMAT, "empty");
    index_fails("{\"weight_map\": [\"a\"]}", WKV_E_FORMAT, "weight_map");
    index_fails("{\"weight_map\": {\"a\": 1}}", WKV_E_FORMAT, "'a' is no text");
    index_fails("{\"weight_map\": {\"a\": \"x\", \"a\": \"x\"}}", WKV_E_FORMAT, "duplicate");
    index_fails("{\"a\": [[[[[[[[[[]]]]]]]]]]}", WKV_E_FORMAT, "nest");
    static const char *const names[] = {("../" ONE), "/etc/passwd", "sub/x", "..",
                                        ".",         "a\\\\b",      "",      "x/"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"weight_map\": {\"a\": \"%s\"}}", names[i]);
        index_fails(text, WKV_E_FORMAT, "no name of a file in the folder");
    }
    char text[600] = "{\"weight_map\": {\"a\": \"";
    memset(text + strlen(text), 'x', 300);
    strcat(text, "\"}}");
    index_fails(text, WKV_E_FORMAT, "no name of a file in the folder");
}

static void test_tensors_elsewhere_than_the_index_says(void **state)
{
    put_shards();
    index_fails("{\"weight_map\": {\"model.embeddings.weight\": \"" TWO
                "\", \"lm_head.weight\": \"" TWO "\", \"x\": \"" ONE "\"}}",
                WKV_E_FORMAT,
                "'model.embeddings.weight' lies in '" ONE "', but the index places it in '" TWO
                "'");
    index_fails("{\"weight_map\": {\"model.embeddings.weight\": \"" ONE "\", \"x\": \"" ONE "\"}}",
                WKV_E_MISSING, "places the tensor 'x' in '" ONE "', which lacks it");
    index_fails("{\"weight_map\": {\"model.embeddings.weight\": \"" ONE
                "\", \"lm_head.weight\": \"" TWO "\"}}",
                WKV_E_FORMAT, "which the index does not name");
    put_weights(TWO, "safetensors", "lm_head.weight", "model.embeddings.weight");
    index_fails("{\"weight_map\": {\"model.embeddings.weight\": \"" ONE
                "\", \"lm_head.weight\": \"" TWO "\"}}",
                WKV_E_FORMAT, "'model.embeddings.weight' lies in '" TWO "'");
}

static void test_more_files_than_any_model_has(void **state)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_puts(&b, "{\"weight_map\": {");
    for (int i = 0; i <= WKV_HF_MAX_SHARDS; i++)
        wkv_strbuf_printf(&b, "%s\"t%d\": \"f%d\"", i > 0 ? "," : "", i, i);
    wkv_strbuf_puts(&b, "}}");
    put(INDEX, b.data, b.len);
    must_fail(WKV_E_LIMIT, "4097 files");
    wkv_strbuf_deinit(&b);
}

/* ---- config.json ------------------------------------------------------------------------ */

static void config_fails(const char *config, wkv_status want, const char *words)
{
    put_text("config.json", config);
    must_fail(want, words);
}

static void config_is_right(const char *config)
{
    put_text("config.json", config);
    wkv_store *s = must_open();
    wkv_store_close(&s);
}

static void test_a_configuration_that_contradicts_the_tensors(void **state)
{
    put_weights("model.safetensors", "safetensors", "emb.weight", "blocks.1.ffn.key.weight");
    config_is_right("{}");
    config_is_right("{\"hidden_size\": 2, \"vocab_size\": 2, \"num_hidden_layers\": 2, "
                    "\"intermediate_size\": null}");
    config_fails("{\"hidden_size\": 3}", WKV_E_SHAPE,
                 "\"hidden_size\": 3, but the tensors have 2 as a dimension of emb.weight");
    config_fails("{\"vocab_size\": 65536}", WKV_E_SHAPE, "\"vocab_size\": 65536");
    config_fails("{\"num_hidden_layers\": 1}", WKV_E_SHAPE, "but the tensors have 2 layers");
    put_weights("model.safetensors", "safetensors", "blocks.0.att.r_k", "blocks.0.ffn.key.weight");
    config_fails("{\"head_dim\": 64}", WKV_E_SHAPE, "\"head_dim\": 64");
    config_fails("{\"intermediate_size\": 8}", WKV_E_SHAPE, "blocks.0.ffn.key.weight");
}

static void test_a_configuration_that_is_wrong(void **state)
{
    put_weights("model.safetensors", "safetensors", "emb.weight", NULL);
    config_fails("", WKV_E_FORMAT, "config.json");
    config_fails("[1]", WKV_E_FORMAT, "no JSON object");
    config_fails("{\"hidden_size\": -1}", WKV_E_FORMAT, "\"hidden_size\" is no number");
    config_fails("{\"hidden_size\": 1e3}", WKV_E_FORMAT, "\"hidden_size\" is no number");
    config_fails("{\"vocab_size\": 99999999999}", WKV_E_FORMAT, "\"vocab_size\" is no number");
    config_fails("{\"norm_eps\": \"small\"}", WKV_E_FORMAT, "norm_eps");
    config_fails("{\"norm_eps\": 0}", WKV_E_FORMAT, "norm_eps");
    config_fails("{\"attn\": {\"layers\": [1]}}", WKV_E_UNSUPPORTED, "attention");
    config_fails("{\"hidden_act\": \"silu\"}", WKV_E_UNSUPPORTED, "silu");
}

static void eps_are(const char *config, const char *ln, const char *gn)
{
    put_text("config.json", config);
    wkv_store *s = must_open();
    for (int i = 0; i < 2; i++) {
        const char *got = wkv_store_meta(s, i == 0 ? "wkv.ln_eps" : "wkv.gn_eps");
        const char *want = i == 0 ? ln : gn;
        if (want == NULL)
            assert_null(got);
        else
            assert_string_equal(got, want);
    }
    wkv_store_close(&s);
}

static void test_epsilons(void **state)
{
    put_weights("model.safetensors", "safetensors", "emb.weight", NULL);
    eps_are("{}", NULL, NULL);
    eps_are("{\"layer_norm_epsilon\": 0.001}", "0.001", NULL);
    eps_are("{\"layer_norm_epsilon\": 1e-5, \"head_size_divisor\": 8}", "1e-05", "0.00064");
    eps_are("{\"norm_eps\": 1e-5, \"head_dim\": 32}", "1e-05", "0.00032");
}

static void test_a_tied_head_is_the_embedding(void **state)
{
    put_weights("model.safetensors", "safetensors", "emb.weight", NULL);
    config_is_right("{\"tie_word_embeddings\": false}");
    put_text("config.json", "{\"tie_word_embeddings\": true}");
    wkv_store *s = must_open();
    assert_int_equal(wkv_store_count(s), 2);
    assert_ptr_equal(wkv_store_find(s, "head.weight")->data, wkv_store_find(s, "emb.weight")->data);
    wkv_store_close(&s);
}

/* ---- vocabularies ----------------------------------------------------------------------- */

static void vocab_is(const char *kind, const char *text)
{
    wkv_store *s = must_open();
    const char *k = wkv_store_meta(s, "wkv.tokenizer"), *v = wkv_store_meta(s, "wkv.vocab");
    if (kind == NULL)
        assert_null(k);
    else
        assert_string_equal(k, kind);
    if (text != NULL)
        assert_string_equal(v, text);
    wkv_store_close(&s);
}

static void test_vocabularies(void **state)
{
    put_weights("model.safetensors", "safetensors", "emb.weight", NULL);
    vocab_is(NULL, NULL);
    put_text("tokenizer.json", "{\"model\": {}}");
    vocab_is("bpe", "{\"model\": {}}");
    put_text("vocab.txt", "no literals\n");
    vocab_is("bpe", NULL);
    put_text("vocab.txt", "b'<s>'\nb'\\x00'\nb\"it's\"\r\nb'\\n'");
    vocab_is("world", "1 b'\\x00' 1\n2 b\"it's\" 4\n3 b'\\n' 1\n");
    put_text("rwkv_vocab_v2.txt", "2");
    put_text("rwkv_vocab_v1.txt", "1");
    vocab_is("world", "1");
    put_text("vocab.txt", "b'<s>'\nb'a\n");
    vocab_is("world", "1");
    remove(DIR "/rwkv_vocab_v1.txt");
    remove(DIR "/rwkv_vocab_v2.txt");
    must_fail(WKV_E_FORMAT, "line 2 of vocab.txt: expected");
    put_text("vocab.txt", "b'<s>'\n");
    must_fail(WKV_E_FORMAT, "vocab.txt has no token but the first");
}

/* ---- whatever happens ----------------------------------------------------------------------- */

static void test_memory_that_runs_out(void **state)
{
    put_shards();
    put_text(INDEX, good_index);
    put_text("config.json", "{\"model_type\": \"rwkv7\", \"tie_word_embeddings\": true}");
    put_text("vocab.txt", "b'<s>'\nb'a'\n");
    wkv_status status = WKV_E_MEMORY;
    int n = 0;
    for (; status != WKV_OK && n < 10000; n++) {
        wkv_error err;
        wkv_store *s;
        heap_limit(n);
        status = wkv_store_open(&s, DIR, &err);
        wkv_store_close(&s);
        heap_release();
        if (status != WKV_OK && status != WKV_E_MEMORY)
            fail_msg("%s", err.text);
    }
    assert_true(status == WKV_OK && n > 20);
}

static void test_an_index_cut_anywhere_is_refused(void **state)
{
    put_shards();
    for (size_t n = 0; n < strlen(good_index); n++) {
        wkv_error err;
        wkv_store *s;
        put(INDEX, good_index, n);
        assert_int_equal(wkv_store_open(&s, DIR, &err), WKV_E_FORMAT);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shards_make_one_model),
        TEST(test_the_names_of_files_say_nothing_of_their_form),
        TEST(test_a_pytorch_index),
        TEST(test_files_that_are_not_there),
        TEST(test_an_index_that_is_wrong),
        TEST(test_tensors_elsewhere_than_the_index_says),
        TEST(test_more_files_than_any_model_has),
        TEST(test_a_configuration_that_contradicts_the_tensors),
        TEST(test_a_configuration_that_is_wrong),
        TEST(test_epsilons),
        TEST(test_a_tied_head_is_the_embedding),
        TEST(test_vocabularies),
        TEST(test_memory_that_runs_out),
        TEST(test_an_index_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests_name("hf", tests, NULL, NULL);
}
