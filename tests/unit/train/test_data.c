/* Token sources: texts, binidx of every width, ids that do not belong, fingerprints. */
#include "base/crc32.h"
#include "files.h"
#include "train/data.h"

static wkv_part whole(const wkv_data *d)
{
    return (wkv_part){.data = d, .n = d->n};
}

static void text_as_bytes(void **state)
{
    const char text[] = "Hello \xff\x00 world";
    write_file("t_text.txt", text, sizeof text);
    wkv_tok *tok;
    wkv_data d = {0};
    assert_int_equal(wkv_tok_open_bytes(&tok, NULL), WKV_OK);
    assert_int_equal(wkv_data_open(&d, "t_text.txt", tok, NULL), WKV_OK);
    assert_int_equal(d.n, sizeof text);
    wkv_part p = whole(&d);
    int32_t ids[sizeof text];
    assert_int_equal(wkv_part_read(&p, 0, d.n, 256, ids, NULL), WKV_OK);
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal(ids[i], (unsigned char)text[i]);
    wkv_error err;
    assert_int_equal(wkv_part_read(&p, 0, d.n, 255, ids, &err), WKV_E_TOKEN);
    assert_non_null(strstr(err.text, "token 6 has id 255"));
    wkv_data_close(&d);
    wkv_tok_close(&tok);
}

static void text_needs_a_vocabulary(void **state)
{
    write_file("t_text.txt", "abc", 3);
    wkv_data d = {0};
    wkv_error err;
    assert_int_equal(wkv_data_open(&d, "t_text.txt", NULL, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "t_text.txt"));
    wkv_data_close(&d);
}

static void empty_text(void **state)
{
    write_file("t_empty.txt", "", 0);
    wkv_tok *tok;
    wkv_data d = {0};
    assert_int_equal(wkv_tok_open_bytes(&tok, NULL), WKV_OK);
    assert_int_equal(wkv_data_open(&d, "t_empty.txt", tok, NULL), WKV_OK);
    assert_int_equal(d.n, 0);
    wkv_data_close(&d);
    wkv_tok_close(&tok);
}

static void absent(void **state)
{
    wkv_data d = {0};
    wkv_tok *tok;
    assert_int_equal(wkv_tok_open_bytes(&tok, NULL), WKV_OK);
    assert_int_equal(wkv_data_open(&d, "t_no_such_file", tok, NULL), WKV_E_IO);
    wkv_data_close(&d);
    wkv_tok_close(&tok);
}

static void binidx_of_every_width(void **state)
{
    static const struct {
        int bytes, code;
        int64_t top;
    } types[] = {{1, 1, 255},     {1, 2, 127},   {2, 3, 32767},
                 {4, 4, 2000000}, {8, 5, 70000}, {2, 8, 65535}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const int64_t ids[] = {0, 1, types[i].top, 7};
        write_binidx("t_pair", ids, 4, types[i].bytes, types[i].code);
        wkv_data d = {0};
        int32_t got[3], largest;
        assert_int_equal(wkv_data_open(&d, "t_pair", NULL, NULL), WKV_OK);
        assert_int_equal(d.n, 4);
        assert_int_equal(wkv_data_largest(&d, &largest, NULL), WKV_OK);
        assert_int_equal(largest, types[i].top);
        wkv_part p = {.data = &d, .first = 1, .n = 3};
        assert_int_equal(wkv_part_read(&p, 0, 3, largest + 1, got, NULL), WKV_OK);
        for (int j = 0; j < 3; j++)
            assert_int_equal(got[j], ids[j + 1]);
        assert_int_equal(wkv_part_read(&p, 2, 1, 8, got, NULL), WKV_OK);
        assert_int_equal(wkv_part_read(&p, 2, 1, 7, got, NULL), WKV_E_TOKEN);
        wkv_data_close(&d);
    }
}

static void ids_out_of_range(void **state)
{
    static const struct {
        int bytes, code;
        int64_t id;
        const char *text;
    } bad[] = {{1, 2, -1, "id -1"},
               {2, 3, -32768, "id -32768"},
               {4, 4, -2147483648, "id -2147483648"},
               {8, 5, (int64_t)1 << 40, "id 1099511627776"},
               {8, 5, INT64_MIN, "id -9223372036854775808"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const int64_t ids[] = {0, bad[i].id};
        write_binidx("t_bad", ids, 2, bad[i].bytes, bad[i].code);
        wkv_data d = {0};
        wkv_error err;
        int32_t got[2];
        assert_int_equal(wkv_data_open(&d, "t_bad", NULL, NULL), WKV_OK);
        assert_int_equal(wkv_data_largest(&d, got, &err), WKV_E_TOKEN);
        wkv_part p = whole(&d);
        assert_int_equal(wkv_part_check(&p, 100, &err), WKV_E_TOKEN);
        assert_int_equal(wkv_part_read(&p, 0, 2, 100, got, &err), WKV_E_TOKEN);
        if (strstr(err.text, bad[i].text) == NULL || strstr(err.text, "t_bad: token 1") == NULL)
            fail_msg("%s", err.text);
        wkv_data_close(&d);
    }
}

/* As fingerprints are taken: all of a small part, of a large one pieces, the last id included. */
static void ids_are_checked(void **state)
{
    const size_t n = ((size_t)64 << 20) + 12345;
    uint8_t *bytes = calloc(n, 1);
    assert_non_null(bytes);
    wkv_data d = {.path = (char[]){"t_ids"}, .ids = bytes, .type = {1, false}, .n = n};
    const wkv_part small = {.data = &d, .first = 5, .n = 1000}, large = whole(&d);
    wkv_error err;
    bytes[4] = bytes[1005] = 7; /* on either side of the small one */
    assert_int_equal(wkv_part_check(&small, 7, &err), WKV_OK);
    assert_int_equal(wkv_part_check(&large, 8, &err), WKV_OK);
    bytes[1004] = bytes[n - 1] = 8;
    assert_int_equal(wkv_part_check(&small, 8, &err), WKV_E_TOKEN);
    assert_non_null(strstr(err.text, "t_ids: token 1004 has id 8, expected 0 to 7"));
    bytes[1004] = 0;
    assert_int_equal(wkv_part_check(&large, 8, &err), WKV_E_TOKEN);
    assert_non_null(strstr(err.text, "token 67121208 has id 8"));
    free(bytes);
}

/* Small parts by all their bytes; large ones by pieces, the last byte included. */
static void fingerprints(void **state)
{
    const size_t n = ((size_t)64 << 20) + 12345;
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    wkv_data d = {.ids = bytes, .type = {1, false}, .n = n};
    wkv_part small = {.data = &d, .first = 5, .n = 1000}, large = whole(&d);
    assert_int_equal(wkv_part_fingerprint(&small), wkv_crc32c(0, bytes + 5, 1000));
    uint32_t before = wkv_part_fingerprint(&large);
    bytes[n - 1] ^= 1;
    assert_int_not_equal(wkv_part_fingerprint(&large), before);
    bytes[n - 1] ^= 1;
    bytes[0] ^= 1;
    assert_int_not_equal(wkv_part_fingerprint(&large), before);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_as_bytes),
        cmocka_unit_test(text_needs_a_vocabulary),
        cmocka_unit_test(empty_text),
        cmocka_unit_test(absent),
        cmocka_unit_test(binidx_of_every_width),
        cmocka_unit_test(ids_out_of_range),
        cmocka_unit_test(ids_are_checked),
        cmocka_unit_test(fingerprints),
    };
    return cmocka_run_group_tests(tests, own_folder, NULL);
}
