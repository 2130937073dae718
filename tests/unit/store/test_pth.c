/* Reading .pth: names and views as PyTorch means them, and hostile checkpoints. */
#include "test.h"

#include "archive.h"
#include "hostile.h"
#include "store/bytes.h"
#include "store/format.h"

#define PAIR "K\2K\2\x86" /* (2, 2) */
#define ROWS "K\2K\1\x86" /* (2, 1) */
#define WEIGHT TENSOR("K\4", "K\0", PAIR, ROWS)

static wkv_store *open_pickle(wkv_strbuf *file, const char *pickle, size_t n, int floats)
{
    wkv_store *s;
    wkv_error err;
    *file = checkpoint(pickle, n, floats);
    if (wkv_store_open_memory(&s, "m.pth", file->data, file->len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static void refuse_pickle(const char *pickle, size_t n, int floats, wkv_status status,
                          const char *words)
{
    wkv_strbuf file = checkpoint(pickle, n, floats);
    assert_refused(&file, status, words);
    wkv_strbuf_deinit(&file);
}

#define OPEN(file, pickle, floats) open_pickle(file, pickle, sizeof pickle - 1, floats)
#define REFUSE(pickle, floats, status, words) \
    refuse_pickle(pickle, sizeof pickle - 1, floats, status, words)

static const char simple[] = "\x80\2}" W WEIGHT "s.";

static void a_tensor_is_a_view_of_the_file(void **state)
{
    wkv_strbuf file;
    wkv_store *s = OPEN(&file, simple, 4);
    assert_int_equal(wkv_store_count(s), 1);
    const wkv_tensor *t = wkv_store_find(s, "w");
    assert_int_equal(t->dtype, WKV_DTYPE_F32);
    assert_true((const char *)t->data > file.data && (const char *)t->data < file.data + file.len);
    float out[4];
    wkv_tensor_copy(out, t, WKV_DTYPE_F32);
    assert_true(out[0] == 0.0f && out[3] == 3.0f);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&file);
}

static void damage_is_survived_everywhere(void **state)
{
    wkv_strbuf file = checkpoint(simple, sizeof simple - 1, 4);
    assert_accepted(&file);
    assert_int_equal(truncate_everywhere(file.data, file.len), 0);
    size_t accepted = flip_every_bit(file.data, file.len);
    assert_true(accepted >= 8 * 16 && accepted < 8 * file.len);
    fail_every_allocation(file.data, file.len);
    wkv_strbuf_deinit(&file);
}

static void names_are_paths(void **state)
{
    wkv_strbuf file;
    wkv_store *s = OPEN(&file,
                        "}(X\5\0\0\0stateK\1K\1}" W WEIGHT "sX\5\0\0\0inner}(K\7]" WEIGHT "aK\x09"
                        "(" WEIGHT "tuX\3\0\0\0epoK\3u.",
                        4);
    assert_non_null(wkv_store_find(s, "inner.7[0]"));
    assert_non_null(wkv_store_find(s, "inner.9[0]"));
    assert_non_null(wkv_store_find(s, "1.w"));
    assert_int_equal(wkv_store_count(s), 3);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&file);
}

static void the_model_goes_without_its_name(void **state)
{
    wkv_strbuf file;
    wkv_store *s = OPEN(
        &file,
        "}(X\5\0\0\0model}X\x11\0\0\0_forward_module.a" WEIGHT "sX\3\0\0\0opt}" W WEIGHT "su.", 4);
    assert_non_null(wkv_store_find(s, "a"));
    assert_non_null(wkv_store_find(s, "opt.w"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&file);
    s = OPEN(&file, "}(X\5\0\0\0model}" W WEIGHT "sX\x0a\0\0\0state_dict}" W WEIGHT "su.", 4);
    assert_non_null(wkv_store_find(s, "w"));
    assert_non_null(wkv_store_find(s, "model.w"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&file);
    REFUSE("}(X\5\0\0\0model}" W WEIGHT "s" W WEIGHT "u.", 4, WKV_E_FORMAT,
           "two tensors are called 'w'");
}

static void parameters_and_attributes_are_seen_through(void **state)
{
    wkv_strbuf file;
    wkv_store *s =
        OPEN(&file,
             ORDERED_DICT "(" W "ctorch._utils\n_rebuild_parameter\n(" WEIGHT "\x88" ORDERED_DICT
                          "tRu}X\x09\0\0\0_metadata" ORDERED_DICT "sb.",
             4);
    assert_int_equal(wkv_store_count(s), 1);
    assert_non_null(wkv_store_find(s, "w"));
    wkv_store_close(&s);
    wkv_strbuf_deinit(&file);
    REFUSE("}" W "ctorch._utils\n_rebuild_parameter\nctorch._utils\n_rebuild_parameter\n(" WEIGHT
           "tR\x85Rs.",
           4, WKV_E_FORMAT, "tensor 'w': a parameter holds no tensor");
    REFUSE("}" W "ctorch._utils\n_rebuild_parameter\n(K\1tRs.", 4, WKV_E_FORMAT,
           "tensor 'w': a parameter holds no tensor");
}

static void nothing_is_executed(void **state)
{
    REFUSE("\x80\2"
           "cos\nsystem\nX\x0d\0\0\0touch /tmp/pwn\x85R.",
           0, WKV_E_UNSUPPORTED, "os.system");
    wkv_strbuf bare;
    wkv_strbuf_init(&bare);
    wkv_strbuf_puts(&bare, "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.");
    assert_refused(&bare, WKV_E_UNSUPPORTED, "posix.system");
    wkv_strbuf_deinit(&bare);
    wkv_strbuf_puts(&bare, "\x80\x04}.");
    assert_refused(&bare, WKV_E_FORMAT, "a Python pickle, but not one that torch.save wrote");
    wkv_strbuf_deinit(&bare);
}

static void tensors_stay_inside_their_storage(void **state)
{
    REFUSE("}" W TENSOR("K\4", "K\1", PAIR, ROWS) "s.", 4, WKV_E_FORMAT,
           "tensor 'w': it takes 4 elements from element 1 of a storage of 4");
    REFUSE("}" W TENSOR("K\4", "K\0", PAIR, "K\4K\1\x86") "s.", 4, WKV_E_FORMAT,
           "it takes 6 elements from element 0 of a storage of 4");
    REFUSE(simple, 3, WKV_E_FORMAT, "should hold 4 elements of type f32, but has 12 bytes");
    REFUSE("}" W TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\0", PAIR, ROWS) "s.", 4,
           WKV_E_FORMAT, "should hold 9223372036854775807 elements");
    REFUSE("}" W TENSOR("K\4", "J\xff\xff\xff\xff", PAIR, ROWS) "s.", 4, WKV_E_FORMAT,
           "are no valid ones");
    REFUSE("}" W TENSOR("K\4", "K\0", "J\xff\xff\xff\xffK\2\x86", ROWS) "s.", 4, WKV_E_FORMAT,
           "are no valid ones");
    REFUSE("}" W TENSOR("K\4", "K\0", PAIR, "K\1\x85") "s.", 4, WKV_E_FORMAT, "are no valid ones");
    REFUSE("}" W TENSOR("K\4", "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", ROWS) "s.", 4, WKV_E_FORMAT,
           "are no valid ones");
    REFUSE("}" W TENSOR("K\4", "K\0", "J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87",
                        "K\0K\0K\0\x87") "s.",
           4, WKV_E_FORMAT, "its shape is impossible");
    REFUSE("}" W TENSOR("K\4", "K\0", PAIR,
                        "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
                        "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x86") "s.",
           4, WKV_E_FORMAT, "its shape is impossible");
}

static void repetition_is_bounded(void **state)
{
    REFUSE("}" W TENSOR("K\4", "K\0", "J\0\0\0\2\x85", "K\0\x85") "s.", 4, WKV_E_LIMIT,
           "tensor 'w' repeats 4 stored bytes as 134217728");
}

static void storages_must_exist(void **state)
{
    static const char missing[] =
        "}" W "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
        "X\2\0\0\0zzX\3\0\0\0cpuK\4tQK\0" PAIR ROWS "\x89" ORDERED_DICT "tRs.";
    REFUSE(missing, 4, WKV_E_FORMAT, "tensor 'w': the archive has no storage 'data/zz'");
    REFUSE("}" W "ctorch._utils\n_rebuild_tensor_v2\n(K\1K\0" PAIR ROWS "\x89NtRs.", 4,
           WKV_E_FORMAT, "are no valid ones");
    REFUSE("}" W "ctorch._utils\n_rebuild_tensor_v2\n)Rs.", 4, WKV_E_FORMAT, "are no valid ones");
    REFUSE("}" W "ctorch._utils\n_rebuild_tensor_v2\n(K\1QK\0" PAIR ROWS "\x89NtRs.", 4,
           WKV_E_FORMAT, "a storage is described in an unknown way");
}

/* Lists inside lists: deep, endless, and doubling at every level. */
static void the_walk_is_bounded(void **state)
{
    wkv_strbuf p;
    wkv_strbuf_init(&p);
    for (int i = 0; i < 40; i++)
        wkv_strbuf_puts(&p, "]");
    for (int i = 0; i < 39; i++)
        wkv_strbuf_puts(&p, "a");
    wkv_strbuf_puts(&p, ".");
    refuse_pickle(p.data, p.len, 0, WKV_E_LIMIT, "nested more than 32 deep");
    wkv_strbuf_deinit(&p);

    REFUSE("]q\1h\1a.", 0, WKV_E_LIMIT, "nested more than 32 deep");

    wkv_strbuf_puts(&p, "]q");
    wkv_strbuf_add(&p, "\0", 1);
    for (char i = 0; i < 28; i++) {
        const char level[] = {']', 'q', (char)(i + 1), 'h', i, 'a', 'h', i, 'a', '0'};
        wkv_strbuf_add(&p, level, sizeof level);
    }
    wkv_strbuf_puts(&p, "h\x1c.");
    refuse_pickle(p.data, p.len, 0, WKV_E_LIMIT, "more than 4194304 entries");
    wkv_strbuf_deinit(&p);
}

static void names_are_text_of_bounded_length(void **state)
{
    REFUSE("}X\2\0\0\0\xff\xfe" WEIGHT "s.", 4, WKV_E_FORMAT, "not valid UTF-8");
    REFUSE("}X\2\0\0\0a\0" WEIGHT "s.", 4, WKV_E_FORMAT, "not valid UTF-8");
    wkv_strbuf p;
    wkv_strbuf_init(&p);
    wkv_strbuf_add(&p, "}X\0\x20\0\0", 6);
    for (int i = 0; i < 8192; i++)
        wkv_strbuf_puts(&p, "n");
    wkv_strbuf_add(&p, WEIGHT "s.", sizeof WEIGHT "s." - 1);
    refuse_pickle(p.data, p.len, 4, WKV_E_LIMIT, "more than 4096 bytes");
    wkv_strbuf_deinit(&p);
}

static void other_archives_are_refused(void **state)
{
    archive a;
    archive_init(&a);
    archive_add(&a, "readme.txt", "hello", 5);
    wkv_strbuf file = archive_finish(&a);
    assert_refused(&file, WKV_E_FORMAT, "without data.pkl");
    wkv_strbuf_deinit(&file);

    archive_init(&a);
    archive_add(&a, "m/data.pkl", "}.", 2);
    archive_add(&a, "m/byteorder", "big", 3);
    file = archive_finish(&a);
    assert_refused(&file, WKV_E_UNSUPPORTED, "byte order");
    wkv_strbuf_deinit(&file);

    archive_init(&a);
    archive_add(&a, "data.pkl", "}.", 2); /* no folder: as old as the form, and empty */
    file = archive_finish(&a);
    assert_accepted(&file);
    wkv_strbuf_deinit(&file);
}

/* The form before version 1.6, with its storage of four floats. */
static wkv_strbuf legacy(uint64_t elements)
{
    wkv_strbuf b;
    uint8_t n[8];
    wkv_strbuf_init(&b);
    wkv_put_u64(n, elements);
    static const char head[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                               "\x80\2M\xe9\3."
                               "\x80\2}X\x0d\0\0\0little_endian\x88s."
                               "\x80\2}" W "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"
                               "ctorch\nFloatStorage\nX\1\0\0\0"
                               "0X\3\0\0\0cpuK\4NtQK\0" PAIR ROWS "\x89" ORDERED_DICT "tRs."
                               "\x80\2]X\1\0\0\0"
                               "0a.";
    wkv_strbuf_add(&b, head, sizeof head - 1);
    wkv_strbuf_add(&b, n, sizeof n);
    for (int i = 0; i < 4; i++) {
        float f = (float)(i + 1);
        wkv_strbuf_add(&b, &f, sizeof f);
    }
    return b;
}

static void the_old_form_is_read(void **state)
{
    wkv_store *s;
    wkv_error err;
    wkv_strbuf b = legacy(4);
    if (wkv_store_open_memory(&s, "old.pth", b.data, b.len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    float out[4];
    wkv_tensor_copy(out, wkv_store_find(s, "w"), WKV_DTYPE_F32);
    assert_true(out[0] == 1.0f && out[3] == 4.0f);
    wkv_store_close(&s);
    assert_int_equal(truncate_everywhere(b.data, b.len), 0);
    size_t accepted = flip_every_bit(b.data, b.len);
    assert_true(accepted >= 8 * 16 && accepted < 8 * b.len);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
    b = legacy((uint64_t)1 << 60);
    assert_refused(&b, WKV_E_FORMAT, "storage '0' claims 1152921504606846976 elements");
    wkv_strbuf_deinit(&b);
    b = legacy(UINT64_MAX);
    assert_refused(&b, WKV_E_FORMAT, "storage '0' claims");
    wkv_strbuf_deinit(&b);
    b = legacy(3);
    assert_refused(&b, WKV_E_FORMAT, "should hold 4 elements of type f32, but has 12 bytes");
    wkv_strbuf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_is_a_view_of_the_file),
        cmocka_unit_test(damage_is_survived_everywhere),
        cmocka_unit_test(names_are_paths),
        cmocka_unit_test(the_model_goes_without_its_name),
        cmocka_unit_test(parameters_and_attributes_are_seen_through),
        cmocka_unit_test(nothing_is_executed),
        cmocka_unit_test(tensors_stay_inside_their_storage),
        cmocka_unit_test(repetition_is_bounded),
        cmocka_unit_test(storages_must_exist),
        cmocka_unit_test(the_walk_is_bounded),
        cmocka_unit_test(names_are_text_of_bounded_length),
        cmocka_unit_test(other_archives_are_refused),
        cmocka_unit_test(the_old_form_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
