/* tests/kern/check_qmul.c - products of packed weights: to the bit what the reference gives,
 * and the reference against the plain product of the weights that a file's blocks stand
 * for. */
#include <math.h>

#include "base/half.h"
#include "checkkern.h"

/* ---- activations --------------------------------------------------------------------- */

/* Rows of activations as the kernel under test makes them. */
static wkv_qrows quantised(check *c, const wkv_kern *k, const real *x, int rows, int n)
{
    const size_t count = (size_t)rows, inputs = (size_t)n;
    const wkv_qrows q = wkv_qrows_in(bytes(c, wkv_qrows_bytes(count, inputs)), count, inputs);
    wkv_quant_span(k, &q, x, inputs, 0, count * inputs);
    return q;
}

void check_quant_rows(check *c)
{
    const int n = WKV_QBLOCK * pick(c, 1, 9);
    const real *x = input(c, (size_t)n);
    const size_t blocks = (size_t)n / WKV_QBLOCK;
    wkv_qrows got = quantised(c, c->k, x, 1, n);
    wkv_qrows want = quantised(c, wkv_kern_for(WKV_CPU_REF), x, 1, n);
    assert_memory_equal(got.q, want.q, (size_t)n);
    assert_memory_equal(got.sum, want.sum, blocks * sizeof *got.sum);
    assert_memory_equal(got.first_sum, want.first_sum, blocks * sizeof *got.first_sum);
    for (size_t b = 0; b < blocks; b++) {
        bool finite = true;
        for (size_t i = b * WKV_QBLOCK; i < (b + 1) * WKV_QBLOCK; i++)
            finite = finite && isfinite(x[i]);
        assert_true(got.scale[b] == want.scale[b] || (isnan(got.scale[b]) && isnan(want.scale[b])));
        assert_true(got.offset[b] == want.offset[b] || !finite);
        assert_true(finite ? isfinite(got.scale[b]) : isnan(got.scale[b]));
        for (size_t i = b * WKV_QBLOCK; finite && i < (b + 1) * WKV_QBLOCK; i++) {
            double off = fabs((double)got.q[i] * (double)got.scale[b] - (double)x[i]);
            assert_true(off <= 0.5 * (double)got.scale[b] * (1 + 1e-5) + 0x1p-100);
        }
    }
}

/* ---- weights ---------------------------------------------------------------------------- */

/* What files hold: where a block's F16 scales are, and by what packing rounds a weight, in units of
 * the largest of its block. */
typedef struct stored {
    wkv_dtype t;
    int scale[2];
    double error;
} stored;

static const stored all_stored[] = {
    {WKV_DTYPE_Q4_0, {0, 0}, 0},     {WKV_DTYPE_Q4_1, {0, 2}, 0},
    {WKV_DTYPE_Q5_0, {0, 0}, 0},     {WKV_DTYPE_Q5_1, {0, 2}, 0},
    {WKV_DTYPE_Q8_0, {0, 0}, 0},     {WKV_DTYPE_Q2_K, {80, 82}, 0.55 / 127},
    {WKV_DTYPE_Q4_K, {0, 2}, 0},     {WKV_DTYPE_Q5_K, {0, 2}, 0},
    {WKV_DTYPE_Q6_K, {208, 208}, 0}, {WKV_DTYPE_IQ4_NL, {0, 0}, 0},
};
enum { ALL_STORED = sizeof all_stored / sizeof *all_stored };

/* n random weights of type t as a file has them: any quants, scales about 0.1. */
static unsigned char *blocks_of(check *c, wkv_dtype t, size_t n)
{
    const wkv_dtype_info *d = wkv_dtype_of(t);
    const size_t size = n / (size_t)d->block * (size_t)d->bytes;
    unsigned char *p = bytes(c, size);
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)pick(c, 0, 255);
    size_t row = 0;
    while (all_stored[row].t != t)
        row++;
    for (size_t at = 0; at < size; at += (size_t)d->bytes)
        for (int j = 0; j < 2; j++) {
            uint16_t half = wkv_f32_to_f16(0.1f * (float)wkv_rng_normal(&c->rng));
            memcpy(p + at + all_stored[row].scale[j], &half, 2);
        }
    return p;
}

