/* Writing: round trips bit for bit through both formats, types, and failures that leave
 * nothing behind. */
#include "test.h"

#include "base/crc32.h"
#include "base/half.h"
#include "hostile.h"
#include "store/bytes.h"
#include "store/format.h"
#include "store/zip.h"
#include "support/heap.h"

static const float matrix_data[6] = {1.0f, -2.5f, 0.1f, 1e-8f, 65504.0f, -0.0f};
static const float vector_data[3] = {0.1f, 0.2f, 0.3f};
static const uint8_t bytes_data[4] = {1, 0, 255, 7};
static const uint16_t half_data[2] = {0x3c00, 0x7e01};

static wkv_tensor tensor(const char *name, wkv_dtype dtype, const void *data, int ndim, int64_t d0,
                         int64_t d1)
{
    wkv_tensor t = {.name = name, .dtype = dtype, .ndim = ndim, .dim = {d0, d1}, .data = data};
    wkv_tensor_set_strides(&t);
    return t;
}

enum { SAMPLES = 7 };

static void make_samples(wkv_tensor *t)
{
    t[0] = tensor("m", WKV_DTYPE_F32, matrix_data, 2, 2, 3);
    t[1] = tensor("turned", WKV_DTYPE_F32, matrix_data, 2, 3, 2);
    t[1].stride[0] = 1;
    t[1].stride[1] = 3;
    t[2] = tensor("v \"q\\\n\xc3\xa9", WKV_DTYPE_F32, vector_data, 1, 3, 0);
    t[3] = tensor("scalar", WKV_DTYPE_F32, vector_data + 1, 0, 0, 0);
    t[4] = tensor("bytes", WKV_DTYPE_U8, bytes_data, 2, 2, 2);
    t[5] = tensor("none", WKV_DTYPE_F64, NULL, 2, 0, 4);
    t[6] = tensor("half", WKV_DTYPE_F16, half_data, 1, 2, 0);
}

static const wkv_meta sample_meta[] = {{"wkv.format", "1", 1},
                                       {"text", "line\nquote\" \\ tab\t\x01\xe2\x82\xac", 22}};

static wkv_store_out samples(wkv_tensor *t)
{
    make_samples(t);
    return (wkv_store_out){.tensors = t,
                           .n_tensors = SAMPLES,
                           .meta = sample_meta,
                           .n_meta = 2,
                           .dtype = WKV_DTYPE_COUNT};
}

static void write_ok(const char *path, const char *format, const wkv_store_out *what)
{
    wkv_error err;
    if (wkv_store_write(path, format, what, &err) != WKV_OK)
        fail_msg("%s", err.text);
}

static wkv_store *open_ok(const char *path)
{
    wkv_store *s;
    wkv_error err;
    if (wkv_store_open(&s, path, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static void assert_same_tensor(const wkv_tensor *a, const wkv_tensor *b)
{
    uint8_t x[64], y[64];
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->ndim, b->ndim);
    for (int d = 0; d < a->ndim; d++)
        assert_int_equal(a->dim[d], b->dim[d]);
    wkv_tensor_copy(x, a, a->dtype);
    wkv_tensor_copy(y, b, b->dtype);
    assert_memory_equal(x, y, (size_t)wkv_tensor_count(a) * (size_t)wkv_dtype_of(a->dtype)->bytes);
}

static wkv_store_out everything(const wkv_store *s)
{
    return (wkv_store_out){.tensors = wkv_store_at(s, 0),
                           .n_tensors = wkv_store_count(s),
                           .meta = wkv_store_meta_count(s) > 0 ? wkv_store_meta_at(s, 0) : NULL,
                           .n_meta = wkv_store_meta_count(s),
                           .dtype = WKV_DTYPE_COUNT};
}

static void assert_same_files(const char *a, const char *b)
{
    wkv_strbuf x = read_file(a), y = read_file(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    wkv_strbuf_deinit(&x);
    wkv_strbuf_deinit(&y);
}

static void round_trips_keep_every_bit(void **state)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    write_ok("a.safetensors", "safetensors", &out);
    wkv_store *s = open_ok("a.safetensors");
    assert_int_equal(wkv_store_count(s), SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++)
        assert_same_tensor(&t[i], wkv_store_at(s, i));
    out = everything(s);
    write_ok("b.pth", "pth", &out);
    wkv_store_close(&s);
    s = open_ok("b.pth");
    assert_string_equal(wkv_store_format(s), "pth");
    assert_int_equal(wkv_store_count(s), SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++)
        assert_same_tensor(&t[i], wkv_store_at(s, i));
    out = everything(s);
    write_ok("c.safetensors", "safetensors", &out);
    wkv_store_close(&s);
    assert_same_files("a.safetensors", "c.safetensors");
}

static void metadata_comes_back(void **state)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    static const char *const formats[] = {"safetensors", "pth"};
    for (int f = 0; f < 2; f++) {
        for (out.n_tensors = 0; out.n_tensors <= SAMPLES; out.n_tensors += SAMPLES) {
            write_ok("meta", formats[f], &out);
            wkv_store *s = open_ok("meta");
            assert_int_equal(wkv_store_count(s), out.n_tensors);
            assert_int_equal(wkv_store_meta_count(s), 2);
            for (size_t i = 0; i < 2; i++) {
                assert_string_equal(wkv_store_meta(s, sample_meta[i].key), sample_meta[i].value);
                assert_int_equal(wkv_store_meta_at(s, i)->value_len, strlen(sample_meta[i].value));
            }
            wkv_store_close(&s);
        }
    }
}

static void data_is_aligned(void **state)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    write_ok("a.safetensors", "safetensors", &out);
    write_ok("a.pth", "pth", &out);
    wkv_store *s = open_ok("a.safetensors");
    assert_int_equal((uintptr_t)wkv_store_at(s, 0)->data % 64, 0);
    wkv_store_close(&s);
    s = open_ok("a.pth");
    for (size_t i = 0; i < SAMPLES; i++)
        assert_int_equal((uintptr_t)wkv_store_at(s, i)->data % 64, 0);
    wkv_store_close(&s);
}

