/* tests/kern/same_bits.c - products of packed weights give the same bits on every processor.
 *
 * checkkern holds each level against the reference of the same machine; here the checksums of
 * results stand in the source, the same for x86 and ARM.  Inputs are made of whole numbers, so
 * that no mathematical library has a say.  Packing is part of it. */
#include "alone.h"
#include "base/crc32.h"
#include "base/half.h"
#include "base/rng.h"
#include "kern/kern.h"

enum { ROWS = 7, OUTPUTS = 200, INPUTS = 2 * WKV_QSUPER, BLOCKS = INPUTS / WKV_QBLOCK };

typedef void qmul(real *y, int ldy, const wkv_qrows *x, int rows, const unsigned char *panels,
                  int n_out, int n, bool add);

/* A type of files, and where an F16 scale and another (or the same) are in its blocks. */
typedef struct product {
    const char *name;
    size_t kernel; /* offset in wkv_kern */
    wkv_dtype type;
    int scales[2];
    uint32_t crc;
} product;

#define PRODUCT(name, type, a, b, crc) \
    { \
#name " of " #type, offsetof(wkv_kern, qmul_##name), WKV_DTYPE_##type, {a, b }, crc \
    }

static const product products[] = {
    PRODUCT(q8, Q8_0, 0, 0, 0xc9d2b621),      PRODUCT(q8, Q5_0, 0, 0, 0xe9de91b4),
    PRODUCT(q8, Q2_K, 80, 82, 0x9fa13b37),    PRODUCT(q8m, Q4_1, 0, 2, 0xc5ddcbae),
    PRODUCT(q8m, Q5_1, 0, 2, 0xefebda2b),     PRODUCT(q8k, Q5_K, 0, 2, 0x3c8d90d4),
    PRODUCT(q4, Q4_0, 0, 0, 0xb1a143b5),      PRODUCT(q4k, Q4_K, 0, 2, 0x086db7ab),
    PRODUCT(q6k, Q6_K, 208, 208, 0xa56a9a1c),
};

static wkv_rng rng;

static int whole(int below)
{
    return (int)(wkv_rng_u64(&rng) % (uint64_t)below);
}

static void *room(size_t n)
{
    void *p = calloc(n, 1);
    assert_non_null(p);
    return p;
}

/* OUTPUTS rows of random blocks, scales of at most 0.25. */
static unsigned char *draw_file(wkv_dtype t, const int scales[2])
{
    const wkv_dtype_info *d = wkv_dtype_of(t);
    const size_t size = (size_t)OUTPUTS * INPUTS / (size_t)d->block * (size_t)d->bytes;
    unsigned char *p = room(size);
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)whole(256);
    for (size_t at = 0; at < size; at += (size_t)d->bytes)
        for (int j = 0; j < 2; j++) {
            uint16_t half = wkv_f32_to_f16((float)(whole(2001) - 1000) / 4096);
            memcpy(p + at + scales[j], &half, 2);
        }
    return p;
}

/* Rows of activations: more zeros from row to row, one block of the last all zeros. */
static real *draw_rows(void)
{
    real *x = room(ROWS * INPUTS * sizeof *x);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < INPUTS; i++)
            if (whole(ROWS) >= r && !(r == ROWS - 1 && i / WKV_QBLOCK == 3))
                x[r * INPUTS + i] = (real)(whole(1 << 20) - (1 << 19)) / (real)(1 << 17);
    return x;
}

/* Its numbers are to be freed. */
static wkv_qrows quantise(const wkv_kern *k)
{
    real *x = draw_rows();
    const wkv_qrows q = wkv_qrows_in(room(wkv_qrows_bytes(ROWS, INPUTS)), ROWS, INPUTS);
    wkv_quant_span(k, &q, x, INPUTS, 0, ROWS * INPUTS);
    free(x);
    return q;
}

static void compare(const char *name, const real *y, size_t n, uint32_t want)
{
    uint32_t got = 0;
    for (size_t i = 0; i < n; i++) {
        float f = (float)y[i];
        got = wkv_crc32c(got, &f, sizeof f);
    }
    if (got != want)
        fail_msg("%s: checksum 0x%08x, expected 0x%08x", name, (unsigned)got, (unsigned)want);
}

