/* Checkpoints: a restored run continues bit for bit; another run's checkpoint, a damaged
 * one and one that is none are refused and change nothing; a full disk costs nothing. */
#include <glob.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tiny.h"
#include "train/trainer.h"

static const char CKPT[] = "t_run.ckpt";

static void save(const wkv_trainer *t, const char *path)
{
    wkv_error err = {0};
    if (wkv_trainer_save(t, path, &err) != WKV_OK)
        fail_msg("%s", err.text);
}

static void assert_same(const wkv_trainer *a, const wkv_trainer *b)
{
    size_t bytes = a->optim.n * sizeof(real);
    assert_int_equal(a->optim.n, b->optim.n);
    assert_int_equal(a->step, b->step);
    assert_memory_equal(a->optim.param, b->optim.param, bytes);
    assert_memory_equal(a->optim.m, b->optim.m, bytes);
    assert_memory_equal(a->optim.v, b->optim.v, bytes);
}

/* ---- continuing ------------------------------------------------------------------ */

static void resumes_bit_for_bit(void **state)
{
    const char *const archs[] = {"rwkv4", "rwkv7"};
    const wkv_order orders[] = {WKV_ORDER_RANDOM, WKV_ORDER_SEQUENTIAL};
    for (int i = 0; i < 4; i++) {
        wkv_train_opts o = tiny_opts(archs[i / 2]);
        o.order = orders[i % 2];
        wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o), *second = tiny_open(&o);
        tiny_steps(whole, 12);
        tiny_steps(first, 5);
        save(first, CKPT);
        assert_int_equal(wkv_trainer_restore(second, CKPT, NULL), WKV_OK);
        assert_same(first, second);
        tiny_steps(second, 7);
        assert_same(whole, second);
        wkv_trainer_close(&whole);
        wkv_trainer_close(&first);
        wkv_trainer_close(&second);
    }
}

/* The first step and the last can be saved too. */
static void either_end(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *a = tiny_open(&o), *b = tiny_open(&o);
    save(a, CKPT);
    tiny_steps(b, 12);
    assert_int_equal(wkv_trainer_restore(b, CKPT, NULL), WKV_OK);
    assert_same(a, b);
    tiny_steps(a, 12);
    save(a, CKPT);
    assert_int_equal(wkv_trainer_restore(b, CKPT, NULL), WKV_OK);
    wkv_step s;
    assert_int_equal(wkv_trainer_step(b, &s, NULL), WKV_E_STATE);
    wkv_trainer_close(&a);
    wkv_trainer_close(&b);
}

/* Its weights have the names of a model's, so a new run can start from it. */
static void starts_a_new_run(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *a = tiny_open(&o);
    tiny_steps(a, 3);
    save(a, CKPT);
    o.init = CKPT;
    wkv_trainer *b = tiny_open(&o);
    assert_int_equal(b->step, 0);
    assert_memory_equal(a->optim.param, b->optim.param, a->optim.n * sizeof(real));
    wkv_trainer_close(&a);
    wkv_trainer_close(&b);
}

/* ---- another run -------------------------------------------------------------------------------
 */

/* Restoring CKPT into a run of these options fails with `want`, says `text`, and leaves
 * the run as it was. */
static void refuse(const wkv_train_opts *o, wkv_status want, const char *text)
{
    wkv_trainer *t = tiny_open(o), *u = tiny_open(o);
    wkv_error err = {0};
    assert_int_equal(wkv_trainer_restore(t, CKPT, &err), want);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    assert_same(t, u);
    wkv_trainer_close(&t);
    wkv_trainer_close(&u);
}

#define REFUSE(field, value, text) \
    do { \
        wkv_train_opts other = tiny_opts("rwkv7"); \
        other.field = (value); \
        refuse(&other, WKV_E_SHAPE, text); \
    } while (0)

static void another_run(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 2);
    save(t, CKPT);
    wkv_trainer_close(&t);
    write_file("t_other.txt", "another text, long enough for a row of the run", 46);
    REFUSE(arch, "rwkv4", "arch = rwkv7, this one has rwkv4");
    REFUSE(layers, 3, "layers = 2, this one has 3");
    REFUSE(head_size, 8, "16, this one has 8");
    REFUSE(vocab_size, 300, "256, this one has 300");
    REFUSE(data, "t_other.txt", "this one has 46");
    REFUSE(val_fraction, 0.5, "tokens = ");
    REFUSE(ctx, 8, "ctx = 16, this one has 8");
    REFUSE(batch, 2, "batch = 4, this one has 2");
    REFUSE(order, WKV_ORDER_SEQUENTIAL, "order = random, this one has sequential");
    REFUSE(steps, 13, "steps = 12, this one has 13");
    REFUSE(lr, 5e-3, "lr = 0.0040000000000000001, this one has 0.0050000000000000001");
    REFUSE(lr_final, 0, "lr_final");
    REFUSE(warmup, 4, "warmup = 3, this one has 4");
    REFUSE(weight_decay, 0, "weight_decay");
    REFUSE(beta1, 0.5, "beta1");
    REFUSE(beta2, 0.5, "beta2");
    REFUSE(adam_eps, 1e-8, "adam_eps");
    REFUSE(clip, 0, "clip = 1, this one has 0");
    REFUSE(seed, 2, "seed = 1, this one has 2");
}

/* Of the same model, but another part of it. */
static void other_targets(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    assert_int_equal(wkv_trainer_export(t, "t_model.safetensors", NULL), WKV_OK);
    wkv_trainer_close(&t);
    o.init = "t_model.safetensors";
    o.tune = WKV_TUNE_LORA;
    o.rank = 2;
    o.lora_targets = "att";
    t = tiny_open(&o);
    save(t, CKPT);
    wkv_trainer_close(&t);
    o.lora_targets = "ffn";
    refuse(&o, WKV_E_SHAPE, "lora-targets");
}

