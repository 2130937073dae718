/* Reading rwkv.cpp's .bin: what its converter did is undone, and hostile files. */
#include "test.h"

#include <math.h>

#include "base/half.h"
#include "hostile.h"
#include "store/bytes.h"
#include "store/format.h"

static void put32(wkv_strbuf *b, uint32_t v)
{
    uint8_t bytes[4];
    wkv_put_u32(bytes, v);
    wkv_strbuf_add(b, bytes, sizeof bytes);
}

static wkv_strbuf file_of(uint32_t version)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    put32(&b, 0x67676d66);
    put32(&b, version);
    for (int i = 0; i < 4; i++)
        put32(&b, 1);
    return b;
}

/* The header of a tensor of ndim dimensions, innermost first. */
static void head(wkv_strbuf *b, const char *name, uint32_t type, uint32_t ndim, uint32_t d0,
                 uint32_t d1, uint32_t d2)
{
    const uint32_t dim[3] = {d0, d1, d2};
    put32(b, ndim);
    put32(b, (uint32_t)strlen(name));
    put32(b, type);
    for (uint32_t d = 0; d < ndim && d < 3; d++)
        put32(b, dim[d]);
    wkv_strbuf_puts(b, name);
}

static void floats(wkv_strbuf *b, const float *values, size_t n)
{
    wkv_strbuf_add(b, values, n * sizeof *values);
}

