/* Models: opened, described, closed; every way in which opening one can fail; and two
 * sessions of one model at work in two threads. */
#include "api.h"

#include <pthread.h>
#include <wkv/unstable.h>

#include "support/forge.h"

#define MODEL "model_good.safetensors"
#define OTHER "model_other.safetensors"
#define MADE "model_made.gguf"
#define VOCAB "model_vocab.txt"

static int remove_files(void **state)
{
    unlink(MODEL);
    unlink(OTHER);
    unlink(VOCAB);
    return 0;
}

static void test_described(void **state)
{
    tiny_model_write(MODEL, &tiny_rwkv7);
    wkv_model *m = open_model(MODEL, 2);
    wkv_model_info info;
    wkv_model_describe(m, &info);
    assert_string_equal(info.arch, "rwkv7");
    assert_string_equal(info.format, "safetensors");
    assert_null(info.tokenizer);
    assert_null(wkv_model_tokenizer(m));
    assert_int_equal(info.layers, 3);
    assert_int_equal(info.width, 32);
    assert_int_equal(info.heads, 4);
    assert_int_equal(info.head_size, 8);
    assert_int_equal(info.ffn_width, 128);
    assert_int_equal(info.vocab, 96);
    assert_int_equal(info.threads, 2);

    /* The sums are those over the file's own list. */
    wkv_error err;
    wkv_file *f;
    uint64_t count = 0;
    must(wkv_file_open(&f, MODEL, &err), &err);
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor t;
        uint64_t n = 1;
        wkv_file_tensor_at(f, i, &t);
        for (int d = 0; d < t.ndim; d++)
            n *= (uint64_t)t.dim[d];
        count += n;
    }
    assert_int_equal(info.parameters, count);
    wkv_file_tensor first;
    wkv_file_tensor_at(f, 0, &first);
    assert_string_equal(info.dtype, first.dtype);
    size_t element = strcmp(first.dtype, "f64") == 0 ? 8 : 4;
    assert_int_equal(info.weight_bytes, count * element);
    /* Per layer two rows of C and H matrices of N x N. */
    assert_int_equal(info.state_bytes, 3 * (2 * 32 + 4 * 8 * 8) * element);
    wkv_file_close(&f);
    wkv_model_close(&m);
    assert_null(m);
    wkv_model_close(&m); /* harmless */
}

static void test_four_has_no_heads(void **state)
{
    tiny_model_write(MODEL, &tiny_rwkv4);
    wkv_model *m = open_model(MODEL, 0);
    wkv_model_info info;
    wkv_model_describe(m, &info);
    assert_string_equal(info.arch, "rwkv4");
    assert_int_equal(info.heads, 0);
    assert_int_equal(info.head_size, 0);
    assert_true(info.threads >= 1);
    wkv_model_close(&m);
}

/* ---- tokenizers ------------------------------------------------------------------------ */