/* Packed, for the kernels under test and for the reference, and as reals. */
typedef struct weights {
    unsigned char *panels, *ref_panels;
    double *plain;
    int n_out, n;
} weights;

static weights draw_weights(check *c, wkv_dtype t, int n_out, int n)
{
    const wkv_layout l = wkv_layout_for(t, (size_t)n);
    const size_t panels = ((size_t)n_out + WKV_PANEL - 1) / WKV_PANEL;
    const size_t panel_bytes = wkv_panel_bytes(l, (size_t)n);
    const size_t row_bytes =
        (size_t)n / (size_t)wkv_dtype_of(t)->block * (size_t)wkv_dtype_of(t)->bytes;
    const unsigned char *file = blocks_of(c, t, (size_t)n_out * (size_t)n);
    weights w = {bytes(c, panels * panel_bytes), bytes(c, panels * panel_bytes),
                 bytes(c, (size_t)n_out * (size_t)n * sizeof *w.plain), n_out, n};
    float *wide = bytes(c, (size_t)n * sizeof *wide);
    for (int o = 0; o < n_out; o += WKV_PANEL) {
        const size_t at = (size_t)(o / WKV_PANEL) * panel_bytes;
        const unsigned char *from = file + (size_t)o * row_bytes;
        const int here = n_out - o < WKV_PANEL ? n_out - o : WKV_PANEL;
        wkv_pack_panel(w.panels + at, l, from, t, here, (size_t)n, wide, c->k->q8_bias);
        wkv_pack_panel(w.ref_panels + at, l, from, t, here, (size_t)n, wide, 0);
    }
    wkv_dtype_to_f64(w.plain, file, t, (size_t)n_out * (size_t)n);
    return w;
}

typedef void (*qmul)(real *y, int ldy, const wkv_qrows *x, int rows, const unsigned char *panels,
                     int n_out, int n, bool add);

/* |got - W x| is what rounding the activations, and the weights (error) where they are quantised
 * anew, leaves. */
static void near_plain(const real *got, const real *x, const wkv_qrows *q, const weights *w,
                       double error)
{
    for (int o = 0; o < w->n_out; o++) {
        const double *row = w->plain + (size_t)o * (size_t)w->n;
        double want = 0, bound = 1e-6;
        for (int b = 0; b < w->n / WKV_QBLOCK; b++) {
            double most = 0, sum = 0;
            for (int i = 0; i < WKV_QBLOCK; i++) {
                const double weight = row[b * WKV_QBLOCK + i];
                const double value = (double)x[b * WKV_QBLOCK + i];
                want += weight * value;
                most = fmax(most, fabs(weight));
                sum += fabs(value);
                bound += fabs(weight) * (0.501 * (double)q->scale[b] + 1e-5 * fabs(value));
            }
            bound += most * error * (sum + 16 * (double)q->scale[b]);
        }
        assert_true(fabs((double)got[o] - want) <= bound);
    }
}

/* A NaN or an infinity among the activations of a row makes all its outputs NaN and no other
 * row's, but where sums may overflow.  Rows of y are ld apart. */
static void has_nan_rows(const real *y, int ld, const real *x, int rows, int n_out, int n,
                         bool overflow)
{
    for (int r = 0; r < rows; r++) {
        bool bad = false;
        for (int i = 0; i < n; i++)
            bad = bad || !isfinite(x[r * n + i]);
        for (int o = 0; o < n_out && (bad || !overflow); o++)
            assert_int_equal(bad, isnan(y[r * ld + o]));
    }
}

/* Inputs of weights whose blocks are so long: few, or more than are unpacked together or, of Q8 on
 * AMX, go together as they are. */
static int draw_inputs(check *c, int span)
{
    return span * (span == WKV_QBLOCK && pick(c, 0, 7) == 0 ? pick(c, 9, 70) : pick(c, 1, 3));
}