static wkv_store *open_bytes(const wkv_strbuf *b)
{
    wkv_store *s;
    wkv_error err;
    if (wkv_store_open_memory(&s, "m.bin", b->data, b->len, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static float element(const wkv_store *s, const char *name, int64_t i)
{
    float f;
    const wkv_tensor *t = wkv_store_find(s, name);
    assert_non_null(t);
    wkv_tensor_read(&f, t, WKV_DTYPE_F32, i, 1);
    return f;
}

/* A file of one layer whose version shows in the name of its first tensor. */
static wkv_strbuf model(const char *sign)
{
    static const float half[] = {0.5f, 0.5f};
    wkv_strbuf b = file_of(101);
    char name[64];
    snprintf(name, sizeof name, "blocks.0.att.%s", sign);
    head(&b, name, 0, 1, 2, 0, 0);
    floats(&b, half, 2);
    return b;
}

static void rwkv4_decays_are_raw_again(void **state)
{
    const float stored[] = {-expf(-5.0f), -expf(2.5f), -0.0f};
    wkv_strbuf b = model("time_mix_k");
    head(&b, "blocks.0.att.time_decay", 0, 1, 3, 0, 0);
    floats(&b, stored, 3);
    wkv_store *s = open_bytes(&b);
    assert_true(fabsf(element(s, "blocks.0.att.time_decay", 0) + 5.0f) < 1e-6f);
    assert_true(fabsf(element(s, "blocks.0.att.time_decay", 1) - 2.5f) < 1e-6f);
    assert_true(-expf(element(s, "blocks.0.att.time_decay", 2)) == 0.0f);
    assert_int_equal(wkv_store_find(s, "blocks.0.att.time_mix_k")->ndim, 3);
    assert_null(wkv_store_meta(s, "wkv.gn_eps"));
    wkv_store_close(&s);
    const float positive = 1.0f;
    head(&b, "blocks.1.att.time_decay", 0, 1, 1, 0, 0);
    floats(&b, &positive, 1);
    assert_refused(&b, WKV_E_FORMAT, "element 0 of tensor 'blocks.1.att.time_decay' is 1,");
    wkv_strbuf_deinit(&b);
}

static void rwkv5_decays_and_bonus_are_raw_again(void **state)
{
    const float decay[] = {expf(-expf(-6.0f)), expf(-expf(0.5f))};
    const float first[] = {expf(0.25f), expf(-3.0f)};
    wkv_strbuf b = model("ln_x.weight");
    head(&b, "blocks.0.att.time_decay", 0, 3, 1, 1, 2);
    floats(&b, decay, 2);
    head(&b, "blocks.0.att.time_first", 0, 3, 1, 1, 2);
    floats(&b, first, 2);
    wkv_store *s = open_bytes(&b);
    assert_int_equal(wkv_store_find(s, "blocks.0.att.time_decay")->ndim, 1);
    assert_true(fabsf(element(s, "blocks.0.att.time_decay", 0) + 6.0f) < 1e-3f);
    assert_true(fabsf(element(s, "blocks.0.att.time_decay", 1) - 0.5f) < 1e-5f);
    assert_true(fabsf(element(s, "blocks.0.att.time_first", 0) - 0.25f) < 1e-6f);
    assert_true(fabsf(element(s, "blocks.0.att.time_first", 1) + 3.0f) < 1e-6f);
    assert_string_equal(wkv_store_meta(s, "wkv.gn_eps"), "1e-05");
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void rwkv6_keeps_its_decay(void **state)
{
    const float values[] = {-6, -5, -4, -3};
    wkv_strbuf b = model("time_maa_x");
    head(&b, "blocks.0.att.time_decay", 0, 3, 1, 2, 2);
    floats(&b, values, 4);
    head(&b, "blocks.0.att.time_decay_w1", 0, 2, 2, 2, 0);
    floats(&b, values, 4);
    wkv_store *s = open_bytes(&b);
    assert_true(element(s, "blocks.0.att.time_decay", 3) == -3.0f);
    assert_int_equal(wkv_store_find(s, "blocks.0.att.time_decay")->dim[2], 4);
    assert_true(element(s, "blocks.0.att.time_decay_w1", 1) == -4.0f);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void rwkv7_is_split_and_turned(void **state)
{
    const float values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    wkv_strbuf b = model("r_k");
    head(&b, "blocks.0.att.x_rwkvag", 0, 3, 2, 1, 6);
    floats(&b, values, 12);
    head(&b, "blocks.0.att.w1", 0, 2, 3, 2, 0); /* two rows of three */
    floats(&b, values, 6);
    wkv_store *s = open_bytes(&b);
    assert_true(element(s, "blocks.0.att.x_r", 1) == 1.0f);
    assert_true(element(s, "blocks.0.att.x_w", 0) == 2.0f);
    assert_true(element(s, "blocks.0.att.x_k", 0) == 4.0f);
    assert_true(element(s, "blocks.0.att.x_v", 0) == 6.0f);
    assert_true(element(s, "blocks.0.att.x_a", 0) == 8.0f);
    assert_true(element(s, "blocks.0.att.x_g", 1) == 11.0f);
    const wkv_tensor *w1 = wkv_store_find(s, "blocks.0.att.w1");
    assert_int_equal(w1->dim[0], 3);
    assert_int_equal(w1->dim[1], 2);
    assert_true(element(s, "blocks.0.att.w1", 1) == 3.0f);
    wkv_store_close(&s);
    assert_true(flip_every_bit(b.data, b.len) > 0);
    fail_every_allocation(b.data, b.len);
    wkv_strbuf_deinit(&b);
}

/* Blocks have no strides: a quantised tensor that must be turned is decoded. */
static void quantised_low_ranks_become_floats(void **state)
{
    wkv_strbuf b = model("r_k");
    head(&b, "blocks.0.att.a1", 9, 2, 32, 2, 0);
    for (int row = 0; row < 2; row++) {
        uint8_t block[34];
        wkv_put_u16(block, wkv_f32_to_f16(0.5f));
        for (int i = 0; i < 32; i++)
            block[2 + i] = (uint8_t)(i + 32 * row);
        wkv_strbuf_add(&b, block, sizeof block);
    }
    wkv_store *s = open_bytes(&b);
    const wkv_tensor *t = wkv_store_find(s, "blocks.0.att.a1");
    assert_int_equal(t->dtype, WKV_DTYPE_F32);
    assert_int_equal(t->dim[0], 32);
    assert_true(element(s, "blocks.0.att.a1", 0) == 0.0f);
    assert_true(element(s, "blocks.0.att.a1", 1) == 16.0f);
    assert_true(element(s, "blocks.0.att.a1", 2) == 0.5f);
    wkv_store_close(&s);
    wkv_strbuf_deinit(&b);
}

static void damage_is_survived_everywhere(void **state)
{
    const float value = -1.0f;
    wkv_strbuf b = model("time_mix_k");
    head(&b, "blocks.0.att.time_decay", 0, 1, 1, 0, 0);
    floats(&b, &value, 1);
    assert_accepted(&b);
    /* The form has no end: cut between tensors, a file is a smaller file. */
    assert_int_equal(truncate_everywhere(b.data, b.len), 2);
    size_t accepted = flip_every_bit(b.data, b.len);
    assert_true(accepted > 0 && accepted < 8 * b.len);
    wkv_strbuf_deinit(&b);
}

static void refuse(wkv_strbuf *b, wkv_status status, const char *words)
{
    assert_refused(b, status, words);
    wkv_strbuf_deinit(b);
}

static void impossible_headers_are_refused(void **state)
{
    wkv_strbuf b = file_of(102);
    refuse(&b, WKV_E_UNSUPPORTED, "of version 102");
    b = file_of(101);
    head(&b, "w", 0, 3, 0x7fffffff, 0x7fffffff, 0x7fffffff);
    refuse(&b, WKV_E_FORMAT, "the shape of tensor 'w' is impossible");
    b = file_of(101);
    head(&b, "w", 0, 1, 0xffffffff, 0, 0);
    refuse(&b, WKV_E_FORMAT, "the shape of tensor 'w' is impossible");
    b = file_of(101);
    head(&b, "w", 0, 1, 0, 0, 0);
    refuse(&b, WKV_E_FORMAT, "the shape of tensor 'w' is impossible");
    b = file_of(101);
    head(&b, "w", 0, 2, 1 << 30, 1 << 30, 0);
    refuse(&b, WKV_E_FORMAT, "tensor 'w' needs 4611686018427387904 bytes");
    b = file_of(101);
    head(&b, "w", 4, 1, 1, 0, 0);
    refuse(&b, WKV_E_UNSUPPORTED, "tensor 'w' is of the unknown type 4");
    b = file_of(101);
    head(&b, "w", 9, 1, 33, 0, 0);
    refuse(&b, WKV_E_FORMAT, "the shape of tensor 'w' is impossible");
    b = file_of(100);
    head(&b, "w", 9, 1, 32, 0, 0);
    refuse(&b, WKV_E_UNSUPPORTED, "quantised in a file of version 100");
    b = file_of(101);
    put32(&b, 0xffffffff);
    put32(&b, 1);
    put32(&b, 0);
    refuse(&b, WKV_E_FORMAT, "found 4294967295 and 1");
    b = file_of(101);
    put32(&b, 1);
    put32(&b, 0xffffffff);
    put32(&b, 0);
    refuse(&b, WKV_E_FORMAT, "found 1 and 4294967295");
}

/* Sixteen zeros would be a number without a name. */
static void zeros_are_no_tensors(void **state)
{
    wkv_strbuf b = model("r_k");
    const size_t end = b.len;
    char words[128];
    for (int i = 0; i < 8; i++)
        put32(&b, 0);
    snprintf(words, sizeof words,
             "the tensor at byte %zu: expected 1 to 8 dimensions and a name of 1 to 1024 bytes, "
             "found 0 and 0",
             end);
    refuse(&b, WKV_E_FORMAT, words);
    b = file_of(101);
    head(&b, "", 0, 1, 1, 0, 0);
    put32(&b, 0);
    refuse(&b, WKV_E_FORMAT, "found 1 and 0");
    b = file_of(101);
    head(&b, "w", 0, 0, 0, 0, 0);
    put32(&b, 0);
    refuse(&b, WKV_E_FORMAT, "found 0 and 1");
}

static void impossible_sizes_in_the_header_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        wkv_status status;
        const char *words;
    } cases[] = {
        {8, 0xffffffff, WKV_E_FORMAT, "the header's vocabulary: expected 1 or more, found -1"},
        {12, 0, WKV_E_FORMAT, "the header's width: expected 1 or more, found 0"},
        {16, 0x80000000, WKV_E_FORMAT,
         "the header's number of layers: expected 1 or more, found -"},
        {20, 4, WKV_E_UNSUPPORTED, "the header's type: expected 0, 1, 2, 3, 7, 8 or 9, found 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wkv_strbuf b = model("r_k");
        wkv_put_u32((uint8_t *)b.data + cases[i].at, cases[i].value);
        refuse(&b, cases[i].status, cases[i].words);
    }
}

static void wrong_shapes_of_special_tensors_are_refused(void **state)
{
    const float values[8] = {0};
    wkv_strbuf b = model("r_k");
    head(&b, "blocks.0.att.x_rwkvag", 0, 2, 4, 2, 0);
    floats(&b, values, 8);
    refuse(&b, WKV_E_SHAPE, "cannot be split in 6");
    b = model("r_k");
    head(&b, "blocks.0.att.w1", 0, 1, 8, 0, 0);
    floats(&b, values, 8);
    refuse(&b, WKV_E_SHAPE, "tensor 'blocks.0.att.w1' should have two dimensions");
    b = model("r_k");
    head(&b, "blocks.0.att.r_k", 0, 1, 8, 0, 0);
    floats(&b, values, 8);
    refuse(&b, WKV_E_FORMAT, "two tensors are called 'blocks.0.att.r_k'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rwkv4_decays_are_raw_again),
        cmocka_unit_test(rwkv5_decays_and_bonus_are_raw_again),
        cmocka_unit_test(rwkv6_keeps_its_decay),
        cmocka_unit_test(rwkv7_is_split_and_turned),
        cmocka_unit_test(quantised_low_ranks_become_floats),
        cmocka_unit_test(damage_is_survived_everywhere),
        cmocka_unit_test(impossible_headers_are_refused),
        cmocka_unit_test(zeros_are_no_tensors),
        cmocka_unit_test(impossible_sizes_in_the_header_are_refused),
        cmocka_unit_test(wrong_shapes_of_special_tensors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
