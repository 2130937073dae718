/* Tensors as arrays: strides, pieces, conversions. */
#include "test.h"

#include "base/half.h"
#include "store/tensor.h"

static wkv_tensor matrix(const void *data, wkv_dtype dtype, int64_t rows, int64_t columns)
{
    wkv_tensor t = {.name = "m", .dtype = dtype, .ndim = 2, .dim = {rows, columns}, .data = data};
    wkv_tensor_set_strides(&t);
    return t;
}

static void strides_are_row_major(void **state)
{
    wkv_tensor t = {.ndim = 3, .dim = {2, 3, 4}};
    wkv_tensor_set_strides(&t);
    assert_int_equal(t.stride[0], 12);
    assert_int_equal(t.stride[1], 4);
    assert_int_equal(t.stride[2], 1);
    assert_int_equal(wkv_tensor_count(&t), 24);
    assert_true(wkv_tensor_contiguous(&t));
    t.stride[1] = 5;
    assert_false(wkv_tensor_contiguous(&t));
    t.dim[1] = 1; /* the stride of a single row does not matter */
    t.stride[0] = 4;
    assert_true(wkv_tensor_contiguous(&t));
    t.dim[2] = 0;
    assert_int_equal(wkv_tensor_count(&t), 0);
    assert_true(wkv_tensor_contiguous(&t));
}

static void a_scalar_has_one_element(void **state)
{
    const float v = 2.5f;
    double out;
    wkv_tensor t = {.name = "s", .dtype = WKV_DTYPE_F32, .data = (const uint8_t *)&v};
    assert_int_equal(wkv_tensor_count(&t), 1);
    assert_true(wkv_tensor_contiguous(&t));
    wkv_tensor_copy(&out, &t, WKV_DTYPE_F64);
    assert_true(out == 2.5);
}

static void matrices_are_told_from_vectors(void **state)
{
    wkv_tensor t = {.ndim = 3, .dim = {1, 1, 8}};
    assert_false(wkv_tensor_is_matrix(&t));
    t.dim[0] = 2;
    assert_true(wkv_tensor_is_matrix(&t));
}

static void a_transposed_view_reads_in_its_own_order(void **state)
{
    const int32_t data[6] = {1, 2, 3, 4, 5, 6};
    int32_t out[6];
    wkv_tensor t = matrix(data, WKV_DTYPE_I32, 3, 2);
    t.stride[0] = 1;
    t.stride[1] = 3;
    wkv_tensor_copy(out, &t, WKV_DTYPE_I32);
    const int32_t expected[6] = {1, 4, 2, 5, 3, 6};
    assert_memory_equal(out, expected, sizeof out);
}

/* Every piece of a strided tensor equals that piece of the whole. */
static void pieces_fit_together(void **state)
{
    float data[2 * 5 * 7 * 3], whole[2 * 5 * 7], piece[70];
    for (int i = 0; i < 210; i++)
        data[i] = (float)i;
    wkv_tensor t = {.name = "t",
                    .dtype = WKV_DTYPE_F32,
                    .ndim = 3,
                    .dim = {5, 2, 7},
                    .stride = {21, 105, 3},
                    .data = (const uint8_t *)data};
    wkv_tensor_copy(whole, &t, WKV_DTYPE_F32);
    assert_true(whole[7] == 105.0f && whole[14] == 21.0f && whole[1] == 3.0f);
    for (int64_t first = 0; first < 70; first++)
        for (int64_t n = 0; n <= 70 - first; n++) {
            wkv_tensor_read(piece, &t, WKV_DTYPE_F32, first, n);
            assert_memory_equal(piece, whole + first, (size_t)n * sizeof *piece);
        }
}

static void a_stride_of_zero_repeats(void **state)
{
    const uint8_t data[3] = {7, 8, 9};
    uint8_t out[12];
    wkv_tensor t = matrix(data, WKV_DTYPE_U8, 4, 3);
    t.stride[0] = 0;
    wkv_tensor_copy(out, &t, WKV_DTYPE_U8);
    const uint8_t expected[12] = {7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9};
    assert_memory_equal(out, expected, sizeof out);
}

