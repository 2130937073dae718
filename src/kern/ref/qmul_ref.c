/* kern/ref/qmul_ref.c - products of packed weights (panel.h) with 8-bit activations, element
 * by element.  Integers are exact and the order of the rest is fixed, so that every faster
 * version gives these very bits. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kern/kern.h"

/* Blocks whose largest value is below this are taken for zeros, so that 127 / it is finite. */
#define TINY 0x1p-100f

void wkv_quant_rows_ref(const wkv_qrows *to, const real *x, size_t n)
{
    for (size_t b = 0; b < n / WKV_QBLOCK; b++, x += WKV_QBLOCK) {
        int8_t *q = to->q + b * WKV_QBLOCK;
        int32_t sums[2] = {0, 0};
        float most = 0;
        for (int i = 0; i < WKV_QBLOCK; i++) { /* a NaN is more than everything */
            float a = fabsf((float)x[i]);
            most = a > most || a != a ? a : most;
        }
        float inverse = most < TINY ? 0 : 127 / most;
        to->scale[b] = most < TINY ? 0 : most < INFINITY ? most / 127 : NAN;
        for (int i = 0; i < WKV_QBLOCK; i++) {
            float v = (float)x[i] * inverse;
            v = v > -127 ? v : -127; /* NaN too */
            q[i] = (int8_t)nearbyintf(v < 127 ? v : 127);
            sums[i / 16] += q[i];
        }
        to->sum[b] = sums[0] + sums[1];
        to->first_sum[b] = sums[0];
        to->offset[b] = to->scale[b] * (float)to->sum[b];
    }
}

static int high_bits(const unsigned char *lines, int group, int at)
{
    return lines[group / 4 * WKV_QGROUP_LINE + at] >> (group % 4 * 2) & 3;
}

/* The number that stands for input i of a block's output o, before scales and offsets. */
static int number(wkv_layout l, const unsigned char *block, int o, int i)
{
    const int group = i / 4, at = 4 * o + i % 4;
    if (l == WKV_LAYOUT_Q8)
        return (int8_t)block[group * WKV_QGROUP_LINE + at];
    if (l == WKV_LAYOUT_Q8M || l == WKV_LAYOUT_Q8K)
        return block[group * WKV_QGROUP_LINE + at];
    const int nibble = block[group % 4 * WKV_QGROUP_LINE + at] >> (group / 4 * 4) & 15;
    if (l == WKV_LAYOUT_Q4)
        return nibble - 8;
    return l == WKV_LAYOUT_Q4K ? nibble : (nibble | high_bits(block + 256, group, at) << 4) - 32;
}

/* The sum over inputs [begin, end) of a block. */
static int32_t block_sum(wkv_layout l, const unsigned char *block, int o, const int8_t *x,
                         int begin, int end)
{
    int32_t sum = 0;
    for (int i = begin; i < end; i++)
        sum += number(l, block, o, i) * x[i];
    return sum;
}

static float half_at(const unsigned char *p)
{
    return wkv_f16_to_f32((uint16_t)(p[0] | (unsigned)p[1] << 8));
}

/* The scales of block b for output o of a panel.  d, m: times s and t where there are such; half:
 * the s of Q6K. */
typedef struct block_scales {
    float d, m;
    int half[2];
} block_scales;

static block_scales scales_of(wkv_layout l, const unsigned char *panel, size_t b, int o)
{
    const wkv_layout_info info = wkv_layout_of(l);
    const unsigned char *scales =
        panel + b / (size_t)(info.span / WKV_QBLOCK) * (size_t)info.scales;
    const int j = (int)(b % (WKV_QSUPER / WKV_QBLOCK));
    const float d = half_at(scales + 2 * o);
    if (l == WKV_LAYOUT_Q8M)
        return (block_scales){.d = d, .m = half_at(scales + 32 + 2 * o)};
    if (l == WKV_LAYOUT_Q4K || l == WKV_LAYOUT_Q8K)
        return (block_scales){.d = d * scales[64 + 16 * j + o],
                              .m = -half_at(scales + 32 + 2 * o) * scales[192 + 16 * j + o]};
    if (l == WKV_LAYOUT_Q6K)
        return (block_scales){
            .d = d, .half = {(int8_t)scales[32 + 32 * j + o], (int8_t)scales[48 + 32 * j + o]}};
    return (block_scales){.d = d};
}

