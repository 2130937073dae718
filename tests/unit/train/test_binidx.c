/* The binidx index: every type, and every way in which a header can lie. */
#include "test.h"
#include "train/binidx.h"

enum { MAX = 256 };

typedef struct index_file {
    uint8_t bytes[MAX];
    size_t n;
} index_file;

static void put(index_file *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        f->bytes[f->n++] = (uint8_t)(value >> (8 * i));
}

static void header(index_file *f, uint64_t version, unsigned code, uint64_t items, uint64_t docs)
{
    f->n = 0;
    memcpy(f->bytes, "MMIDIDX\0\0", 9);
    f->n = 9;
    put(f, version, 8);
    put(f, code, 1);
    put(f, items, 8);
    put(f, docs, 8);
}

/* Two items of 3 and 2 ids of `width` bytes. */
static void two_items(index_file *f, unsigned code, unsigned width)
{
    header(f, 1, code, 2, 3);
    put(f, 3, 4);
    put(f, 2, 4);
    put(f, 0, 8);
    put(f, 3 * width, 8);
    put(f, 0, 8);
    put(f, 1, 8);
    put(f, 2, 8);
}

static wkv_status parse(const index_file *f, uint64_t bin, wkv_id_type *type, uint64_t *tokens,
                        wkv_error *err)
{
    uint8_t *exact = malloc(f->n + (f->n == 0)); /* so that a read too far is seen */
    memcpy(exact, f->bytes, f->n);
    wkv_binidx x;
    wkv_status s = wkv_binidx_parse(&x, "x.idx", exact, f->n, bin, err);
    *type = x.type;
    *tokens = x.tokens;
    free(exact);
    return s;
}

static void expect(const index_file *f, uint64_t bin, wkv_status want, const char *text)
{
    wkv_id_type type;
    uint64_t tokens;
    wkv_error err = {0};
    assert_int_equal(parse(f, bin, &type, &tokens, &err), want);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void every_type(void **state)
{
    static const struct {
        unsigned code;
        int bytes;
        bool is_signed;
    } types[] = {{1, 1, false}, {2, 1, true}, {3, 2, true},
                 {4, 4, true},  {5, 8, true}, {8, 2, false}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        index_file f;
        wkv_id_type type;
        uint64_t tokens;
        two_items(&f, types[i].code, (unsigned)types[i].bytes);
        assert_int_equal(parse(&f, 5 * (uint64_t)types[i].bytes, &type, &tokens, NULL), WKV_OK);
        assert_int_equal(type.bytes, types[i].bytes);
        assert_int_equal(type.is_signed, types[i].is_signed);
        assert_int_equal(tokens, 5);
    }
}

static void no_integer_type(void **state)
{
    const unsigned codes[] = {0, 6, 7, 9, 255};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        index_file f;
        two_items(&f, codes[i], 2);
        expect(&f, 10, WKV_E_UNSUPPORTED, "no integer type");
    }
}

static void every_truncation(void **state)
{
    index_file f;
    two_items(&f, 8, 2);
    size_t whole = f.n;
    for (f.n = 0; f.n < whole; f.n++)
        expect(&f, 10, WKV_E_FORMAT, "x.idx");
    f.n = whole + 1;
    f.bytes[whole] = 0;
    expect(&f, 10, WKV_E_FORMAT, "do not fit");
}

static void wrong_head(void **state)
{
    index_file f;
    two_items(&f, 8, 2);
    f.bytes[0] = 'm';
    expect(&f, 10, WKV_E_FORMAT, "not an MMIDIDX");
    header(&f, 2, 8, 0, 0);
    expect(&f, 0, WKV_E_UNSUPPORTED, "version 2");
}

/* Counts whose products overflow or exceed the file. */
static void hostile_counts(void **state)
{
    const uint64_t huge[] = {3, UINT64_MAX, UINT64_MAX / 12 + 2, (uint64_t)1 << 60};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        index_file f;
        header(&f, 1, 8, huge[i], 0);
        expect(&f, 10, WKV_E_FORMAT, "do not fit");
        header(&f, 1, 8, 0, huge[i]);
        expect(&f, 10, WKV_E_FORMAT, "do not fit");
        header(&f, 1, 8, huge[i], huge[i]);
        expect(&f, 10, WKV_E_FORMAT, "do not fit");
    }
}

enum { SIZES = 34, POINTERS = SIZES + 8, DOCS = POINTERS + 16 };

static void items_that_lie(void **state)
{
    index_file f;
    two_items(&f, 8, 2);
    f.bytes[POINTERS + 8] = 8; /* a gap before item 1 */
    expect(&f, 12, WKV_E_FORMAT, "item 1");
    two_items(&f, 8, 2);
    f.bytes[SIZES + 4] = 3; /* item 1 too long */
    expect(&f, 10, WKV_E_FORMAT, "beyond the .bin file's 10 bytes");
    two_items(&f, 8, 2);
    memset(f.bytes + SIZES + 4, 0xff, 4); /* a negative size */
    expect(&f, 10, WKV_E_FORMAT, "beyond");
    two_items(&f, 8, 2);
    expect(&f, 11, WKV_E_FORMAT, "cover 10 bytes");
    expect(&f, 9, WKV_E_FORMAT, "beyond");
}

static void document_marks(void **state)
{
    index_file f;
    two_items(&f, 8, 2);
    f.bytes[DOCS + 16] = 3; /* beyond the items */
    expect(&f, 10, WKV_E_FORMAT, "document mark 2");
    two_items(&f, 8, 2);
    f.bytes[DOCS] = 2; /* then 1: descending */
    expect(&f, 10, WKV_E_FORMAT, "document mark 1");
}

static void empty(void **state)
{
    index_file f;
    wkv_id_type type;
    uint64_t tokens = 1;
    header(&f, 1, 8, 0, 0);
    assert_int_equal(parse(&f, 0, &type, &tokens, NULL), WKV_OK);
    assert_int_equal(tokens, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),       cmocka_unit_test(no_integer_type),
        cmocka_unit_test(every_truncation), cmocka_unit_test(wrong_head),
        cmocka_unit_test(hostile_counts),   cmocka_unit_test(items_that_lie),
        cmocka_unit_test(document_marks),   cmocka_unit_test(empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