/* What lies between rows of y stays as it is. */
static void check_type(check *c, qmul f, qmul ref, wkv_dtype t, double error)
{
    const int n = draw_inputs(c, wkv_dtype_of(t)->block), n_out = pick(c, 1, 50);
    const int rows = pick(c, 1, pick(c, 0, 3) > 0 ? 21 : 100), ld = n_out + pick(c, 0, 2);
    const size_t out = (size_t)rows * (size_t)ld;
    const real *x = input(c, (size_t)rows * (size_t)n), *before = input_of(c, out, NORMAL);
    weights w = draw_weights(c, t, n_out, n);
    wkv_qrows q = quantised(c, c->k, x, rows, n);
    real *got = inout(c, before, out), *want = inout(c, before, out);
    ref(want, ld, &q, rows, w.ref_panels, n_out, n, false);
    f(got, ld, &q, rows, w.panels, n_out, n, false);
    same("y", got, want, out);
    has_nan_rows(got, ld, x, rows, n_out, n, c->kind == EXTREME);
    if (c->kind != WITH_NAN && c->kind != EXTREME)
        near_plain(got, x, &q, &w, error);

    real *sum = inout(c, before, out), *want_sum = inout(c, before, out);
    ref(want_sum, ld, &q, rows, w.ref_panels, n_out, n, true);
    f(sum, ld, &q, rows, w.panels, n_out, n, true);
    same("y +=", sum, want_sum, out);

    const size_t last = (size_t)rows - 1;
    const wkv_qrows one = wkv_qrows_from(&q, last, 0);
    real *alone = output(c, (size_t)n_out);
    f(alone, n_out, &one, 1, w.panels, n_out, n, false);
    same("a row alone", alone, got + last * (size_t)ld, (size_t)n_out);
}

/* All types that lie so. */
static void check_layout(check *c, wkv_layout l, qmul f, qmul ref)
{
    for (int i = 0; i < ALL_STORED; i++)
        if (wkv_layout_for(all_stored[i].t, WKV_QSUPER) == l)
            check_type(c, f, ref, all_stored[i].t, all_stored[i].error);
}

