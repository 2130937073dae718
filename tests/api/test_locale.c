/* A program in its user's locale, one with a decimal comma: models, states and checkpoints are read
 * and written as by any other program. */
#include "api.h"

#include "support/comma.h"
#include "support/forge.h"

#define PLAIN "locale_plain.safetensors"
#define PART "locale_part.safetensors"
#define MODEL "locale_model.safetensors"
#define STATE "locale_state.safetensors"
#define TEXT "locale_text.txt"

/* Epsilons that are not the default, so that a reader that misses them is found out. */
static int set_up(void **state)
{
    tiny_model_write(PLAIN, &tiny_rwkv7);
    forge(PART, PLAIN, &(forgery){.meta_key = "wkv.ln_eps", .meta_value = "0.00625"});
    forge(MODEL, PART, &(forgery){.meta_key = "wkv.gn_eps", .meta_value = "0.05"});
    return 0;
}

static int tear_down(void **state)
{
    unlink(PLAIN);
    unlink(PART);
    unlink(MODEL);
    unlink(STATE);
    unlink(TEXT);
    return 0;
}

enum { VOCAB = 96 };

static void logits_of(const char *path, float *logits)
{
    wkv_model *m = open_model(path, 1);
    wkv_session *s = open_session(m);
    assert_int_equal(vocab_of(m), VOCAB);
    feed(s, (const int32_t[]){1, 2, 3}, 3);
    memcpy(logits, wkv_session_logits(s), VOCAB * sizeof *logits);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static void must_give(const char *path, const float *want)
{
    float got[VOCAB];
    logits_of(path, got);
    must_be_same_bits(got, want, VOCAB);
}

/* Every format that has a place for an epsilon, written here and read there. */
static void test_models(void **state)
{
    static const char *const copies[] = {"locale_copy.gguf", "locale_copy.safetensors",
                                         "locale_copy_folder"};
    wkv_error err;
    float want[VOCAB];
    logits_of(MODEL, want);
    for (int i = 0; i < 3; i++) {
        wkv_convert_opts o;
        wkv_convert_opts_init(&o);
        o.format = i == 2 ? "hf" : NULL;
        if (!comma_locale())
            skip();
        must_give(MODEL, want);
        must(wkv_convert(MODEL, copies[i], &o, &err), &err);
        must_give(copies[i], want);
        comma_locale_end();
        must_give(copies[i], want);
    }
    assert_int_equal(system("rm -rf locale_copy*"), 0);
}

static void test_states(void **state)
{
    wkv_error err;
    wkv_model *plain = open_model(MODEL, 1);
    wkv_session *s = open_session(plain);
    if (!comma_locale())
        skip();
    wkv_model *comma = open_model(MODEL, 1);
    wkv_session *t = open_session(comma);
    feed(t, (const int32_t[]){1, 2, 3}, 3);
    must(wkv_session_save(t, STATE, &err), &err);
    must(wkv_session_load(t, STATE, &err), &err);
    comma_locale_end();
    must(wkv_session_load(s, STATE, &err), &err);
    wkv_session_close(&t);
    wkv_session_close(&s);
    wkv_model_close(&comma);
    wkv_model_close(&plain);
}

static wkv_trainer *open_trainer(void)
{
    wkv_error err;
    wkv_trainer *t;
    wkv_train_opts o;
    wkv_train_opts_init(&o);
    o.layers = 1;
    o.width = 32;
    o.head_size = 16;
    o.data = TEXT;
    o.ctx = 8;
    o.batch = 1;
    o.steps = 2;
    o.threads = 1;
    o.lr = 1.5e-3;
    must(wkv_trainer_open(&t, &o, &err), &err);
    return t;
}

static void test_checkpoints(void **state)
{
    wkv_error err;
    FILE *f = fopen(TEXT, "w");
    assert_non_null(f);
    for (int i = 0; i < 20; i++)
        fputs("One, two, three, four, five.\n", f);
    fclose(f);
    wkv_trainer *t = open_trainer();
    must(wkv_trainer_save(t, STATE, &err), &err);
    if (!comma_locale())
        skip();
    must(wkv_trainer_restore(t, STATE, &err), &err);
    must(wkv_trainer_save(t, STATE, &err), &err);
    comma_locale_end();
    must(wkv_trainer_restore(t, STATE, &err), &err);
    wkv_trainer_close(&t);
}

/* jansson, left alone, ends the program at such a mark. */
static void test_wide_comma(void **state)
{
    wkv_error err;
    float want[VOCAB];
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.format = "hf";
    logits_of(MODEL, want);
    if (!wide_comma_locale())
        skip();
    must(wkv_convert(MODEL, "locale_copy", &o, &err), &err);
    must_give("locale_copy", want);
    comma_locale_end();
    assert_int_equal(system("rm -rf locale_copy"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_wide_comma),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
