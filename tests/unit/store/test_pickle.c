/* The unpickler: what it understands, what it refuses, and that no pickle costs more
 * than its limits. */
#include "test.h"

#include "base/strbuf.h"
#include "store/pickle.h"

static const wkv_pickle_name allowed[] = {
    {"collections.OrderedDict", WKV_PICKLE_DICT_TYPE, 0},
    {"torch.Size", WKV_PICKLE_IDENTITY, 0},
    {"lib.make", WKV_PICKLE_CALLABLE, 7},
    {"lib.CONSTANT", WKV_PICKLE_INERT, 0},
    {0},
};

static wkv_status load(wkv_pickle *p, const char *bytes, size_t n, wkv_error *err)
{
    *err = (wkv_error){0};
    return wkv_pickle_open(p, (const uint8_t *)bytes, n, allowed, err);
}

/* Reads the pickle and hands out its root. */
static const wkv_pickle_value *good(wkv_pickle *p, const char *bytes, size_t n)
{
    wkv_error err;
    if (load(p, bytes, n, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return &p->values[p->root];
}

static void bad(const char *bytes, size_t n, wkv_status status, const char *words)
{
    wkv_pickle p;
    wkv_error err;
    wkv_status got = load(&p, bytes, n, &err);
    wkv_pickle_close(&p);
    if (got != status || strstr(err.text, words) == NULL)
        fail_msg("%s: '%s'; '%s' was expected", wkv_status_name(got), err.text, words);
}

#define GOOD(p, text) good(p, text, sizeof text - 1)
#define BAD(text, status, words) bad(text, sizeof text - 1, status, words)

static void constants_are_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int64_t value;
    } ints[] = {
        {"K\xff.", 3, 255},
        {"M\xff\xff.", 4, 65535},
        {"J\xfe\xff\xff\xff.", 6, -2},
        {"\x8a\x00.", 3, 0},
        {"\x8a\x01\xff.", 4, -1},
        {"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", 11, INT64_MIN},
        {"\x8b\x02\x00\x00\x00\x00\x01.", 8, 256},
        {"\x88.", 2, 1},
        {"\x89.", 2, 0},
    };
    wkv_pickle p;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        assert_int_equal(good(&p, ints[i].bytes, ints[i].n)->integer, ints[i].value);
        assert_int_equal(p.used, ints[i].n);
        wkv_pickle_close(&p);
    }
    assert_true(GOOD(&p, "\x80\x02G\xc0\x04\x00\x00\x00\x00\x00\x00.")->real == -2.5);
    wkv_pickle_close(&p);
    assert_true(wkv_pickle_is_text(GOOD(&p, "X\x02\x00\x00\x00hi."), "hi"));
    wkv_pickle_close(&p);
    assert_true(wkv_pickle_is_text(GOOD(&p, "\x8c\x02hi."), "hi"));
    assert_false(wkv_pickle_is_text(&p.values[p.root], "h"));
    wkv_pickle_close(&p);
    assert_int_equal(GOOD(&p, "\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09.")->kind,
                     WKV_PICKLE_BIGINT);
    wkv_pickle_close(&p);
    assert_int_equal(GOOD(&p, "N.")->kind, WKV_PICKLE_NONE);
    wkv_pickle_close(&p);
}

static void containers_hold_their_entries(void **state)
{
    wkv_pickle p;
    const wkv_pickle_value *v = GOOD(&p, "](K\1K\2e(K\3ta.");
    assert_int_equal(v->kind, WKV_PICKLE_LIST);
    assert_int_equal(v->count, 3);
    assert_int_equal(wkv_pickle_at(&p, v, 1)->integer, 2);
    assert_int_equal(wkv_pickle_at(&p, v, 2)->kind, WKV_PICKLE_TUPLE);
    assert_int_equal(wkv_pickle_at(&p, wkv_pickle_at(&p, v, 2), 0)->integer, 3);
    assert_null(wkv_pickle_at(&p, v, 3));
    assert_null(wkv_pickle_at(&p, wkv_pickle_at(&p, v, 0), 0));
    assert_null(wkv_pickle_at(&p, NULL, 0));
    wkv_pickle_close(&p);
    v = GOOD(&p, "}(K\1K\2K\3K\4uK\5K\6s.");
    assert_int_equal(v->kind, WKV_PICKLE_DICT);
    assert_int_equal(v->count, 6);
    wkv_pickle_close(&p);
    v = GOOD(&p, "K\1K\2K\3\x87.");
    assert_int_equal(v->count, 3);
    assert_int_equal(wkv_pickle_at(&p, v, 0)->integer, 1);
    wkv_pickle_close(&p);
}

