/* ZIP archives: the directory, the 64-bit records, and lies about sizes. */
#include "test.h"

#include "archive.h"
#include "base/crc32.h"
#include "store/bytes.h"
#include "store/zip.h"

static wkv_strbuf sample(bool wide)
{
    archive a;
    archive_init(&a);
    a.wide = wide;
    archive_add(&a, "b", "second", 6);
    archive_add(&a, "a", "first", 5);
    archive_add(&a, "empty", "", 0);
    return archive_finish(&a);
}

static wkv_status open_bytes(wkv_zip *z, const wkv_strbuf *b, wkv_error *err)
{
    return wkv_zip_open(z, (const uint8_t *)b->data, b->len, err);
}

static void check_entry(const wkv_zip *z, const char *name, const char *content)
{
    const uint8_t *data;
    wkv_error err;
    const wkv_zip_entry *e = wkv_zip_find(z, name, strlen(name));
    assert_non_null(e);
    assert_int_equal(e->size, strlen(content));
    assert_int_equal(wkv_zip_data(z, e, &data, &err), WKV_OK);
    assert_memory_equal(data, content, strlen(content));
}

static void entries_are_found(void **state)
{
    for (int wide = 0; wide < 2; wide++) {
        wkv_zip z;
        wkv_error err;
        wkv_strbuf b = sample(wide);
        if (open_bytes(&z, &b, &err) != WKV_OK)
            fail_msg("%s", err.text);
        assert_int_equal(z.count, 3);
        check_entry(&z, "a", "first");
        check_entry(&z, "b", "second");
        check_entry(&z, "empty", "");
        assert_null(wkv_zip_find(&z, "c", 1));
        assert_null(wkv_zip_find(&z, "", 0));
        wkv_zip_close(&z);
        wkv_strbuf_deinit(&b);
    }
}

static void refuse(wkv_strbuf *b, const char *words)
{
    wkv_zip z;
    wkv_error err = {0};
    wkv_status status = open_bytes(&z, b, &err);
    assert_int_equal(status, WKV_E_FORMAT);
    if (strstr(err.text, words) == NULL)
        fail_msg("'%s'; '%s' was expected", err.text, words);
    assert_null(z.entries);
    wkv_strbuf_deinit(b);
}

static uint8_t *end_of(const wkv_strbuf *b, size_t back)
{
    return (uint8_t *)b->data + b->len - back;
}

static void a_wrong_end_record_is_refused(void **state)
{
    wkv_strbuf b = sample(false);
    b.len--;
    refuse(&b, "no end record");
    b = sample(false);
    wkv_put_u16(end_of(&b, 12), 60000); /* entries */
    refuse(&b, "claims a directory of 60000 entries");
    b = sample(false);
    wkv_put_u32(end_of(&b, 6), 0xfffffff0u); /* offset */
    refuse(&b, "claims a directory");
    b = sample(false);
    wkv_put_u32(end_of(&b, 10), 0xfffffff0u); /* size */
    refuse(&b, "claims a directory");
}

static void a_wrong_64_bit_record_is_refused(void **state)
{
    wkv_strbuf b = sample(true);
    wkv_put_u64(end_of(&b, 22 + 12), UINT64_MAX - 8); /* the locator's offset */
    refuse(&b, "64-bit end record is not at byte 18446744073709551607");
    b = sample(true);
    wkv_put_u64(end_of(&b, 22 + 12), 1);
    refuse(&b, "64-bit end record is not at byte 1");
    b = sample(true);
    wkv_put_u64(end_of(&b, 22 + 20 + 8), UINT64_MAX); /* the directory's offset */
    refuse(&b, "claims a directory");
    b = sample(true);
    wkv_put_u64(end_of(&b, 22 + 20 + 24), UINT64_MAX); /* entries */
    refuse(&b, "claims a directory of 18446744073709551615 entries");
}

/* Finds the directory's record of the entry whose name follows at +46. */
static uint8_t *record(const wkv_strbuf *b, const char *name)
{
    for (size_t i = 0; i + 46 + strlen(name) <= b->len; i++)
        if (memcmp(b->data + i, "PK\1\2", 4) == 0 &&
            memcmp(b->data + i + 46, name, strlen(name)) == 0)
            return (uint8_t *)b->data + i;
    fail();
    return NULL;
}