static bool has_offsets(wkv_layout l)
{
    return l == WKV_LAYOUT_Q4K || l == WKV_LAYOUT_Q8K || l == WKV_LAYOUT_Q8M;
}

static const unsigned char *block_at(wkv_layout l, const unsigned char *panel, size_t n, size_t b)
{
    return panel + wkv_panel_scales(l, n) + b * (size_t)wkv_layout_of(l).block;
}

/* acc plus a block whose halves have the integers first and second; at: the activations' block. */
static float add_sums(float acc, wkv_layout l, const block_scales *s, const wkv_qrows *x, size_t at,
                      int32_t first, int32_t second)
{
    const int32_t sum =
        l == WKV_LAYOUT_Q6K ? s->half[0] * first + s->half[1] * second : first + second;
    acc = fmaf((float)sum, s->d * x->scale[at], acc);
    if (!has_offsets(l))
        return acc;
    return fmaf(s->m, x->offset[at], acc);
}

/* acc plus block b of output o of a panel. */
static float add_block(float acc, wkv_layout l, const unsigned char *panel, size_t n, size_t b,
                       int o, const wkv_qrows *x, size_t row)
{
    const size_t at = row * x->pitch + b;
    const int8_t *q = x->q + at * WKV_QBLOCK;
    const unsigned char *block = block_at(l, panel, n, b);
    const block_scales s = scales_of(l, panel, b, o);
    return add_sums(acc, l, &s, x, at, block_sum(l, block, o, q, 0, 16),
                    block_sum(l, block, o, q, 16, 32));
}

static void multiply(wkv_layout l, real *y, int ldy, const wkv_qrows *x, int rows,
                     const unsigned char *panels, int n_out, int n, bool add)
{
    const size_t inputs = (size_t)n;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < n_out; o++) {
            const unsigned char *panel =
                panels + (size_t)(o / WKV_PANEL) * wkv_panel_bytes(l, inputs);
            float sum = 0;
            for (size_t b = 0; b < inputs / WKV_QBLOCK; b++)
                sum = add_block(sum, l, panel, inputs, b, o % WKV_PANEL, x, (size_t)r);
            real *at = y + (size_t)r * (size_t)ldy + (size_t)o;
            *at = add ? *at + (real)sum : (real)sum;
        }
}