static void every_element_size_is_gathered(void **state)
{
    static const wkv_dtype types[] = {WKV_DTYPE_I8, WKV_DTYPE_I16, WKV_DTYPE_I32, WKV_DTYPE_I64,
                                      WKV_DTYPE_C128};
    uint8_t data[16 * 16], out[16 * 16];
    for (int i = 0; i < 256; i++)
        data[i] = (uint8_t)i;
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        const size_t size = (size_t)wkv_dtype_of(types[k])->bytes;
        wkv_tensor t = matrix(data, types[k], 2, 8);
        t.stride[0] = 1;
        t.stride[1] = 2;
        wkv_tensor_copy(out, &t, types[k]);
        assert_memory_equal(out + size, data + 2 * size, size);
        assert_memory_equal(out + 8 * size, data + size, size);
    }
}

static void conversion_rounds_to_nearest(void **state)
{
    float data[300];
    uint16_t half[300], brain[300];
    double wide[300];
    for (int i = 0; i < 300; i++)
        data[i] = (float)(i - 150) * 1.00390625f / 7.0f;
    wkv_tensor t = matrix(data, WKV_DTYPE_F32, 3, 100);
    wkv_tensor_copy(half, &t, WKV_DTYPE_F16);
    wkv_tensor_copy(brain, &t, WKV_DTYPE_BF16);
    wkv_tensor_copy(wide, &t, WKV_DTYPE_F64);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(half[i], wkv_f32_to_f16(data[i]));
        assert_int_equal(brain[i], wkv_f32_to_bf16(data[i]));
        assert_true(wide[i] == (double)data[i]);
    }
    /* From a strided half to float. */
    wkv_tensor h = matrix(half, WKV_DTYPE_F16, 100, 3);
    h.stride[0] = 1;
    h.stride[1] = 100;
    float out[300];
    wkv_tensor_copy(out, &h, WKV_DTYPE_F32);
    assert_true(out[1] == wkv_f16_to_f32(half[100]));
    assert_true(out[299] == wkv_f16_to_f32(half[299]));
}

static void blocks_are_decoded_from_any_block_on(void **state)
{
    uint8_t blocks[4 * 34]; /* Q8_0: a half scale and 32 signed bytes */
    for (int b = 0; b < 4; b++) {
        uint16_t scale = wkv_f32_to_f16((float)(b + 1));
        memcpy(blocks + 34 * b, &scale, 2);
        for (int i = 0; i < 32; i++)
            blocks[34 * b + 2 + i] = (uint8_t)(i - 16);
    }
    wkv_tensor t = matrix(blocks, WKV_DTYPE_Q8_0, 2, 64);
    float out[64];
    wkv_tensor_read(out, &t, WKV_DTYPE_F32, 64, 64);
    assert_true(out[0] == -48.0f && out[31] == 45.0f && out[63] == 60.0f);
    uint8_t same[68];
    wkv_tensor_read(same, &t, WKV_DTYPE_Q8_0, 32, 64);
    assert_memory_equal(same, blocks + 34, 68);
}

/* Whole ones go another way than pieces. */
static void whole_transposed_matrices_are_their_pieces(void **state)
{
    enum { MOST = 40 };
    uint8_t data[8 * MOST * (MOST + 1)], whole[8 * MOST * MOST], piece[8 * MOST * MOST];
    const wkv_dtype types[] = {WKV_DTYPE_F32, WKV_DTYPE_F16, WKV_DTYPE_F64};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + i / 251);
    for (int64_t rows = 1; rows <= MOST; rows++)
        for (int64_t columns = 1; columns <= MOST; columns += 3) {
            wkv_tensor t = matrix(data, types[(rows + columns) % 3], rows, columns);
            const size_t size = (size_t)wkv_dtype_of(t.dtype)->bytes;
            const size_t bytes = size * (size_t)(rows * columns), row = size * (size_t)columns;
            t.stride[0] = 1;
            t.stride[1] = rows + columns % 2; /* with a gap between columns, or without */
            wkv_tensor_copy(whole, &t, t.dtype);
            for (int64_t r = 0; r < rows; r++)
                wkv_tensor_read(piece + (size_t)r * row, &t, t.dtype, r * columns, columns);
            assert_memory_equal(whole, piece, bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strides_are_row_major),
        cmocka_unit_test(a_scalar_has_one_element),
        cmocka_unit_test(matrices_are_told_from_vectors),
        cmocka_unit_test(a_transposed_view_reads_in_its_own_order),
        cmocka_unit_test(pieces_fit_together),
        cmocka_unit_test(a_stride_of_zero_repeats),
        cmocka_unit_test(every_element_size_is_gathered),
        cmocka_unit_test(whole_transposed_matrices_are_their_pieces),
        cmocka_unit_test(conversion_rounds_to_nearest),
        cmocka_unit_test(blocks_are_decoded_from_any_block_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