static void the_memo_and_the_stack_work(void **state)
{
    wkv_pickle p;
    const wkv_pickle_value *v = GOOD(&p, "](K\7q\5h\5j\5\0\0\0e.");
    assert_int_equal(v->count, 3);
    assert_ptr_equal(wkv_pickle_at(&p, v, 0), wkv_pickle_at(&p, v, 2));
    wkv_pickle_close(&p);
    assert_int_equal(GOOD(&p, "K\1\x94K\2"
                              "00h\0.")
                         ->integer,
                     1);
    wkv_pickle_close(&p);
    assert_int_equal(GOOD(&p, "K\1(K\2K\3"
                              "1.")
                         ->integer,
                     1);
    wkv_pickle_close(&p);
    assert_int_equal(GOOD(&p, "K\1"
                              "2\x86.")
                         ->count,
                     2);
    wkv_pickle_close(&p);
}

static void calls_are_recorded_not_made(void **state)
{
    wkv_pickle p;
    const wkv_pickle_value *v = GOOD(&p, "clib\nmake\nK\1\x85R.");
    assert_int_equal(v->kind, WKV_PICKLE_CALL);
    assert_int_equal(allowed[v->integer].tag, 7);
    assert_int_equal(wkv_pickle_at(&p, wkv_pickle_at(&p, v, 0), 0)->integer, 1);
    wkv_pickle_close(&p);
    v = GOOD(&p, "\x8c\x05torch\x8c\x04Size\x93K\1K\2\x86\x85R.");
    assert_int_equal(v->kind, WKV_PICKLE_TUPLE);
    assert_int_equal(v->count, 2);
    wkv_pickle_close(&p);
    v = GOOD(&p, "ccollections\nOrderedDict\n](K\1K\2\x86K\3K\4\x86"
                 "e\x85R}X\1\0\0\0aNsb.");
    assert_int_equal(v->kind, WKV_PICKLE_DICT);
    assert_int_equal(v->count, 4);
    wkv_pickle_close(&p);
}

static void names_outside_the_list_are_refused(void **state)
{
    BAD("\x80\x02"
        "cos\nsystem\nX\4\0\0\0true\x85R.",
        WKV_E_UNSUPPORTED, "asks for os.system");
    BAD("\x8c\x05posix\x8c\x06system\x93.", WKV_E_UNSUPPORTED, "asks for posix.system");
    BAD("cbuiltins\neval\n.", WKV_E_UNSUPPORTED, "builtins.eval");
    BAD("ccollections\nOrderedDic\n.", WKV_E_UNSUPPORTED, "collections.OrderedDic,");
    BAD("ccollections\nOrderedDictX\n.", WKV_E_UNSUPPORTED, "collections.OrderedDictX,");
    BAD("ccollections.OrderedDict\n\n.", WKV_E_UNSUPPORTED, "collections.OrderedDict.,");
    BAD("clib\nCONSTANT\n)R.", WKV_E_UNSUPPORTED, "calls lib.CONSTANT");
    /* Other ways to make Python run something: INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1. */
    BAD("(ios\nsystem\n.", WKV_E_UNSUPPORTED, "opcode 0x69 at byte 1");
    BAD("(K\1o.", WKV_E_UNSUPPORTED, "opcode 0x6f");
    BAD("clib\nmake\n)\x81.", WKV_E_UNSUPPORTED, "opcode 0x81");
    BAD("clib\nmake\n)}\x92.", WKV_E_UNSUPPORTED, "opcode 0x92");
    BAD("\x82\1.", WKV_E_UNSUPPORTED, "opcode 0x82");
}