#define QMUL(id, name, span, scales, block) \
    void wkv_qmul_##name##_ref(real *y, int ldy, const wkv_qrows *x, int rows, \
                               const unsigned char *panels, int n_out, int n, bool add) \
    { \
        multiply(WKV_LAYOUT_##id, y, ldy, x, rows, panels, n_out, n, add); \
    }
WKV_PANEL_LAYOUTS(QMUL)
#undef QMUL

/* ---- by inputs --------------------------------------------------------------------------- */

/* Where the number of output o of a group lies among those of an input: byte and shift. */
typedef struct place {
    size_t byte;
    int shift;
} place;

static place place_of(wkv_layout l, int o)
{
    const size_t at = (size_t)(o % 16 / 4 * 16 + o % 64 / 16 * 4 + o % 4);
    if (wkv_group_line(l) < WKV_GROUP)
        return (place){at, o / 64 * 4};
    return (place){(size_t)(o / 64 * 64) + at, 0};
}

/* As number(), of input i of the row. */
static int group_number(wkv_layout l, const unsigned char *lines, int o, size_t i)
{
    const place p = place_of(l, o);
    const unsigned char byte = lines[i * wkv_group_line(l) + p.byte];
    if (l == WKV_LAYOUT_Q8)
        return (int8_t)byte;
    if (wkv_group_line(l) < WKV_GROUP)
        return (byte >> p.shift & 15) - (l == WKV_LAYOUT_Q4 ? 8 : 0);
    return byte - (l == WKV_LAYOUT_Q6K ? 32 : 0);
}

/* The sum over quads [t, end). */
static int32_t sum_quads(wkv_layout l, const unsigned char *lines, int o, const wkv_quads *quads,
                         uint32_t t, uint32_t end)
{
    int32_t sum = 0;
    for (; t < end; t++)
        for (int i = 0; i < 4; i++)
            sum += group_number(l, lines, o, quads->quad[t].at[i]) * quads->quad[t].q[i];
    return sum;
}

/* Output o of a group. */
static float group_output(wkv_layout l, const unsigned char *group, int o, const wkv_qrows *x,
                          const wkv_quads *quads, size_t n)
{
    const unsigned char *scales = group + (size_t)(o / WKV_PANEL) * wkv_panel_scales(l, n);
    const unsigned char *lines = group + wkv_group_scales(l, n);
    float acc = 0;
    uint32_t t = 0;
    for (size_t b = 0; b < n / WKV_QBLOCK; b++) {
        const uint32_t middle = quads->end[2 * b], end = quads->end[2 * b + 1];
        const block_scales s = scales_of(l, scales, b, o % WKV_PANEL);
        if (t < end)
            acc = add_sums(acc, l, &s, x, b, sum_quads(l, lines, o, quads, t, middle),
                           sum_quads(l, lines, o, quads, middle, end));
        t = end;
    }
    return acc;
}

void wkv_qmul_at_ref(real *y, const wkv_qrows *x, const wkv_quads *quads,
                     const unsigned char *groups, wkv_layout l, int n_out, int n, bool add)
{
    const size_t inputs = (size_t)n;
    for (int o = 0; o < n_out; o++) {
        const unsigned char *group = groups + (size_t)(o / WKV_GROUP) * wkv_group_bytes(l, inputs);
        const float sum = group_output(l, group, o % WKV_GROUP, x, quads, inputs);
        y[o] = add ? y[o] + (real)sum : (real)sum;
    }
}

/* One output of a row with weights of a group. */
static float group_row(wkv_layout l, const unsigned char *group, int o, const wkv_qrows *x,
                       size_t n)
{
    const unsigned char *scales = group + (size_t)(o / WKV_PANEL) * wkv_panel_scales(l, n);
    const unsigned char *lines = group + wkv_group_scales(l, n);
    float acc = 0;
    for (size_t b = 0; b < n / WKV_QBLOCK; b++) {
        const block_scales s = scales_of(l, scales, b, o % WKV_PANEL);
        int32_t sum[2] = {0, 0};
        for (size_t i = 0; i < WKV_QBLOCK; i++)
            sum[i / (WKV_QBLOCK / 2)] +=
                x->q[b * WKV_QBLOCK + i] * group_number(l, lines, o, b * WKV_QBLOCK + i);
        acc = add_sums(acc, l, &s, x, b, sum[0], sum[1]);
    }
    return acc;
}

void wkv_qmul_groups_ref(real *y, int ldy, const wkv_qrows *x, int rows,
                         const unsigned char *groups, wkv_layout l, int n_out, int n, bool add,
                         void *room)
{
    (void)room;
    const size_t inputs = (size_t)n;
    for (int r = 0; r < rows; r++, y += ldy)
        for (int o = 0; o < n_out; o++) {
            const wkv_qrows row = wkv_qrows_from(x, (size_t)r, 0);
            const unsigned char *group =
                groups + (size_t)(o / WKV_GROUP) * wkv_group_bytes(l, inputs);
            const float sum = group_row(l, group, o % WKV_GROUP, &row, inputs);
            y[o] = add ? y[o] + (real)sum : (real)sum;
        }
}

/* Puts a number (number(), and what that took off it) into the lines of a panel's block, which were
 * zeros. */
static void put_number(wkv_layout l, unsigned char *block, int o, int i, unsigned value)
{
    const int group = i / 4, at = 4 * o + i % 4;
    const int bytes = wkv_layout_of(l).block;
    if (bytes == WKV_QBLOCK * WKV_PANEL) {
        block[group * WKV_QGROUP_LINE + at] = (unsigned char)value;
        return;
    }
    block[group % 4 * WKV_QGROUP_LINE + at] |= (unsigned char)((value & 15) << (group / 4 * 4));
    if (l == WKV_LAYOUT_Q6K)
        block[256 + group / 4 * WKV_QGROUP_LINE + at] |=
            (unsigned char)(value >> 4 << (group % 4 * 2));
}

static unsigned taken_off(wkv_layout l)
{
    return l == WKV_LAYOUT_Q4 ? 8 : l == WKV_LAYOUT_Q6K ? 32 : 0;
}

void wkv_group_to_panels_ref(unsigned char *panels, const unsigned char *group, wkv_layout l, int n)
{
    const size_t inputs = (size_t)n, bytes = wkv_panel_bytes(l, inputs);
    const size_t scales = wkv_panel_scales(l, inputs), block = (size_t)wkv_layout_of(l).block;
    const unsigned char *lines = group + wkv_group_scales(l, inputs);
    memset(panels, 0, WKV_GROUP_PANELS * bytes);
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++)
        memcpy(panels + p * bytes, group + p * scales, scales);
    for (int o = 0; o < WKV_GROUP; o++)
        for (size_t i = 0; i < inputs; i++)
            put_number(l,
                       panels + (size_t)(o / WKV_PANEL) * bytes + scales + i / WKV_QBLOCK * block,
                       o % WKV_PANEL, (int)(i % WKV_QBLOCK),
                       (unsigned)group_number(l, lines, o, i) + taken_off(l));
}

