/* dev/cpu/pack.c - weights of block types become the panels that products want
 * (kern/panel.h), once, when a model is opened: all threads, whole panels each. */
#include <assert.h>

#include "base/mem.h"
#include "dev/cpu/cpu.h"

enum { PANELS = 8 }; /* that a thread takes at a time: more than a page of the file */

static wkv_layout layout_of(const wkv_weight *W)
{
    wkv_layout l = W->in_out ? WKV_LAYOUT_NONE : wkv_layout_for(W->dtype, (size_t)W->cols);
    return W->sparse_in && W->dtype == WKV_DTYPE_Q8_0 && l != WKV_LAYOUT_NONE ? WKV_LAYOUT_Q8T : l;
}

/* Outputs that are packed together, and the bytes of these. */
static size_t unit_of(wkv_layout l)
{
    return l == WKV_LAYOUT_Q8T ? WKV_GROUP : WKV_PANEL;
}

static size_t unit_bytes(wkv_layout l, size_t n)
{
    return l == WKV_LAYOUT_Q8T ? wkv_group_bytes(n) : wkv_panel_bytes(l, n);
}

size_t wkv_cpu_packed_size(const wkv_weight *W)
{
    const wkv_layout l = layout_of(W);
    if (l == WKV_LAYOUT_NONE)
        return 0;
    return ((size_t)W->rows + unit_of(l) - 1) / unit_of(l) * unit_bytes(l, (size_t)W->cols);
}

bool wkv_cpu_pack(const wkv_dev *d, wkv_weight *W, unsigned char *to)
{
    const wkv_layout l = layout_of(W);
    const wkv_dtype_info *t = wkv_dtype_of(W->dtype);
    const size_t rows = (size_t)W->rows, n = (size_t)W->cols;
    const size_t row_bytes = n / (size_t)t->block * (size_t)t->bytes;
    const size_t unit = unit_of(l), units = (rows + unit - 1) / unit, bytes = unit_bytes(l, n);
    const size_t grain = PANELS * WKV_PANEL / unit, pieces = (units + grain - 1) / grain;
    const int parts = pieces < (size_t)d->threads ? (int)pieces : d->threads;
    float *wide = wkv_malloc_aligned((size_t)parts * n * sizeof *wide);
    if (wide == NULL)
        return false;
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(units, parts, i, grain);
        for (size_t p = s.begin; p < s.begin + s.n; p++) {
            const size_t left = rows - p * unit;
            const int here = (int)(left < unit ? left : unit);
            const unsigned char *from = (const unsigned char *)W->data + p * unit * row_bytes;
            if (l == WKV_LAYOUT_Q8T)
                wkv_pack_group(to + p * bytes, from, here, n);
            else
                wkv_pack_panel(to + p * bytes, l, from, W->dtype, here, n, wide + (size_t)i * n);
        }
    }
    wkv_free_aligned(wide);
    W->packed = to;
    W->layout = l;
    return true;
}
