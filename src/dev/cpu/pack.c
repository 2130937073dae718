/* dev/cpu/pack.c - weights of block types become the panels that products want
 * (kern/panel.h), while these are computed.
 *
 * Packing all at once when a model opens would read and write it before the first token: most
 * of the time until then goes into pages that the system has to clear.  So whoever meets a
 * unit for the first time packs it into a few kilobytes that stay in his cache, and only the
 * second one puts it into its place.  The bits are the same, and what is never used takes no
 * memory. */
#include "dev/cpu/cpu.h"

/* Of fewer, what meets zeros stays in the caches, where reading all of it costs little. */
enum { LEAST_COLUMNS = 1 << 16 };

/* Plain weights that are to lie by inputs.  A batch meets low-rank factors so several times as
 * fast. */
static bool is_by_inputs(const wkv_weight *W)
{
    const bool known =
        W->dtype == WKV_DTYPE_REAL || W->dtype == WKV_DTYPE_F16 || W->dtype == WKV_DTYPE_BF16;
    const bool pays = W->sparse_in && (size_t)W->rows * (size_t)W->cols >= LEAST_COLUMNS;
    return known && (pays || W->low_rank);
}

static wkv_layout layout_of(const wkv_weight *W)
{
    if (W->in_out)
        return WKV_LAYOUT_NONE;
    return is_by_inputs(W) ? WKV_LAYOUT_T : wkv_layout_for(W->dtype, (size_t)W->cols);
}

/* Outputs that are packed together, and the bytes of these. */
static size_t unit_of(const wkv_weight *W, wkv_layout l)
{
    return l == WKV_LAYOUT_T ? WKV_COLUMNS : W->sparse_in ? WKV_GROUP : WKV_PANEL;
}

static size_t unit_bytes(const wkv_weight *W, wkv_layout l)
{
    const size_t n = (size_t)W->cols;
    if (l == WKV_LAYOUT_T)
        return n * WKV_COLUMNS * (size_t)wkv_dtype_of(W->dtype)->bytes;
    return W->sparse_in ? wkv_group_bytes(l, n) : wkv_panel_bytes(l, n);
}

size_t wkv_cpu_packed_size(const wkv_weight *W)
{
    const wkv_layout l = layout_of(W);
    if (l == WKV_LAYOUT_NONE)
        return 0;
    return wkv_cpu_packed_units(W) * unit_bytes(W, l);
}

size_t wkv_cpu_packed_units(const wkv_weight *W)
{
    const size_t unit = unit_of(W, layout_of(W));
    return ((size_t)W->rows + unit - 1) / unit;
}

void wkv_cpu_pack(wkv_weight *W, unsigned char *to, atomic_uchar *marks)
{
    W->packed = to;
    W->marks = marks;
    W->layout = layout_of(W);
}

/* ---- unit by unit ----------------------------------------------------------------------- */

enum { UNMET = 0, MET, BUSY, READY };

/* Of the panels that become a group. */
static size_t group_room(const wkv_weight *W)
{
    const bool group = W->sparse_in && W->layout != WKV_LAYOUT_T;
    return group ? WKV_GROUP_PANELS * wkv_panel_bytes(W->layout, (size_t)W->cols) : 0;
}

size_t wkv_cpu_pack_room(const wkv_weight *W)
{
    return unit_bytes(W, W->layout) + group_room(W) + (size_t)W->cols * sizeof(float);
}

/* `here` rows (at most 128) by way of panels. */
static void pack_group(const wkv_kern *k, unsigned char *to, const wkv_weight *W,
                       const unsigned char *from, size_t row_bytes, int here, unsigned char *panels)
{
    const size_t n = (size_t)W->cols;
    float *wide = (float *)(void *)(panels + group_room(W));
    for (int p = 0; p < WKV_GROUP_PANELS; p++) {
        const int first = p * WKV_PANEL, left = here > first ? here - first : 0;
        wkv_pack_panel(panels + (size_t)p * wkv_panel_bytes(W->layout, n), W->layout,
                       from + (size_t)(left > 0 ? first : 0) * row_bytes, W->dtype,
                       left < WKV_PANEL ? left : WKV_PANEL, n, wide, k->q8_bias);
    }
    k->panels_to_group(to, panels, W->layout, W->cols);
}

/* Behind the unit in room: what packing it takes. */
static void pack_unit(const wkv_kern *k, unsigned char *to, const wkv_weight *W, size_t u,
                      unsigned char *room)
{
    const wkv_layout l = W->layout;
    const size_t n = (size_t)W->cols, row_bytes = wkv_weight_row_bytes(W);
    const size_t unit = unit_of(W, l), left = (size_t)W->rows - u * unit;
    const int here = (int)(left < unit ? left : unit);
    const unsigned char *from = (const unsigned char *)W->data + u * unit * row_bytes;
    if (l == WKV_LAYOUT_T)
        wkv_pack_columns(to, from, here, n, (size_t)wkv_dtype_of(W->dtype)->bytes);
    else if (W->sparse_in)
        pack_group(k, to, W, from, row_bytes, here, room + unit_bytes(W, l));
    else
        wkv_pack_panel(to, l, from, W->dtype, here, n, (float *)(void *)(room + unit_bytes(W, l)),
                       k->q8_bias);
}

/* Where unit u lies.  Who meets it first, or while another thread puts it into its place, packs
 * it for himself. */
static const unsigned char *meet(const wkv_kern *k, const wkv_weight *W, size_t u,
                                 unsigned char *room)
{
    atomic_uchar *mark = &W->marks[u];
    unsigned char *place = W->packed + u * unit_bytes(W, W->layout), was = MET;
    if (atomic_load_explicit(mark, memory_order_acquire) == READY)
        return place;
    if (atomic_compare_exchange_strong(mark, &was, BUSY)) {
        pack_unit(k, place, W, u, room);
        atomic_store_explicit(mark, READY, memory_order_release);
        return place;
    }
    if (was == READY)
        return place;
    if (was == UNMET)
        atomic_compare_exchange_strong(mark, &was, MET);
    pack_unit(k, room, W, u, room);
    return room;
}

const unsigned char *wkv_cpu_packed(const wkv_kern *k, const wkv_weight *W, size_t begin, size_t *n,
                                    unsigned char *room)
{
    const size_t unit = unit_of(W, W->layout), first = begin / unit, all = (*n + unit - 1) / unit;
    size_t ready = 0;
    while (ready < all &&
           atomic_load_explicit(&W->marks[first + ready], memory_order_acquire) == READY)
        ready++;
    if (ready == all)
        return W->packed + first * unit_bytes(W, W->layout);
    ready = ready > 0 ? ready : 1;
    *n = *n < ready * unit ? *n : ready * unit;
    return meet(k, W, first, room);
}