void wkv_panels_to_group_ref(unsigned char *group, const unsigned char *panels, wkv_layout l, int n)
{
    const size_t inputs = (size_t)n, bytes = wkv_panel_bytes(l, inputs);
    const size_t scales = wkv_panel_scales(l, inputs);
    unsigned char *lines = group + wkv_group_scales(l, inputs);
    memset(group, 0, wkv_group_bytes(l, inputs));
    for (size_t p = 0; p < WKV_GROUP_PANELS; p++)
        memcpy(group + p * scales, panels + p * bytes, scales);
    for (int o = 0; o < WKV_GROUP; o++) {
        const unsigned char *panel = panels + (size_t)(o / WKV_PANEL) * bytes;
        const place p = place_of(l, o);
        for (size_t i = 0; i < inputs; i++) {
            const int value = number(l, block_at(l, panel, inputs, i / WKV_QBLOCK), o % WKV_PANEL,
                                     (int)(i % WKV_QBLOCK));
            lines[i * wkv_group_line(l) + p.byte] |=
                (unsigned char)(((unsigned)value + taken_off(l)) << p.shift);
        }
    }
}

/* ---- bf16 -------------------------------------------------------------------------------- */

/* Number `at` of a tile and, where there are more parts, of those behind it. */
static void put_parts(uint16_t *tile, int at, float x, int parts)
{
    for (int p = 0; p < parts; p++, tile += WKV_TILE) {
        tile[at] = wkv_f32_to_bf16(x);
        x -= wkv_bf16_to_f32(tile[at]);
    }
}