static const char *kind_of(const char *path, const char *spec)
{
    static char kind[16];
    wkv_error err;
    wkv_model *m;
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.vocab = spec;
    must(wkv_model_open(&m, path, &o, &err), &err);
    const wkv_tokenizer *t = wkv_model_tokenizer(m);
    snprintf(kind, sizeof kind, "%s", t != NULL ? wkv_tokenizer_kind(t) : "none");
    wkv_model_info info;
    wkv_model_describe(m, &info);
    assert_string_equal(info.tokenizer != NULL ? info.tokenizer : "none", kind);
    wkv_model_close(&m);
    return kind;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_tokenizers(void **state)
{
    tiny_model t = tiny_rwkv7;
    tiny_model_write(MODEL, &t);
    assert_string_equal(kind_of(MODEL, NULL), "none");
    t.vocab = 256;
    tiny_model_write(MODEL, &t);
    assert_string_equal(kind_of(MODEL, NULL), "bytes");
    t.vocab = 300;
    tiny_model_write(MODEL, &t);
    assert_string_equal(kind_of(MODEL, NULL), "none");
    assert_string_equal(kind_of(MODEL, "bytes"), "bytes");
    t.tokenizer = "bytes";
    tiny_model_write(OTHER, &t);
    assert_string_equal(kind_of(OTHER, NULL), "bytes");
    assert_string_equal(kind_of(MODEL, OTHER), "bytes"); /* another model's */
}

static void refuse_open(const char *path, const wkv_model_opts *o, wkv_status want,
                        const char *names)
{
    wkv_error err;
    wkv_model *m = (wkv_model *)&err; /* anything but NULL */
    must_fail(wkv_model_open(&m, path, o, &err), want, &err, names);
    assert_null(m);
    assert_int_equal(wkv_model_open(&m, path, o, NULL), want);
}

static void test_tokenizers_that_do_not_fit(void **state)
{
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    tiny_model t = tiny_rwkv7; /* 96 logits */
    tiny_model_write(MODEL, &t);
    o.vocab = "bytes";
    refuse_open(MODEL, &o, WKV_E_SHAPE, "bytes");
    o.vocab = "no such vocabulary";
    refuse_open(MODEL, &o, WKV_E_IO, "no such vocabulary");
    write_text(VOCAB, "this is no vocabulary\n");
    o.vocab = VOCAB;
    refuse_open(MODEL, &o, WKV_E_FORMAT, VOCAB);
    o.vocab = MODEL; /* which carries none */
    refuse_open(MODEL, &o, WKV_E_MISSING, MODEL);
    t.tokenizer = "bytes";
    tiny_model_write(MODEL, &t);
    refuse_open(MODEL, NULL, WKV_E_SHAPE, MODEL);
    t.tokenizer = "runes";
    tiny_model_write(MODEL, &t);
    refuse_open(MODEL, NULL, WKV_E_UNSUPPORTED, "runes");
    t.tokenizer = "world";
    tiny_model_write(MODEL, &t);
    refuse_open(MODEL, NULL, WKV_E_MISSING, MODEL);
}

/* ---- failures ---------------------------------------------------------------------------- */

static void test_models_that_do_not_open(void **state)
{
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.threads = -1;
    tiny_model_write(MODEL, &tiny_rwkv7);
    refuse_open(MODEL, &o, WKV_E_ARGUMENT, "threads");
    refuse_open("no such model", NULL, WKV_E_IO, "no such model");
    refuse_open(".", NULL, WKV_E_MISSING, ".");
    write_text(OTHER, "");
    refuse_open(OTHER, NULL, WKV_E_FORMAT, OTHER);
    write_text(OTHER, "this is not a model\n");
    refuse_open(OTHER, NULL, WKV_E_FORMAT, OTHER);

    const char *matrix = "blocks.1.att.key.weight";
    forge(OTHER, MODEL, &(forgery){.drop = matrix});
    refuse_open(OTHER, NULL, WKV_E_MISSING, matrix);
    refuse_open(OTHER, NULL, WKV_E_MISSING, OTHER);
    forge(OTHER, MODEL, &(forgery){.grow = matrix});
    refuse_open(OTHER, NULL, WKV_E_SHAPE, matrix);
    forge(OTHER, MODEL, &(forgery){.drop = "head.weight"});
    refuse_open(OTHER, NULL, WKV_E_MISSING, "head.weight");
    forge_plain(OTHER, true);
    refuse_open(OTHER, NULL, WKV_E_UNSUPPORTED, OTHER);

    /* Nothing spoilt, but no metadata: the tensors say it all. */
    forge(OTHER, MODEL, &(forgery){.no_meta = true});
    wkv_model *m = open_model(OTHER, 1);
    assert_int_equal(vocab_of(m), 96);
    wkv_model_close(&m);
}

/* A layer's number that leaves a gap is seen by what is missing in it; one that no model can have
 * is not passed over. */
static void test_numbers_of_layers(void **state)
{
    forgery f = {.rename = "blocks.1.att.key.weight"};
    tiny_model_write(MODEL, &tiny_rwkv7);
    f.name = "blocks.7.att.key.weight";
    forge(OTHER, MODEL, &f);
    refuse_open(OTHER, NULL, WKV_E_MISSING, "with 8 layers, but lacks the tensor blocks.1.att.key");
    f.name = "blocks.16384.att.key.weight";
    forge(OTHER, MODEL, &f);
    refuse_open(OTHER, NULL, WKV_E_LIMIT,
                OTHER
                ": blocks.16384.att.key.weight: expected a layer from 0 to 16383, found 16384");
    f.name = "blocks.99999999999999999999.att.key.weight";
    forge(OTHER, MODEL, &f);
    refuse_open(OTHER, NULL, WKV_E_LIMIT, "expected a layer from 0 to 16383, found 9");
}

/* An epsilon that is none is not taken for absent. */
static void test_epsilons_that_are_none(void **state)
{
    static const char *const wrong[] = {"abc", "nan", "-5",    "0",     "1",    "1e999",
                                        "inf", "",    "-1e-5", "1e-5x", "1e-60"};
    tiny_model_write(MODEL, &tiny_rwkv7);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char words[96];
        snprintf(words, sizeof words, "above 0 and below 1, found \"%s\"", wrong[i]);
        forge(OTHER, MODEL, &(forgery){.meta_key = "wkv.ln_eps", .meta_value = wrong[i]});
        refuse_open(OTHER, NULL, WKV_E_FORMAT, words);
        refuse_open(OTHER, NULL, WKV_E_FORMAT, "\"wkv.ln_eps\"");
        forge(OTHER, MODEL, &(forgery){.meta_key = "wkv.gn_eps", .meta_value = wrong[i]});
        refuse_open(OTHER, NULL, WKV_E_FORMAT, "\"wkv.gn_eps\"");
        wkv_error err;
        assert_int_equal(wkv_convert(OTHER, MADE, NULL, &err), WKV_E_FORMAT);
        assert_non_null(strstr(err.text, OTHER ": metadata \"wkv.gn_eps\""));
    }
    forge(OTHER, MODEL, &(forgery){.meta_key = "wkv.ln_eps", .meta_value = "0.001"});
    wkv_model *m = open_model(OTHER, 1);
    wkv_model_close(&m);
}

