/* The finished model: what is in the file, and starting a new run from it. */
#include <math.h>

#include "base/mem.h"
#include "store/tensor.h"
#include "tiny.h"
#include "train/trainer.h"

static const char MODEL[] = "t_export.safetensors";

static void export_model(const wkv_trainer *t, const char *path)
{
    wkv_error err = {0};
    if (wkv_trainer_export(t, path, &err) != WKV_OK)
        fail_msg("%s", err.text);
}

static void carries_everything(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 2);
    export_model(t, MODEL);
    wkv_store *file;
    assert_int_equal(wkv_store_open(&file, MODEL, NULL), WKV_OK);
    assert_string_equal(wkv_store_meta(file, "wkv.arch"), "rwkv7");
    assert_string_equal(wkv_store_meta(file, WKV_META_TOKENIZER), "bytes");
    assert_null(wkv_store_meta(file, WKV_META_VOCAB));
    const wkv_tensor *emb = wkv_store_find(file, "emb.weight");
    assert_non_null(emb);
    assert_int_equal(emb->dtype, WKV_DTYPE_F32);
    assert_int_equal(emb->dim[0], 256);
    assert_int_equal(emb->dim[1], 32);
    float first;
    memcpy(&first, emb->data, sizeof first);
    assert_true(first == (float)t->optim.param[0]); /* the embedding comes first */
    assert_null(wkv_store_find(file, "adam.m.emb.weight"));
    wkv_store_close(&file);
    wkv_trainer_close(&t);
}

/* A run that starts from the model: its shape, its tokenizer, its weights. */
static void starts_a_new_run(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv4");
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 12);
    export_model(t, MODEL);
    o.init = MODEL;
    o.arch = "ignored";
    o.layers = 77;
    o.vocab = NULL;
    o.val_fraction = 0.3;
    wkv_trainer *u = tiny_open(&o);
    assert_string_equal(u->cfg.arch->name, "rwkv4");
    assert_int_equal(u->cfg.layers, 2);
    assert_non_null(u->tok);
#ifndef WKV_DOUBLE
    assert_memory_equal(t->optim.param, u->optim.param, t->optim.n * sizeof(real));
#endif
    tiny_steps(u, 1);
    wkv_trainer_close(&u);
    wkv_trainer_close(&t);
}

/* World: the vocabulary's text goes into the file and comes out of it. */
static void vocabulary_inside(void **state)
{
    FILE *f = fopen("t_vocab.txt", "w");
    assert_non_null(f);
    for (int i = 0; i < 256; i++)
        fprintf(f, "%d b'\\x%02x' 1\n", i + 1, i);
    fprintf(f, "257 'the' 3\n");
    fclose(f);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.vocab = "t_vocab.txt";
    wkv_trainer *t = tiny_open(&o);
    assert_int_equal(t->tok->vocab_size, 258);
    assert_int_equal(t->cfg.dim[WKV_DIM_V], 320); /* padded to a multiple of 64 */
    tiny_steps(t, 1);
    export_model(t, MODEL);
    o.init = MODEL;
    o.vocab = "bytes"; /* the model knows better */
    wkv_trainer *u = tiny_open(&o);
    assert_string_equal(u->tok->kind->name, "world");
    assert_int_equal(u->tok->vocab_len, t->tok->vocab_len);
    assert_memory_equal(u->tok->vocab, t->tok->vocab, t->tok->vocab_len);
    assert_int_equal(u->train.tokens, t->train.tokens);
    wkv_trainer_close(&u);
    wkv_trainer_close(&t);
}

/* binidx without a vocabulary: the model carries none, and takes only one that fits. */
static void no_vocabulary(void **state)
{
    int64_t ids[100];
    for (int i = 0; i < 100; i++)
        ids[i] = i % 12;
    write_binidx("t_ids12", ids, 100, 1, 1);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.data = "t_ids12";
    o.vocab = NULL;
    wkv_trainer *t = tiny_open(&o);
    assert_int_equal(t->cfg.dim[WKV_DIM_V], 12);
    export_model(t, MODEL);
    wkv_trainer_close(&t);
    wkv_store *file;
    assert_int_equal(wkv_store_open(&file, MODEL, NULL), WKV_OK);
    assert_null(wkv_store_meta(file, WKV_META_TOKENIZER));
    wkv_store_close(&file);
    o.init = MODEL;
    t = tiny_open(&o);
    wkv_trainer_close(&t);
    o.vocab = "bytes";
    wkv_error err;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "do not belong together"));
}

/* ---- memory that runs out ------------------------------------------------------------------- */

static int countdown;

static int refuse_the_nth(void *user, size_t bytes)
{
    (void)user;
    (void)bytes;
    return --countdown < 0;
}

/* Fails every allocation in turn until the whole passes; the last error must be E_MEMORY. */
static void sweep(wkv_status (*act)(void *), void *arg)
{
    wkv_status s = WKV_E_MEMORY;
    int n = 0;
    for (; s != WKV_OK; n++) {
        countdown = n;
        wkv_mem_set_hook(refuse_the_nth, NULL);
        s = act(arg);
        wkv_mem_set_hook(NULL, NULL);
        assert_true(s == WKV_OK || s == WKV_E_MEMORY);
        assert_true(n < 10000);
    }
    assert_true(n > 3);
}

static wkv_status open_and_close(void *arg)
{
    wkv_trainer *t;
    wkv_status s = wkv_trainer_open(&t, arg, NULL);
    assert_true((s == WKV_OK) == (t != NULL));
    wkv_trainer_close(&t);
    return s;
}

static wkv_status save_it(void *t)
{
    return wkv_trainer_save(t, "t_sweep.ckpt", NULL);
}

static wkv_status restore_it(void *t)
{
    return wkv_trainer_restore(t, "t_sweep.ckpt", NULL);
}

static wkv_status export_it(void *t)
{
    return wkv_trainer_export(t, MODEL, NULL);
}

static void memory_runs_out(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.val_fraction = 0.3;
    sweep(open_and_close, &o);
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 1);
    sweep(save_it, t);
    sweep(restore_it, t);
    sweep(export_it, t);
    wkv_trainer_close(&t);
    o.init = MODEL;
    sweep(open_and_close, &o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_everything), cmocka_unit_test(starts_a_new_run),
        cmocka_unit_test(vocabulary_inside),  cmocka_unit_test(no_vocabulary),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