static void check_product(const wkv_kern *k, const product *p)
{
    wkv_rng_seed(&rng, 7);
    const wkv_layout l = wkv_layout_for(p->type, INPUTS);
    const wkv_dtype_info *d = wkv_dtype_of(p->type);
    const size_t row = INPUTS / (size_t)d->block * (size_t)d->bytes;
    const size_t panel = wkv_panel_bytes(l, INPUTS);
    unsigned char *file = draw_file(p->type, p->scales);
    unsigned char *panels = room((OUTPUTS + WKV_PANEL - 1) / WKV_PANEL * panel);
    float wide[INPUTS];
    for (int o = 0; o < OUTPUTS; o += WKV_PANEL)
        wkv_pack_panel(panels + (size_t)(o / WKV_PANEL) * panel, l, file + (size_t)o * row, p->type,
                       OUTPUTS - o < WKV_PANEL ? OUTPUTS - o : WKV_PANEL, INPUTS, wide, k->q8_bias);
    const wkv_qrows x = quantise(k);
    static real y[ROWS * OUTPUTS];
    qmul *multiply;
    memcpy(&multiply, (const char *)k + p->kernel, sizeof multiply);
    multiply(y, OUTPUTS, &x, ROWS, panels, OUTPUTS, INPUTS, false);
    multiply(y, OUTPUTS, &x, 1, panels, OUTPUTS, INPUTS, true);
    compare(p->name, y, ROWS * OUTPUTS, p->crc);
    free(x.q);
    free(file);
    free(panels);
}

/* Weights by inputs. */
static void check_by_inputs(const wkv_kern *k, uint32_t want)
{
    static const int scales[2] = {0, 0};
    wkv_rng_seed(&rng, 8);
    const wkv_layout l = WKV_LAYOUT_Q8;
    const size_t group = wkv_group_bytes(l, INPUTS), row = INPUTS / 32 * 34;
    const size_t panel = wkv_panel_bytes(l, INPUTS);
    unsigned char *file = draw_file(WKV_DTYPE_Q8_0, scales);
    unsigned char *groups = room((OUTPUTS + WKV_GROUP - 1) / WKV_GROUP * group);
    unsigned char *panels = room(WKV_GROUP_PANELS * panel);
    for (int o = 0; o < OUTPUTS; o += WKV_PANEL) {
        wkv_pack_panel(panels + (size_t)(o % WKV_GROUP / WKV_PANEL) * panel, l,
                       file + (size_t)o * row, WKV_DTYPE_Q8_0,
                       OUTPUTS - o < WKV_PANEL ? OUTPUTS - o : WKV_PANEL, INPUTS, NULL, k->q8_bias);
        if (o % WKV_GROUP + WKV_PANEL == WKV_GROUP || OUTPUTS - o <= WKV_PANEL)
            k->panels_to_group(groups + (size_t)(o / WKV_GROUP) * group, panels, l, INPUTS);
    }
    const wkv_qrows all = quantise(k);
    static real y[ROWS * OUTPUTS];
    wkv_quads quads = {room(wkv_quads_most(INPUTS) * sizeof(wkv_quad)),
                       room(2 * BLOCKS * sizeof(uint32_t))};
    for (int r = 0; r < ROWS; r++) {
        const wkv_qrows x = wkv_qrows_from(&all, (size_t)r, 0);
        wkv_quads_find(&quads, x.q, INPUTS, l);
        k->qmul_at(y + r * OUTPUTS, &x, &quads, groups, l, OUTPUTS, INPUTS, false);
    }
    compare("Q8_0 by inputs", y, ROWS * OUTPUTS, want);
    free(all.q);
    free(quads.quad);
    free(quads.end);
    free(file);
    free(panels);
    free(groups);
}

static void check_level(void *level)
{
    const wkv_kern *k = wkv_kern_for(*(const wkv_cpu_level *)level);
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        check_product(k, &products[i]);
    check_by_inputs(k, 0xa6392d08);
}

int main(void)
{
    int failed = 0;
    for (int i = 0; i <= (int)wkv_cpu_detect(); i++) {
        wkv_cpu_level level = (wkv_cpu_level)i;
        failed += !run_alone(wkv_cpu_level_name(level), check_level, &level);
    }
    return failed > 0;
}
