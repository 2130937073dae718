/* dev/cpu/pack.c - weights of block types become the panels that products want
 * (kern/panel.h), once, when a model is opened: all threads, whole panels each. */
#include <assert.h>

#include "base/mem.h"
#include "dev/cpu/cpu.h"

enum { PANELS = 8 }; /* that a thread takes at a time: more than a page of the file */

static wkv_layout layout_of(const wkv_weight *W)
{
    return W->in_out ? WKV_LAYOUT_NONE : wkv_layout_for(W->dtype, (size_t)W->cols);
}

size_t wkv_cpu_packed_size(const wkv_weight *W)
{
    const wkv_layout l = layout_of(W);
    const size_t panels = ((size_t)W->rows + WKV_PANEL - 1) / WKV_PANEL;
    return l == WKV_LAYOUT_NONE ? 0 : panels * wkv_panel_bytes(l, (size_t)W->cols);
}

bool wkv_cpu_pack(const wkv_dev *d, wkv_weight *W, unsigned char *to)
{
    const wkv_layout l = layout_of(W);
    const wkv_dtype_info *t = wkv_dtype_of(W->dtype);
    const size_t rows = (size_t)W->rows, n = (size_t)W->cols;
    const size_t row_bytes = n / (size_t)t->block * (size_t)t->bytes;
    const size_t panels = (rows + WKV_PANEL - 1) / WKV_PANEL, bytes = wkv_panel_bytes(l, n);
    const size_t pieces = (panels + PANELS - 1) / PANELS;
    const int parts = pieces < (size_t)d->threads ? (int)pieces : d->threads;
    float *wide = wkv_malloc_aligned((size_t)parts * n * sizeof *wide);
    if (wide == NULL)
        return false;
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int i = 0; i < parts; i++) {
        wkv_span s = wkv_span_of(panels, parts, i, PANELS);
        for (size_t p = s.begin; p < s.begin + s.n; p++) {
            const size_t left = rows - p * WKV_PANEL;
            wkv_pack_panel(to + p * bytes, l,
                           (const unsigned char *)W->data + p * WKV_PANEL * row_bytes, W->dtype,
                           left < WKV_PANEL ? (int)left : WKV_PANEL, n, wide + (size_t)i * n);
        }
    }
    wkv_free_aligned(wide);
    W->packed = to;
    W->layout = l;
    return true;
}