static void refuse_entry(wkv_strbuf *b, const char *words)
{
    wkv_zip z;
    wkv_error err = {0};
    const uint8_t *data;
    assert_int_equal(open_bytes(&z, b, &err), WKV_OK);
    const wkv_zip_entry *e = wkv_zip_find(&z, "a", 1);
    assert_int_not_equal(wkv_zip_data(&z, e, &data, &err), WKV_OK);
    if (strstr(err.text, words) == NULL)
        fail_msg("'%s'; '%s' was expected", err.text, words);
    wkv_zip_close(&z);
    wkv_strbuf_deinit(b);
}

static void lies_of_the_directory_are_seen(void **state)
{
    wkv_strbuf b = sample(false);
    wkv_put_u16(record(&b, "a") + 10, 8);
    refuse_entry(&b, "'a' is compressed");
    b = sample(false);
    wkv_put_u16(record(&b, "a") + 8, 1);
    refuse_entry(&b, "'a' is compressed or encrypted");
    b = sample(false);
    wkv_put_u32(record(&b, "a") + 24, 6);
    refuse_entry(&b, "two different sizes");
    b = sample(false);
    wkv_put_u32(record(&b, "a") + 24, 100000);
    wkv_put_u32(record(&b, "a") + 20, 100000);
    refuse_entry(&b, "'a' claims 100000 bytes");
    b = sample(true);
    wkv_put_u64(record(&b, "a") + 46 + 1 + 4, UINT64_MAX);
    wkv_put_u64(record(&b, "a") + 46 + 1 + 12, UINT64_MAX);
    refuse_entry(&b, "'a' claims 18446744073709551615 bytes");
    b = sample(false);
    wkv_put_u32(record(&b, "a") + 42, 1);
    refuse_entry(&b, "no local header at byte 1");
    b = sample(true);
    wkv_put_u64(record(&b, "a") + 46 + 1 + 20, UINT64_MAX - 2);
    refuse_entry(&b, "no local header at byte");
    b = sample(true);
    wkv_put_u16(record(&b, "a") + 46 + 1 + 2, 4); /* too short for what it should hold */
    refuse(&b, "the ZIP directory is damaged at byte");
    b = sample(false);
    record(&b, "a")[0] = 'X';
    refuse(&b, "the ZIP directory is damaged at byte");
    b = sample(false);
    wkv_put_u16(record(&b, "empty") + 28, 60000);
    refuse(&b, "the ZIP directory is damaged at byte");
}

/* Sizes that need 64 bits, without the gigabytes themselves. */
static void large_entries_get_wide_records(void **state)
{
    const uint64_t large = (uint64_t)5 << 30;
    wkv_writer *w;
    wkv_zip_out *out;
    wkv_error err;
    assert_int_equal(wkv_writer_open(&w, "large.zip", &err), WKV_OK);
    assert_int_equal(wkv_zip_create(&out, w, &err), WKV_OK);
    assert_int_equal(wkv_zip_begin(out, "large", large, 1, &err), WKV_OK);
    assert_int_equal(wkv_writer_offset(w) % 64, 0);
    assert_int_equal(wkv_zip_begin(out, "a", 5, 1, &err), WKV_OK);
    assert_int_equal(wkv_writer_write(w, "small", 5, &err), WKV_OK);
    assert_int_equal(wkv_zip_finish(&out, &err), WKV_OK);
    assert_null(out);
    assert_int_equal(wkv_writer_commit(&w, &err), WKV_OK);

    wkv_map map;
    wkv_zip z;
    const uint8_t *data;
    assert_int_equal(wkv_map_open(&map, "large.zip", &err), WKV_OK);
    assert_int_equal(wkv_zip_open(&z, map.data, map.size, &err), WKV_OK);
    check_entry(&z, "a", "small");
    const wkv_zip_entry *e = wkv_zip_find(&z, "large", 5);
    assert_true(e->size == large && e->stored == large && e->header == 0);
    assert_int_equal(wkv_zip_data(&z, e, &data, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "'large' claims 5368709120 bytes at byte 64"));
    wkv_zip_close(&z);
    wkv_map_close(&map);
}

static void the_checksum_is_that_of_zip(void **state)
{
    assert_int_equal(wkv_crc32(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(wkv_crc32(wkv_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
    assert_int_equal(wkv_crc32(0, "", 0), 0);
    assert_int_equal(wkv_crc32(0, "The quick brown fox jumps over the lazy dog", 43), 0x414fa339u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found),
        cmocka_unit_test(a_wrong_end_record_is_refused),
        cmocka_unit_test(a_wrong_64_bit_record_is_refused),
        cmocka_unit_test(lies_of_the_directory_are_seen),
        cmocka_unit_test(large_entries_get_wide_records),
        cmocka_unit_test(the_checksum_is_that_of_zip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
