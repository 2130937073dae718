/* States in files: restored bit for bit; refused, and the session left as it was, when
 * they are another model's, damaged, or made up. */
#include "api.h"

#include "support/forge.h"

#define MODEL "state_model.safetensors"
#define STATE "state_saved.safetensors"
#define BAD "state_bad.safetensors"

enum { FED = 37 };

/* A model, and a session in the middle of a text. */
typedef struct fixture {
    wkv_model *model;
    wkv_session *session;
    float *logits; /* of the session, copied */
    int32_t vocab;
} fixture;

static int open_fixture(void **state)
{
    static fixture f;
    int32_t ids[FED];
    tiny_model_write(MODEL, &tiny_rwkv7);
    f.model = open_model(MODEL, 1);
    f.vocab = vocab_of(f.model);
    f.session = open_session(f.model);
    f.logits = malloc((size_t)f.vocab * sizeof *f.logits);
    fill_ids(ids, FED, f.vocab, 11);
    feed(f.session, ids, FED);
    memcpy(f.logits, wkv_session_logits(f.session), (size_t)f.vocab * sizeof *f.logits);
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    free(f->logits);
    wkv_session_close(&f->session);
    wkv_model_close(&f->model);
    unlink(MODEL);
    unlink(STATE);
    unlink(BAD);
    return 0;
}

static void save(const wkv_session *s, const char *path)
{
    wkv_error err;
    must(wkv_session_save(s, path, &err), &err);
}

/* The session stands where the fixture left it: the same logits, now and after a token. */
static void must_stand(const fixture *f)
{
    assert_int_equal(wkv_session_position(f->session), FED);
    must_be_same_bits(wkv_session_logits(f->session), f->logits, f->vocab);
    wkv_session *a = open_session(f->model), *b = open_session(f->model);
    int32_t ids[FED];
    fill_ids(ids, FED, f->vocab, 11);
    feed(a, ids, FED);
    assert_int_equal(wkv_session_copy(b, f->session), WKV_OK);
    feed(a, ids, 1);
    feed(b, ids, 1);
    must_be_same_bits(wkv_session_logits(a), wkv_session_logits(b), f->vocab);
    wkv_session_close(&a);
    wkv_session_close(&b);
}

static void must_refuse(const fixture *f, const char *path, wkv_status want, const char *names)
{
    wkv_error err;
    must_fail(wkv_session_load(f->session, path, &err), want, &err, names);
    must_stand(f);
}

static void test_restored_bit_for_bit(void **state)
{
    fixture *f = *state;
    wkv_error err;
    save(f->session, STATE);
    wkv_session *other = open_session(f->model);
    must(wkv_session_load(other, STATE, &err), &err);
    assert_int_equal(wkv_session_position(other), FED);
    must_be_same_bits(wkv_session_logits(other), f->logits, f->vocab);
    feed(other, (const int32_t[]){1, 2, 3}, 3);
    wkv_session *go_on = open_session(f->model);
    assert_int_equal(wkv_session_copy(go_on, f->session), WKV_OK);
    feed(go_on, (const int32_t[]){1, 2, 3}, 3);
    must_be_same_bits(wkv_session_logits(other), wkv_session_logits(go_on), f->vocab);
    wkv_session_close(&other);
    wkv_session_close(&go_on);
}

static void test_a_fresh_session_is_restored_fresh(void **state)
{
    fixture *f = *state;
    wkv_error err;
    wkv_session *fresh = open_session(f->model), *used = open_session(f->model);
    save(fresh, STATE);
    feed(used, (const int32_t[]){1, 2, 3}, 3);
    must(wkv_session_load(used, STATE, &err), &err);
    assert_null(wkv_session_logits(used));
    assert_int_equal(wkv_session_position(used), 0);
    feed(used, (const int32_t[]){4}, 1);
    feed(fresh, (const int32_t[]){4}, 1);
    must_be_same_bits(wkv_session_logits(used), wkv_session_logits(fresh), f->vocab);
    wkv_session_close(&fresh);
    wkv_session_close(&used);
}

/* A model that differs in one thing: its states are refused by name. */
static void refuse_state_of(const fixture *f, tiny_model other, const char *names)
{
    tiny_model_write(BAD, &other);
    wkv_model *m = open_model(BAD, 1);
    wkv_session *s = open_session(m);
    feed(s, (const int32_t[]){1}, 1);
    save(s, STATE);
    wkv_session_close(&s);
    wkv_model_close(&m);
    must_refuse(f, STATE, WKV_E_SHAPE, names);
}

static void test_states_of_other_models_are_refused(void **state)
{
    tiny_model other = tiny_rwkv7;
    other.seed++;
    refuse_state_of(*state, other, "same shape");
    other = tiny_rwkv7;
    other.layers++;
    refuse_state_of(*state, other, "layers");
    other = tiny_rwkv7;
    other.head_size *= 2;
    refuse_state_of(*state, other, "head_size");
    other = tiny_rwkv7;
    other.vocab++;
    refuse_state_of(*state, other, "vocab");
    refuse_state_of(*state, tiny_rwkv4, "rwkv4");
}