/* What other programs check: the local headers, sizes and sums of the archive. */
static void the_archive_is_whole(void **state)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    write_ok("a.pth", "pth", &out);
    wkv_strbuf b = read_file("a.pth");
    const uint8_t *p = (const uint8_t *)b.data;
    wkv_zip z;
    wkv_error err;
    assert_int_equal(wkv_zip_open(&z, p, b.len, &err), WKV_OK);
    assert_int_equal(z.count, SAMPLES + 4);
    for (size_t i = 0; i < z.count; i++) {
        const uint8_t *data;
        assert_int_equal(wkv_zip_data(&z, &z.entries[i], &data, &err), WKV_OK);
        const uint8_t *local = p + z.entries[i].header;
        assert_int_equal(wkv_get_u32(local + 14), wkv_crc32(0, data, z.entries[i].size));
        assert_int_equal(wkv_get_u32(local + 18), z.entries[i].size);
        assert_int_equal(wkv_get_u32(local + 22), z.entries[i].size);
        assert_int_equal((data - p) % 64, 0);
    }
    assert_non_null(wkv_zip_find(&z, "archive/data.pkl", 16));
    assert_non_null(wkv_zip_find(&z, "archive/version", 15));
    assert_non_null(wkv_zip_find(&z, "archive/byteorder", 17));
    assert_non_null(wkv_zip_find(&z, "archive/data/6", 14));
    assert_non_null(wkv_zip_find(&z, "archive/extra/wkv.json", 22));
    wkv_zip_close(&z);
    wkv_strbuf_deinit(&b);
}

static void matrices_change_type_and_vectors_do_not(void **state)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    out.dtype = WKV_DTYPE_BF16;
    static const char *const formats[] = {"safetensors", "pth"};
    for (int f = 0; f < 2; f++) {
        write_ok("converted", formats[f], &out);
        wkv_store *s = open_ok("converted");
        const wkv_tensor *m = wkv_store_find(s, "m"), *turned = wkv_store_find(s, "turned");
        assert_int_equal(m->dtype, WKV_DTYPE_BF16);
        assert_int_equal(wkv_get_u16(m->data + 2), wkv_f32_to_bf16(-2.5f));
        assert_int_equal(turned->dtype, WKV_DTYPE_BF16);
        assert_int_equal(wkv_get_u16(turned->data + 2), wkv_f32_to_bf16(1e-8f));
        assert_int_equal(wkv_store_find(s, "bytes")->dtype, WKV_DTYPE_U8);
        assert_int_equal(wkv_store_find(s, "half")->dtype, WKV_DTYPE_F16);
        assert_int_equal(wkv_store_find(s, "scalar")->dtype, WKV_DTYPE_F32);
        wkv_store_close(&s);
    }
}