/* ---- threads -------------------------------------------------------------------------------- */

enum { TOKENS = 120, RUNS = 5 };

typedef struct job {
    const wkv_model *model;
    uint32_t seed;
    float *logits;
    int32_t vocab;
} job;

static void *run_job(void *arg)
{
    job *j = arg;
    int32_t ids[TOKENS];
    fill_ids(ids, TOKENS, j->vocab, j->seed);
    for (int run = 0; run < RUNS; run++) {
        wkv_session *s;
        if (wkv_session_open(&s, j->model, NULL) != WKV_OK)
            return NULL;
        for (size_t t = 0; t < TOKENS; t += 2)
            if (wkv_session_feed(s, ids + t, 2) != WKV_OK)
                return NULL;
        memcpy(j->logits, wkv_session_logits(s), (size_t)j->vocab * sizeof *j->logits);
        wkv_session_close(&s);
    }
    return j;
}

static void test_two_sessions_in_two_threads(void **state)
{
    for (int threads = 1; threads <= 2; threads++) {
        tiny_model_write(MODEL, threads == 1 ? &tiny_rwkv4 : &tiny_rwkv7);
        wkv_model *m = open_model(MODEL, threads);
        const int32_t V = vocab_of(m);
        job jobs[4];
        for (uint32_t i = 0; i < 4; i++)
            jobs[i] = (job){m, i % 2, calloc((size_t)V, sizeof(float)), V};
        assert_ptr_equal(run_job(&jobs[0]), &jobs[0]);
        assert_ptr_equal(run_job(&jobs[1]), &jobs[1]);
        pthread_t a, b;
        void *done_a, *done_b;
        assert_int_equal(pthread_create(&a, NULL, run_job, &jobs[2]), 0);
        assert_int_equal(pthread_create(&b, NULL, run_job, &jobs[3]), 0);
        assert_int_equal(pthread_join(a, &done_a), 0);
        assert_int_equal(pthread_join(b, &done_b), 0);
        assert_ptr_equal(done_a, &jobs[2]);
        assert_ptr_equal(done_b, &jobs[3]);
        must_be_same_bits(jobs[2].logits, jobs[0].logits, V);
        must_be_same_bits(jobs[3].logits, jobs[1].logits, V);
        assert_true(memcmp(jobs[0].logits, jobs[1].logits, (size_t)V * sizeof(float)) != 0);
        for (int i = 0; i < 4; i++)
            free(jobs[i].logits);
        wkv_model_close(&m);
    }
}

/* The tensors say whether AFT has a token shift: all of them, or none. */
static void test_token_shift(void **state)
{
    wkv_error err;
    wkv_random_opts o;
    wkv_model_info info;
    wkv_random_opts_init(&o);
    o.arch = "aft-local";
    o.layers = 2;
    o.width = 32;
    o.vocab_size = 50;
    o.length = 9;
    o.token_shift = true;
    must(wkv_random_model(MODEL, &o, &err), &err);
    wkv_model *m = open_model(MODEL, 1);
    wkv_model_describe(m, &info);
    assert_int_equal(info.token_shift, 1);
    const uint64_t bytes = info.state_bytes;
    wkv_model_close(&m);
    forge(OTHER, MODEL, &(forgery){.drop = "blocks.0.att.time_mix_q"});
    refuse_open(OTHER, NULL, WKV_E_MISSING, "lacks the tensor blocks.0.att.time_mix_q");
    forge(OTHER, MODEL, &(forgery){.drop = "blocks.1.att.time_mix_v"});
    refuse_open(OTHER, NULL, WKV_E_MISSING, "lacks the tensor blocks.1.att.time_mix_v");
    o.token_shift = false;
    must(wkv_random_model(MODEL, &o, &err), &err);
    m = open_model(MODEL, 1);
    wkv_model_describe(m, &info);
    assert_int_equal(info.token_shift, 0);
    /* A row of x' a layer less, in whatever type states are kept. */
    assert_true(bytes - info.state_bytes == 2 * 32 * 4 || bytes - info.state_bytes == 2 * 32 * 8);
    wkv_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_four_has_no_heads),
        cmocka_unit_test(test_tokenizers),
        cmocka_unit_test(test_tokenizers_that_do_not_fit),
        cmocka_unit_test(test_models_that_do_not_open),
        cmocka_unit_test(test_numbers_of_layers),
        cmocka_unit_test(test_epsilons_that_are_none),
        cmocka_unit_test(test_token_shift),
        cmocka_unit_test(test_two_sessions_in_two_threads),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, remove_files);
}
