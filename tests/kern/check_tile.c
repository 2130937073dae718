/* tests/kern/check_tile.c - products as tiles of bf16: tiles to the bit, sums within what adding
 * in another order may change, and the same for a row whatever comes with it. */
#include <math.h>

#include "base/half.h"
#include "checkkern.h"

static uint16_t *tiles(check *c, size_t n)
{
    return bytes(c, n * sizeof(uint16_t));
}

/* Equal, zeros of any sign, or NaN both. */
static void same_halves(const char *what, const uint16_t *got, const uint16_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float g = wkv_bf16_to_f32(got[i]), w = wkv_bf16_to_f32(want[i]);
        if (g != w && (g == g || w == w))
            fail_msg("%s[%zu] is %.9g, reference %.9g", what, i, (double)g, (double)w);
    }
}

/* Denormal numbers may have become zeros. */
static void flush(uint16_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabsf(wkv_bf16_to_f32(p[i])) < 0x1p-126f)
            p[i] = 0;
}

/* As the reference has them, but that denormal numbers may have become zeros. */
static void same_tiles(uint16_t *got, uint16_t *want, size_t n)
{
    flush(got, n);
    flush(want, n);
    same_halves("tile", got, want, n);
}

void check_tile_rows(check *c)
{
    const int n = WKV_QBLOCK * pick(c, 1, 5), rows = pick(c, 1, 40), parts = pick(c, 0, 1) ? 3 : 1;
    const size_t all =
        (size_t)(rows + WKV_TILE_ROWS - 1) / WKV_TILE_ROWS * WKV_TILE_ROWS * (size_t)(n * parts);
    const real *x = input(c, (size_t)rows * (size_t)n);
    uint16_t *got = tiles(c, all), *want = tiles(c, all);
    wkv_tile_rows_ref(want, x, rows, n, parts);
    c->k->tile_rows(got, x, rows, n, parts);
    same_tiles(got, want, all);
}

void check_tile_halves(check *c)
{
    const int blocks = pick(c, 1, 5), first = pick(c, 0, blocks - 1);
    const int count = pick(c, 1, blocks - first), outputs = pick(c, 1, WKV_PANEL);
    wkv_halves w = {.f16 = pick(c, 0, 1), .by_inputs = pick(c, 0, 1)};
    const int others = w.by_inputs ? blocks * WKV_QBLOCK : outputs;
    w.ld = (size_t)(w.by_inputs ? outputs : blocks * WKV_QBLOCK) + (size_t)pick(c, 0, 3);
    const size_t all = (size_t)others * w.ld, size = (size_t)(count * (w.f16 ? 2 : 1)) * WKV_TILE;
    const real *x = input(c, all);
    uint16_t *halves = tiles(c, all), *got = tiles(c, size), *want = tiles(c, size);
    for (size_t i = 0; i < all; i++)
        halves[i] = w.f16 ? wkv_f32_to_f16((float)x[i]) : wkv_f32_to_bf16((float)x[i]);
    w.at = halves;
    wkv_tile_halves_ref(want, &w, outputs, first, count);
    c->k->tile_halves(got, &w, outputs, first, count);
    same_tiles(got, want, size);
}

/* A panel of any numbers and scales about 0.1: random halves may be NaN. */
static unsigned char *panel_of(check *c, wkv_layout l, size_t n)
{
    const size_t size = wkv_panel_bytes(l, n);
    const wkv_layout_info info = wkv_layout_of(l);
    unsigned char *p = bytes(c, size);
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)pick(c, 0, 255);
    const size_t halves = l == WKV_LAYOUT_Q8 || l == WKV_LAYOUT_Q4 || l == WKV_LAYOUT_Q6K ? 16 : 32;
    for (size_t s = 0; s < n / (size_t)info.span; s++)
        for (size_t i = 0; i < halves; i++) {
            uint16_t half = wkv_f32_to_f16(0.1f * (float)wkv_rng_normal(&c->rng));
            if (c->kind == WITH_NAN && pick(c, 0, 100) == 0)
                half = 0x7e00;
            memcpy(p + s * (size_t)info.scales + 2 * i, &half, 2);
        }
    return p;
}