/* What stays the same under conversion keeps its states. */
static void test_a_converted_model_takes_the_state(void **state)
{
    fixture *f = *state;
    wkv_error err;
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = "bf16";
    save(f->session, STATE);
    must(wkv_convert(MODEL, BAD, &o, &err), &err);
    wkv_model *m = open_model(BAD, 1);
    wkv_session *s = open_session(m);
    must(wkv_session_load(s, STATE, &err), &err);
    must_be_same_bits(wkv_session_logits(s), f->logits, f->vocab);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static void test_other_files_are_refused(void **state)
{
    fixture *f = *state;
    must_refuse(f, "no such file", WKV_E_IO, "no such file");
    must_refuse(f, MODEL, WKV_E_FORMAT, "not a saved state");
    wkv_error err;
    must_fail(wkv_session_save(f->session, "no such folder/state", &err), WKV_E_IO, &err,
              "no such folder");
    must_stand(f);
}

/* ---- damage ---------------------------------------------------------------------------- */

static void write_file(const char *path, const unsigned char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static unsigned char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    *n = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* Either refused, or (where the damage hit nothing that is restored) restored whole. */
static void try_damaged(const fixture *f, const unsigned char *bytes, size_t n)
{
    wkv_error err;
    write_file(BAD, bytes, n);
    wkv_session_load(f->session, BAD, &err);
    assert_int_equal(wkv_session_position(f->session), FED);
    must_be_same_bits(wkv_session_logits(f->session), f->logits, f->vocab);
}

static void test_damage_is_noticed(void **state)
{
    fixture *f = *state;
    size_t n;
    save(f->session, STATE);
    unsigned char *bytes = read_file(STATE, &n);
    for (size_t cut = 0; cut < n; cut += cut < 2000 ? 7 : 97)
        try_damaged(f, bytes, cut);
    for (size_t i = 0; i < n; i += i < 2000 ? 1 : 53) {
        bytes[i] ^= (unsigned char)(1u << (i % 8));
        try_damaged(f, bytes, n);
        bytes[i] ^= (unsigned char)(1u << (i % 8));
    }
    free(bytes);
    must_stand(f);
}

static void refuse_forged(const fixture *f, forgery what, wkv_status want, const char *names)
{
    forge(BAD, STATE, &what);
    must_refuse(f, BAD, want, names);
}

static void test_forged_states_are_refused(void **state)
{
    fixture *f = *state;
    save(f->session, STATE);
    static const char *const keys[] = {"wkv.position", "wkv.checksum", "wkv.fingerprint",
                                       "wkv.arch", "wkv.layers"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        refuse_forged(f, (forgery){.meta_key = keys[i]}, WKV_E_FORMAT, keys[i]);
    static const char *const numbers[] = {"", "-1", " 1", "1.0", "99999999999999999999", "x"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        refuse_forged(f, (forgery){.meta_key = "wkv.position", .meta_value = numbers[i]},
                      WKV_E_FORMAT, "wkv.position");
    refuse_forged(f, (forgery){.meta_key = "wkv.position", .meta_value = "38"}, WKV_E_FORMAT,
                  "checksum");
    refuse_forged(f, (forgery){.meta_key = "wkv.kind", .meta_value = "model"}, WKV_E_FORMAT,
                  "not a saved state");
    refuse_forged(f, (forgery){.no_meta = true}, WKV_E_FORMAT, "not a saved state");
    refuse_forged(f, (forgery){.drop = "state"}, WKV_E_FORMAT, "state");
    refuse_forged(f, (forgery){.drop = "logits"}, WKV_E_FORMAT, "checksum");
    static const char *const tensors[] = {"state", "logits"};
    for (size_t i = 0; i < 2; i++) {
        refuse_forged(f, (forgery){.shrink = tensors[i]}, WKV_E_SHAPE, tensors[i]);
        refuse_forged(f, (forgery){.grow = tensors[i]}, WKV_E_SHAPE, tensors[i]);
        refuse_forged(f, (forgery){.halve = tensors[i]}, WKV_E_SHAPE, tensors[i]);
    }
    wkv_error err;
    forge(BAD, STATE, &(forgery){0}); /* the forger's hand alone changes nothing */
    must(wkv_session_load(f->session, BAD, &err), &err);
    must_stand(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restored_bit_for_bit),
        cmocka_unit_test(test_a_fresh_session_is_restored_fresh),
        cmocka_unit_test(test_states_of_other_models_are_refused),
        cmocka_unit_test(test_a_converted_model_takes_the_state),
        cmocka_unit_test(test_other_files_are_refused),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_forged_states_are_refused),
    };
    return cmocka_run_group_tests_name("state", tests, open_fixture, close_fixture);
}