void wkv_tile_rows_ref(uint16_t *tiles, const real *x, int rows, int n, int parts)
{
    const int all = (rows + WKV_TILE_ROWS - 1) / WKV_TILE_ROWS * WKV_TILE_ROWS;
    for (int r = 0; r < all; r++)
        for (int i = 0; i < n; i++) {
            const int block = r / WKV_TILE_ROWS * (n / WKV_QBLOCK) + i / WKV_QBLOCK;
            put_parts(tiles + (size_t)(block * parts) * WKV_TILE,
                      r % WKV_TILE_ROWS * WKV_QBLOCK + i % WKV_QBLOCK,
                      r < rows ? (float)x[(size_t)r * (size_t)n + (size_t)i] : 0, parts);
        }
}

/* Where the weight of input i and output o is in a tile. */
static int weight_place(int o, int i)
{
    return i / 2 * 32 + 2 * o + i % 2;
}

/* Input i of block b and output o of a panel. */
static float weight_at(wkv_layout l, const unsigned char *panel, size_t n, size_t b, int o, int i)
{
    const block_scales s = scales_of(l, panel, b, o);
    const float q = (float)number(l, block_at(l, panel, n, b), o, i);
    return l == WKV_LAYOUT_Q6K ? s.d * (float)s.half[i / 16] * q
           : has_offsets(l)    ? fmaf(s.d, q, s.m)
                               : s.d * q;
}

void wkv_tile_panel_ref(uint16_t *tiles, const unsigned char *panel, wkv_layout l, int n, int first,
                        int count)
{
    for (int b = first; b < first + count; b++, tiles += WKV_TILE)
        for (int o = 0; o < WKV_PANEL; o++)
            for (int i = 0; i < WKV_QBLOCK; i++)
                tiles[weight_place(o, i)] =
                    wkv_f32_to_bf16(weight_at(l, panel, (size_t)n, (size_t)b, o, i));
}

void wkv_tile_halves_ref(uint16_t *tiles, const wkv_halves *w, int outputs, int first, int count)
{
    const int parts = w->f16 ? 2 : 1;
    for (int b = first; b < first + count; b++, tiles += (size_t)parts * WKV_TILE)
        for (int o = 0; o < WKV_PANEL; o++)
            for (int i = 0; i < WKV_QBLOCK; i++) {
                const size_t in = (size_t)(b * WKV_QBLOCK + i), out = (size_t)o;
                const size_t at = w->by_inputs ? in * w->ld + out : out * w->ld + in;
                const uint16_t half = o < outputs ? w->at[at] : 0;
                put_parts(tiles, weight_place(o, i),
                          w->f16 ? wkv_f16_to_f32(half) : wkv_bf16_to_f32(half), parts);
            }
}

/* Of part p of row r with part q of output o. */
static double parts_product(const wkv_tile_factors *f, int r, int o, int p, int q)
{
    const uint16_t *a = f->x + (size_t)(r / WKV_TILE_ROWS) * f->x_step + (size_t)p * WKV_TILE;
    const uint16_t *b = f->w + (size_t)(o / WKV_PANEL * f->count * f->w_parts + q) * WKV_TILE;
    double sum = 0;
    for (int i = 0; i < f->count * WKV_QBLOCK; i++) {
        const size_t tile = (size_t)(i / WKV_QBLOCK) * WKV_TILE;
        const int in = i % WKV_QBLOCK, row = r % WKV_TILE_ROWS * WKV_QBLOCK;
        sum += (double)wkv_bf16_to_f32(a[tile * (size_t)f->x_parts + (size_t)(row + in)]) *
               (double)wkv_bf16_to_f32(
                   b[tile * (size_t)f->w_parts + (size_t)weight_place(o % WKV_PANEL, in)]);
    }
    return sum;
}

void wkv_tile_mul_ref(real *y, int ldy, const wkv_tile_factors *f, int rows, int n_out, bool add)
{
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < n_out; o++) {
            real *at = y + (size_t)r * (size_t)ldy + (size_t)o;
            double sum = add ? (double)*at : 0;
            for (int p = 0; p < f->x_parts; p++)
                for (int q = 0; q < f->w_parts && p + q < 3; q++)
                    sum += parts_product(f, r, o, p, q);
            *at = (real)sum;
        }
}