#define CHECK(id, name, span, scales, block) \
    void check_qmul_##name(check *c) \
    { \
        check_layout(c, WKV_LAYOUT_##id, c->k->qmul_##name, wkv_qmul_##name##_ref); \
    }
WKV_PANEL_LAYOUTS(CHECK)
#undef CHECK

/* ---- weights by inputs ------------------------------------------------------------------- */

/* A row of mostly zeros, some blocks all of them. */
static real *sparse_row(check *c, int n)
{
    real *x = input(c, (size_t)n);
    const int keep = pick(c, 0, 3);
    for (int i = 0; i < n; i++)
        if (x[i] == x[i] && (pick(c, 0, 3) > keep || i / WKV_QBLOCK % 3 == 1))
            x[i] = 0;
    return x;
}

/* Any type with a layout. */
static wkv_dtype draw_type(check *c)
{
    return all_stored[pick(c, 0, ALL_STORED - 1)].t;
}

/* The same weights as panels and as groups, which the reference has made: it only moves bytes. */
typedef struct both {
    wkv_layout l;
    unsigned char *panels, *groups, *ref_panels, *ref_groups;
    size_t panel, group; /* bytes of a group's panels, and of a group */
    int n, n_groups;
} both;

static both draw_both(check *c, int n_out)
{
    const wkv_dtype t = draw_type(c);
    const int block = wkv_dtype_of(t)->block, n = block * pick(c, 1, block > WKV_QBLOCK ? 3 : 20);
    const int n_groups = (n_out + WKV_GROUP - 1) / WKV_GROUP;
    weights w = draw_weights(c, t, n_groups * WKV_GROUP, n);
    both b = {.l = wkv_layout_for(t, (size_t)n),
              .panels = w.panels,
              .ref_panels = w.ref_panels,
              .n = n,
              .n_groups = n_groups};
    b.panel = WKV_GROUP_PANELS * wkv_panel_bytes(b.l, (size_t)n);
    b.group = wkv_group_bytes(b.l, (size_t)n);
    b.groups = bytes(c, (size_t)n_groups * b.group);
    b.ref_groups = bytes(c, (size_t)n_groups * b.group);
    for (size_t i = 0; i < (size_t)n_groups; i++) {
        wkv_panels_to_group_ref(b.groups + i * b.group, b.panels + i * b.panel, b.l, n);
        wkv_panels_to_group_ref(b.ref_groups + i * b.group, b.ref_panels + i * b.panel, b.l, n);
    }
    return b;
}

static qmul product_of(wkv_layout l)
{
    static const qmul of[WKV_LAYOUTS] = {
#define PRODUCT(id, name, span, scales, block) [WKV_LAYOUT_##id] = wkv_qmul_##name##_ref,
        WKV_PANEL_LAYOUTS(PRODUCT)
#undef PRODUCT
    };
    return of[l];
}

static wkv_quads quads_of(check *c, const wkv_qrows *q, int n, wkv_layout l)
{
    const size_t inputs = (size_t)n;
    wkv_quads z = {bytes(c, wkv_quads_most(inputs) * sizeof(wkv_quad)),
                   bytes(c, 2 * inputs / WKV_QBLOCK * sizeof(uint32_t))};
    wkv_quads_find(&z, q->q, inputs, l);
    return z;
}

/* The bits of the dense product. */
void check_qmul_at(check *c)
{
    const int n_out = pick(c, 1, 300);
    const size_t out = (size_t)n_out;
    const both w = draw_both(c, n_out);
    const real *x = sparse_row(c, w.n), *before = input_of(c, out, NORMAL);
    wkv_qrows q = quantised(c, c->k, x, 1, w.n);
    const wkv_quads z = quads_of(c, &q, w.n, w.l);
    real *got = output(c, out), *want = output(c, out), *ref = output(c, out);
    product_of(w.l)(want, n_out, &q, 1, w.ref_panels, n_out, w.n, false);
    wkv_qmul_at_ref(ref, &q, &z, w.ref_groups, w.l, n_out, w.n, false);
    c->k->qmul_at(got, &q, &z, w.groups, w.l, n_out, w.n, false);
    same("y", got, ref, out);
    same("y, and the dense product", got, want, out);
    real *sum = inout(c, before, out), *want_sum = inout(c, before, out);
    product_of(w.l)(want_sum, n_out, &q, 1, w.ref_panels, n_out, w.n, true);
    c->k->qmul_at(sum, &q, &z, w.groups, w.l, n_out, w.n, true);
    same("y +=", sum, want_sum, out);
}

/* The same of several rows, between which y stays as it is. */
void check_qmul_groups(check *c)
{
    const int n_out = pick(c, 1, 200), rows = pick(c, 2, pick(c, 0, 9) > 0 ? 40 : 300);
    const int ld = n_out + pick(c, 0, 2);
    const size_t out = (size_t)rows * (size_t)ld;
    const both w = draw_both(c, n_out);
    const real *x = input(c, (size_t)rows * (size_t)w.n), *before = input_of(c, out, NORMAL);
    wkv_qrows q = quantised(c, c->k, x, rows, w.n);
    unsigned char *room = bytes(c, wkv_group_room(w.l, (size_t)w.n));
    for (int add = 0; add < 2; add++) {
        real *got = inout(c, before, out), *want = inout(c, before, out);
        real *ref = inout(c, before, out);
        product_of(w.l)(want, ld, &q, rows, w.ref_panels, n_out, w.n, add);
        wkv_qmul_groups_ref(ref, ld, &q, rows, w.ref_groups, w.l, n_out, w.n, add, room);
        c->k->qmul_groups(got, ld, &q, rows, w.groups, w.l, n_out, w.n, add, room);
        same("y", got, ref, out);
        same("y, and the product of panels", got, want, out);
    }
}

void check_panels_to_group(check *c)
{
    const both w = draw_both(c, WKV_GROUP);
    unsigned char *got = bytes(c, w.group);
    c->k->panels_to_group(got, w.panels, w.l, w.n);
    assert_memory_equal(got, w.groups, w.group);
}

void check_group_to_panels(check *c)
{
    const both w = draw_both(c, WKV_GROUP);
    unsigned char *got = bytes(c, w.panel);
    c->k->group_to_panels(got, w.groups, w.l, w.n);
    assert_memory_equal(got, w.panels, w.panel);
}

void check_byte_products(check *c)
{
    int32_t sum;
    const size_t rounds = (size_t)pick(c, 0, 1000);
    const double operations = c->k->byte_products(&sum, rounds);
    assert_true(operations >= 2.0 * (double)rounds && 2.0 * sum == operations);
}