static void damage_is_reported_with_its_place(void **state)
{
    BAD("", WKV_E_FORMAT, "byte 0: it does not end");
    BAD("K\1", WKV_E_FORMAT, "byte 2: it does not end");
    BAD("K", WKV_E_FORMAT, "byte 0: it ends too early");
    BAD(".", WKV_E_FORMAT, "the stack is empty");
    BAD("0.", WKV_E_FORMAT, "the stack is empty");
    BAD("2.", WKV_E_FORMAT, "the stack is empty");
    BAD("t.", WKV_E_FORMAT, "there is no mark");
    BAD("K\1(\x85.", WKV_E_FORMAT, "the stack is empty");
    BAD("K\1(a.", WKV_E_FORMAT, "the stack is empty");
    BAD("h\0.", WKV_E_FORMAT, "not seen yet");
    BAD("K\1q\3h\2.", WKV_E_FORMAT, "not seen yet");
    BAD("K\1K\2a.", WKV_E_FORMAT, "no container");
    BAD(")K\2a.", WKV_E_FORMAT, "no container");
    BAD("](K\1u.", WKV_E_FORMAT, "no container");
    BAD("}(K\1u.", WKV_E_FORMAT, "a key has no value");
    BAD("K\1Nb.", WKV_E_FORMAT, "no container");
    BAD("K\1)R.", WKV_E_FORMAT, "no function");
    BAD("clib\nmake\n]R.", WKV_E_FORMAT, "no arguments");
    BAD("clib\nmake", WKV_E_FORMAT, "a name does not end");
    BAD("K\1K\2\x93.", WKV_E_FORMAT, "a name is no short text");
    BAD("ctorch\nSize\n)R.", WKV_E_FORMAT, "wrong number of arguments");
    BAD("ccollections\nOrderedDict\n]K\1a\x85R.", WKV_E_FORMAT, "no pairs");
    BAD("\x80\x01N.", WKV_E_UNSUPPORTED, "of protocol 1");
    BAD("\x80\x06N.", WKV_E_UNSUPPORTED, "of protocol 6");
    BAD("\x95\xff\xff\xff\xff\xff\xff\xff\xff.", WKV_E_FORMAT, "a frame is longer");
}

static void lengths_are_bounded_by_the_input(void **state)
{
    BAD("X\xff\xff\xff\x7f"
        "abc.",
        WKV_E_FORMAT, "longer than what is left");
    BAD("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
        "abc.",
        WKV_E_FORMAT, "longer than what is left");
    BAD("\x8a\xff"
        "abc.",
        WKV_E_FORMAT, "longer than what is left");
    BAD("\x8b\xff\xff\xff\xff"
        "abc.",
        WKV_E_FORMAT, "longer than what is left");
    BAD("K\1r\xff\xff\xff\xff.", WKV_E_LIMIT, "more than 4194304 entries at byte 2");
}

static wkv_strbuf repeated(const char *bytes, size_t n, int times)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    for (int i = 0; i < times; i++)
        wkv_strbuf_add(&b, bytes, n);
    return b;
}

/* Many marks, values, entries: each has its limit. */
static void bombs_are_defused(void **state)
{
    wkv_strbuf b = repeated("(", 1, 2000000);
    bad(b.data, b.len, WKV_E_LIMIT, "more than 1048576 entries at byte 1048576");
    wkv_strbuf_deinit(&b);
    b = repeated("N0", 2, 5000000);
    bad(b.data, b.len, WKV_E_LIMIT, "more than 4194304 entries at byte");
    wkv_strbuf_deinit(&b);
    b = repeated("]", 1, 1);
    for (int i = 0; i < 9000000; i++)
        wkv_strbuf_add(&b, "2", 1);
    bad(b.data, b.len, WKV_E_LIMIT, "more than 4194304 entries at byte");
    wkv_strbuf_deinit(&b);
    b = repeated("]q\0", 3, 1);
    for (int i = 0; i < 9000000; i++)
        wkv_strbuf_add(&b, "h\0a", 3);
    bad(b.data, b.len, WKV_E_LIMIT, "more than 8388608 entries at byte");
    wkv_strbuf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_read),
        cmocka_unit_test(containers_hold_their_entries),
        cmocka_unit_test(the_memo_and_the_stack_work),
        cmocka_unit_test(calls_are_recorded_not_made),
        cmocka_unit_test(names_outside_the_list_are_refused),
        cmocka_unit_test(damage_is_reported_with_its_place),
        cmocka_unit_test(lengths_are_bounded_by_the_input),
        cmocka_unit_test(bombs_are_defused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
