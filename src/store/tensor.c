/* store/tensor.c - tensors as arrays of elements: how many, in which order, and
 * copying them out of any layout into any real type.
 *
 * Conversion goes through small pieces on the stack, so that no copy of a whole
 * tensor is ever needed. */
#include <string.h>

#include "base/checked.h"
#include "store/format.h"

enum { PIECE = 256 }; /* elements; a multiple of every block size */

int64_t wkv_tensor_count(const wkv_tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->ndim; d++)
        n *= t->dim[d];
    return n;
}

uint64_t wkv_tensor_bytes(const wkv_tensor *t, wkv_dtype as)
{
    uint64_t bytes = 0;
    wkv_dtype_bytes(as, (uint64_t)wkv_tensor_count(t), &bytes);
    return bytes;
}

bool wkv_tensor_contiguous(const wkv_tensor *t)
{
    int64_t expected = 1;
    if (wkv_tensor_count(t) == 0)
        return true;
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (t->dim[d] != 1 && t->stride[d] != expected)
            return false;
        expected *= t->dim[d];
    }
    return true;
}

bool wkv_tensor_is_matrix(const wkv_tensor *t)
{
    int wide = 0;
    for (int d = 0; d < t->ndim; d++)
        wide += t->dim[d] > 1;
    return wide >= 2;
}

void wkv_tensor_set_strides(wkv_tensor *t)
{
    uint64_t stride = 1;
    for (int d = t->ndim - 1; d >= 0; d--) {
        t->stride[d] = (int64_t)stride;
        /* A stride that overflows belongs to no element. */
        if (t->dim[d] > 0 &&
            (!wkv_mul_ok(stride, (uint64_t)t->dim[d], &stride) || stride > INT64_MAX))
            stride = 0;
    }
}

bool wkv_tensor_measure(const wkv_tensor *t, uint64_t *count, uint64_t *span)
{
    uint64_t reach = 0;
    *count = 1;
    for (int d = 0; d < t->ndim; d++) {
        if (t->dim[d] < 0 || t->stride[d] < 0)
            return false;
        if (!wkv_mul_ok(*count, (uint64_t)t->dim[d], count) || *count > INT64_MAX)
            return false;
    }
    if (*count == 0) {
        *span = 0;
        return true;
    }
    for (int d = 0; d < t->ndim; d++) {
        uint64_t step;
        if (!wkv_mul_ok((uint64_t)t->dim[d] - 1, (uint64_t)t->stride[d], &step) ||
            !wkv_add_ok(reach, step, &reach) || reach >= INT64_MAX)
            return false;
    }
    *span = reach + 1;
    return true;
}

/* n elements of `size` bytes, `step` bytes apart. */
static void copy_run(uint8_t *dst, const uint8_t *src, int64_t n, int64_t step, int size)
{
    switch (size) {
    case 2:
        for (int64_t i = 0; i < n; i++, dst += 2, src += step)
            memcpy(dst, src, 2);
        break;
    case 4:
        for (int64_t i = 0; i < n; i++, dst += 4, src += step)
            memcpy(dst, src, 4);
        break;
    default:
        for (int64_t i = 0; i < n; i++, dst += size, src += step)
            memcpy(dst, src, (size_t)size);
        break;
    }
}

/* Elements [first, first + n) of a strided tensor with at least one dimension. */
static void gather(uint8_t *dst, const wkv_tensor *t, int64_t first, int64_t n)
{
    const int size = wkv_dtype_of(t->dtype)->bytes;
    const int last = t->ndim - 1;
    int64_t at[WKV_MAX_DIMS];
    int64_t offset = 0; /* in elements */
    for (int d = last; d >= 0; d--) {
        at[d] = first % t->dim[d];
        first /= t->dim[d];
        offset += at[d] * t->stride[d];
    }
    while (n > 0) {
        int64_t run = t->dim[last] - at[last] < n ? t->dim[last] - at[last] : n;
        copy_run(dst, t->data + offset * size, run, t->stride[last] * size, size);
        dst += run * size;
        n -= run;
        offset += run * t->stride[last];
        at[last] += run;
        for (int d = last; d > 0 && at[d] == t->dim[d]; d--) {
            offset += t->stride[d - 1] - t->dim[d] * t->stride[d];
            at[d] = 0;
            at[d - 1]++;
        }
    }
}