/* The same length, one letter different. */
static void changed_data(void **state)
{
    char text[200];
    memset(text, 'a', sizeof text);
    write_file("t_changed.txt", text, sizeof text);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.data = "t_changed.txt";
    wkv_trainer *t = tiny_open(&o);
    save(t, CKPT);
    wkv_trainer_close(&t);
    text[150] = 'b';
    write_file("t_changed.txt", text, sizeof text);
    refuse(&o, WKV_E_SHAPE, "data_crc32c");
}

/* ---- damage ------------------------------------------------------------------ */

static uint8_t *slurp(const char *path, size_t *n)
{
    wkv_map map;
    assert_int_equal(wkv_map_open(&map, path, NULL), WKV_OK);
    uint8_t *copy = malloc((size_t)map.size + 1);
    memcpy(copy, map.data, (size_t)map.size);
    *n = (size_t)map.size;
    wkv_map_close(&map);
    return copy;
}

/* A bit flipped anywhere is noticed; so is an end cut off. */
static void damaged(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o), *before = tiny_open(&o);
    tiny_steps(t, 3);
    save(t, CKPT);
    wkv_trainer_close(&t);
    t = tiny_open(&o);
    size_t n;
    uint8_t *bytes = slurp(CKPT, &n);
    for (size_t i = 0; i < 60; i++) {
        size_t at = i < 20 ? i * 37 % 2000 : n / 60 * i;
        bytes[at] ^= 4;
        write_file("t_damaged.ckpt", bytes, n);
        bytes[at] ^= 4;
        if (wkv_trainer_restore(t, "t_damaged.ckpt", NULL) == WKV_OK)
            fail_msg("a flipped bit in byte %zu of %zu was not noticed", at, n);
        assert_same(t, before);
    }
    bytes[n - 100] ^= 1;
    write_file("t_damaged.ckpt", bytes, n);
    wkv_error err;
    assert_int_equal(wkv_trainer_restore(t, "t_damaged.ckpt", &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "checksum"));
    bytes[n - 100] ^= 1;
    for (size_t cut = 1; cut < n; cut = cut * 2 + 1) {
        write_file("t_damaged.ckpt", bytes, n - cut);
        assert_int_equal(wkv_trainer_restore(t, "t_damaged.ckpt", NULL), WKV_E_FORMAT);
    }
    assert_same(t, before);
    free(bytes);
    wkv_trainer_close(&t);
    wkv_trainer_close(&before);
}

/* Bytes of the head of a safetensors file: its length, and JSON. */
static size_t head_of(const uint8_t *bytes)
{
    size_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | bytes[i];
    return 8 + n;
}

/* Whatever a flipped bit makes of a head, the file is damaged: none of another run, none that is
 * unknown. */
static void damaged_head(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o), *before = tiny_open(&o);
    wkv_error err = {0};
    size_t n;
    save(t, CKPT);
    uint8_t *bytes = slurp(CKPT, &n);
    for (size_t at = 0, end = head_of(bytes); at < end; at += 13) {
        const uint8_t bit = (uint8_t)(1 << at % 7);
        bytes[at] ^= bit;
        write_file("t_damaged.ckpt", bytes, n);
        bytes[at] ^= bit;
        if (wkv_trainer_restore(t, "t_damaged.ckpt", &err) != WKV_E_FORMAT ||
            err.code != WKV_E_FORMAT)
            fail_msg("bit %d of byte %zu, '%c': %s", bit, at, bytes[at], err.text);
    }
    assert_same(t, before);
    free(bytes);
    wkv_trainer_close(&t);
    wkv_trainer_close(&before);
}

static void no_checkpoint(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    assert_int_equal(wkv_trainer_export(t, "t_model.safetensors", NULL), WKV_OK);
    wkv_error err;
    assert_int_equal(wkv_trainer_restore(t, "t_model.safetensors", &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "not a training checkpoint"));
    assert_int_equal(wkv_trainer_restore(t, "t_absent.ckpt", &err), WKV_E_IO);
    wkv_trainer_close(&t);
}

/* ---- a full disk ------------------------------------------------------------------ */

/* In a child whose files may not grow beyond 64 KiB: 0 when saving failed cleanly. */
static int save_on_a_full_disk(const wkv_trainer *t)
{
    const struct rlimit limit = {65536, 65536};
    wkv_error err = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    if (wkv_trainer_save(t, CKPT, &err) != WKV_E_IO)
        return 3;
    return strstr(err.text, CKPT) != NULL ? 0 : 4;
}

static void full_disk_keeps_the_last(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t = tiny_open(&o);
    tiny_steps(t, 2);
    save(t, CKPT);
    size_t n, m;
    uint8_t *before = slurp(CKPT, &n);
    assert_true(n > 65536);
    tiny_steps(t, 1);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(save_on_a_full_disk(t));
    int status;
    char temp[64];
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    snprintf(temp, sizeof temp, "%s.%ld.*", CKPT, (long)child);
    glob_t left;
    assert_int_equal(glob(temp, 0, NULL, &left), GLOB_NOMATCH); /* nothing is left lying about */
    uint8_t *after = slurp(CKPT, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_bit_for_bit),
        cmocka_unit_test(either_end),
        cmocka_unit_test(starts_a_new_run),
        cmocka_unit_test(another_run),
        cmocka_unit_test(other_targets),
        cmocka_unit_test(changed_data),
        cmocka_unit_test(damaged),
        cmocka_unit_test(damaged_head),
        cmocka_unit_test(no_checkpoint),
        cmocka_unit_test(full_disk_keeps_the_last),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