/* More than one piece of the stream, from blocks and from a strided tensor. */
static void long_tensors_are_streamed(void **state)
{
    enum { ROWS = 300, COLUMNS = 128 };
    float *f = malloc(ROWS * COLUMNS * sizeof *f);
    uint8_t *q = malloc(ROWS * COLUMNS / 32 * 34);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        f[i] = (float)i;
    for (int i = 0; i < ROWS * COLUMNS / 32; i++) {
        wkv_put_u16(q + 34 * i, wkv_f32_to_f16((float)i));
        memset(q + 34 * i + 2, 1, 32);
    }
    wkv_tensor t[2] = {tensor("turned", WKV_DTYPE_F32, f, 2, COLUMNS, ROWS),
                       tensor("blocks", WKV_DTYPE_Q8_0, q, 2, ROWS, COLUMNS)};
    t[0].stride[0] = 1;
    t[0].stride[1] = COLUMNS;
    wkv_store_out out = {.tensors = t, .n_tensors = 2, .dtype = WKV_DTYPE_COUNT};
    write_ok("long.safetensors", "safetensors", &out);
    wkv_store *s = open_ok("long.safetensors");
    const wkv_tensor *turned = wkv_store_find(s, "turned"), *blocks = wkv_store_find(s, "blocks");
    assert_int_equal(blocks->dtype, WKV_DTYPE_F32);
    float *back = malloc(ROWS * COLUMNS * sizeof *back);
    wkv_tensor_copy(back, turned, WKV_DTYPE_F32);
    for (int c = 0; c < COLUMNS; c++)
        for (int r = 0; r < ROWS; r++)
            assert_true(back[c * ROWS + r] == f[r * COLUMNS + c]);
    wkv_tensor_copy(back, blocks, WKV_DTYPE_F32);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(back[i] == (float)(i / 32));
    wkv_store_close(&s);
    free(f);
    free(q);
    free(back);
}

static void fail_to_write(const char *format, const wkv_store_out *what, wkv_status status,
                          const char *words)
{
    wkv_error err;
    assert_int_equal(wkv_store_write("fails", format, what, &err), status);
    if (strstr(err.text, words) == NULL || strstr(err.text, "fails") == NULL)
        fail_msg("'%s'; '%s' was expected", err.text, words);
    assert_int_not_equal(access("fails", F_OK), 0);
}

static void what_cannot_be_written_is_refused(void **state)
{
    static const uint8_t zeros[64] = {0};
    wkv_tensor t = tensor("z", WKV_DTYPE_C64, zeros, 1, 2, 0);
    wkv_store_out out = {.tensors = &t, .n_tensors = 1, .dtype = WKV_DTYPE_COUNT};
    fail_to_write("safetensors", &out, WKV_E_UNSUPPORTED, "tensor 'z' is of type c64");
    t = tensor("u", WKV_DTYPE_U16, zeros, 1, 2, 0);
    fail_to_write("pth", &out, WKV_E_UNSUPPORTED, "tensor 'u' is of type u16");
    fail_to_write("rwkv.cpp", &out, WKV_E_UNSUPPORTED, "no RWKV model");
    fail_to_write("gif", &out, WKV_E_UNSUPPORTED, "no file format called 'gif'");
    const wkv_meta latin1 = {"k", "\xe9", 1};
    out.meta = &latin1;
    out.n_meta = 1;
    fail_to_write("safetensors", &out, WKV_E_FORMAT, "the metadata 'k' is not valid UTF-8");
    wkv_error err;
    out.n_meta = 0;
    assert_int_equal(wkv_store_write("/nonexistent/f", "safetensors", &out, &err), WKV_E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/f"));
}

static void formats_have_suffixes(void **state)
{
    assert_string_equal(wkv_store_format_of_path("a/b.safetensors"), "safetensors");
    assert_string_equal(wkv_store_format_of_path("b.pth"), "pth");
    assert_string_equal(wkv_store_format_of_path("b.pt"), "pth");
    assert_string_equal(wkv_store_format_of_path("b.bin"), "rwkv.cpp");
    assert_null(wkv_store_format_of_path("b.txt"));
    assert_null(wkv_store_format_of_path(".pth"));
    assert_null(wkv_store_format_of_path(""));
}

/* ---- memory runs out -------------------------------------------------------------------- */

static wkv_status write_sample(const char *path, wkv_error *err)
{
    wkv_tensor t[SAMPLES];
    wkv_store_out out = samples(t);
    remove(path);
    wkv_status status = wkv_store_write(path, wkv_store_format_of_path(path), &out, err);
    if (status != WKV_OK)
        assert_int_not_equal(access(path, F_OK), 0);
    return status;
}

/* Writes with all allocations after the n-th failing, for every n until none does. */
static void sweep(const char *path)
{
    wkv_status status = WKV_E_MEMORY;
    int n = 0;
    for (; status != WKV_OK && n < 10000; n++) {
        wkv_error err = {0};
        heap_limit(n);
        status = write_sample(path, &err);
        heap_release();
        if (status != WKV_OK) {
            assert_int_equal(status, WKV_E_MEMORY);
            assert_non_null(strstr(err.text, path));
            assert_non_null(strstr(err.text, "out of memory"));
        }
    }
    assert_int_equal(status, WKV_OK);
    assert_true(n > 4);
}

static void every_failed_allocation_is_survived(void **state)
{
    sweep("sweep.safetensors");
    sweep("sweep.pth");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_keep_every_bit),
        cmocka_unit_test(metadata_comes_back),
        cmocka_unit_test(data_is_aligned),
        cmocka_unit_test(the_archive_is_whole),
        cmocka_unit_test(matrices_change_type_and_vectors_do_not),
        cmocka_unit_test(long_tensors_are_streamed),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(formats_have_suffixes),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