/* Four columns of four elements of four bytes as rows; columns `step` bytes apart, rows `width`. */
static void transpose_four(uint8_t *dst, const uint8_t *src, int64_t width, int64_t step)
{
    uint32_t in[4][4];
    for (int c = 0; c < 4; c++)
        memcpy(in[c], src + c * step, sizeof in[c]);
    for (int r = 0; r < 4; r++) {
        const uint32_t line[4] = {in[0][r], in[1][r], in[2][r], in[3][r]};
        memcpy(dst + r * width, line, sizeof line);
    }
}

/* All of a matrix whose columns are contiguous, in tiles that stay in the cache. */
static void transpose(uint8_t *dst, const wkv_tensor *t)
{
    enum { TILE = 16 };
    const int64_t rows = t->dim[0], cols = t->dim[1];
    const int64_t size = wkv_dtype_of(t->dtype)->bytes, step = t->stride[1] * size;
    for (int64_t r = 0; r < rows; r += TILE) {
        const int64_t end = rows - r < TILE ? rows : r + TILE;
        int64_t c = 0;
        for (; size == 4 && end - r == TILE && c + 4 <= cols; c += 4)
            for (int64_t i = r; i < end; i += 4)
                transpose_four(dst + (i * cols + c) * 4, t->data + c * step + i * 4, cols * 4,
                               step);
        for (int64_t i = r; i < end && c < cols; i++)
            copy_run(dst + (i * cols + c) * size, t->data + c * step + i * size, cols - c, step,
                     (int)size);
    }
}

/* Where element `first` of a contiguous tensor lies. */
static const uint8_t *address(const wkv_tensor *t, int64_t first)
{
    const wkv_dtype_info *info = wkv_dtype_of(t->dtype);
    return t->data + first / info->block * info->bytes;
}

static void convert(uint8_t *dst, const uint8_t *src, wkv_dtype from, wkv_dtype to, int64_t n)
{
    if (to == WKV_DTYPE_F64) {
        double wide[PIECE];
        wkv_dtype_to_f64(wide, src, from, (size_t)n);
        memcpy(dst, wide, (size_t)n * sizeof *wide);
    } else {
        float narrow[PIECE];
        wkv_dtype_to_f32(narrow, src, from, (size_t)n);
        wkv_dtype_from_f32(dst, narrow, to, (size_t)n);
    }
}

void wkv_tensor_read(void *dst, const wkv_tensor *t, wkv_dtype as, int64_t first, int64_t n)
{
    if (n == 0)
        return;
    const wkv_dtype_info *from = wkv_dtype_of(t->dtype);
    const bool contiguous = wkv_tensor_contiguous(t);
    if (as == t->dtype && contiguous) {
        memcpy(dst, address(t, first), (size_t)(n / from->block * from->bytes));
        return;
    }
    if (as == t->dtype) {
        gather(dst, t, first, n);
        return;
    }
    uint8_t gathered[PIECE * 16];
    uint8_t *to = dst;
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t m = n - i < PIECE ? n - i : PIECE;
        const uint8_t *src = gathered;
        if (contiguous)
            src = address(t, first + i);
        else
            gather(gathered, t, first + i, m);
        convert(to, src, t->dtype, as, m);
        to += m * wkv_dtype_of(as)->bytes;
    }
}

void wkv_tensor_copy(void *dst, const wkv_tensor *t, wkv_dtype as)
{
    if (as == t->dtype && t->ndim == 2 && t->stride[0] == 1 && t->dim[1] > 1) {
        transpose(dst, t);
        return;
    }
    wkv_tensor_read(dst, t, as, 0, wkv_tensor_count(t));
}