void check_tile_panel(check *c)
{
    static const wkv_layout layouts[] = {
#define LAYOUT(id, name, span, scales, block) WKV_LAYOUT_##id,
        WKV_PANEL_LAYOUTS(LAYOUT)
#undef LAYOUT
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const wkv_layout l = layouts[i];
        const int n = wkv_layout_of(l).span * pick(c, 1, 3), blocks = n / WKV_QBLOCK;
        const int first = pick(c, 0, blocks - 1), count = pick(c, 1, blocks - first);
        const size_t all = (size_t)count * WKV_TILE;
        const unsigned char *panel = panel_of(c, l, (size_t)n);
        uint16_t *got = tiles(c, all), *want = tiles(c, all);
        wkv_tile_panel_ref(want, panel, l, n, first, count);
        c->k->tile_panel(got, panel, l, n, first, count);
        same_halves("tile", got, want, all);
    }
}

/* The tiles of `rows` rows, or outputs, in parts, and of the absolute values. */
typedef struct factor {
    uint16_t *tiles, *absolute;
} factor;

static factor draw_factor(check *c, int rows, int n, int parts, input_kind kind)
{
    const size_t all = (size_t)((rows + 15) / 16 * parts) * WKV_TILE * (size_t)(n / WKV_QBLOCK);
    const real *x = input_of(c, all, kind);
    factor f = {tiles(c, all), tiles(c, all)};
    for (size_t i = 0; i < all; i++) {
        f.tiles[i] = wkv_f32_to_bf16((float)x[i]);
        f.absolute[i] = f.tiles[i] & 0x7fff;
    }
    return f;
}

/* Sums of f32 in any order, of products that may be flushed to zero. */
static void near_sums(const real *got, const real *want, const real *magnitude, size_t n, int terms)
{
    for (size_t i = 0; i < n; i++) {
        const double most = (double)magnitude[i] * (terms + 2) * 0x1p-23;
        if (isfinite(magnitude[i]) && (double)magnitude[i] < 1e38 &&
            !(fabs((double)got[i] - (double)want[i]) <= most + terms * 0x1p-126))
            fail_msg("y[%zu] is %.9g, reference %.9g", i, (double)got[i], (double)want[i]);
        if (isnan(magnitude[i]) && !isnan(got[i]))
            fail_msg("y[%zu] is %.9g, expected NaN", i, (double)got[i]);
    }
}

void check_tile_mul(check *c)
{
    const int count = pick(c, 1, 5), n = count * WKV_QBLOCK;
    const int x_parts = pick(c, 0, 1) ? 3 : 1, w_parts = x_parts == 3 ? pick(c, 1, 2) : 1;
    const int rows = pick(c, 1, 140), n_out = pick(c, 1, 70);
    const size_t ld = (size_t)n_out + 3, out = (size_t)rows * ld;
    const size_t step = (size_t)(16 * x_parts) * (size_t)n;
    factor x = draw_factor(c, rows, n, x_parts, c->kind),
           w = draw_factor(c, n_out, n, w_parts, NORMAL);
    const wkv_tile_factors f = {x.tiles, w.tiles, step, x_parts, w_parts, count};
    const wkv_tile_factors magnitudes = {x.absolute, w.absolute, step, x_parts, w_parts, count};
    const real *before = input_of(c, out, NORMAL);
    for (int add = 0; add < 2; add++) {
        real *got = inout(c, before, out), *want = inout(c, before, out);
        real *most = absolute(c, before, out), *alone = inout(c, before, out);
        wkv_tile_mul_ref(want, (int)ld, &f, rows, n_out, add);
        wkv_tile_mul_ref(most, (int)ld, &magnitudes, rows, n_out, add);
        c->k->tile_mul(got, (int)ld, &f, rows, n_out, add);
        near_sums(got, want, most, out, 5 * n);
        const int last = (rows - 1) / WKV_TILE_ROWS * WKV_TILE_ROWS;
        wkv_tile_factors end = f;
        end.x += (size_t)(last / WKV_TILE_ROWS) * step;
        c->k->tile_mul(alone + (size_t)last * ld, (int)ld, &end, rows - last, n_out, add);
        same("rows alone", alone + (size_t)last * ld, got + (size_t)last * ld,
             (size_t)(rows - last) * ld);
    }
}
